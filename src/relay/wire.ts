// One connection as a line of commands and their replies, in order, pipelined where that is allowed.
import type { Socket } from 'node:net';
import { describeReply, type Reply, ReplyReader } from '../smtp/reply.ts';
import { tlsFailure } from '../smtp/tls-failure.ts';
import { atTurnEnd } from '../smtp/turn-end.ts';
import { Deadline } from './deadline.ts';
import { DownstreamError, messageOf } from './error.ts';

interface Awaited {
  /** The command with its CRLF; '' for a reply that needs no further one. */
  readonly text: string;
  readonly timeoutMs: number;
  /** Nothing may follow in the same group of commands (RFC 2920 §3.1). */
  readonly last: boolean;
  /** Is told first, and at once. */
  readonly heard: ((reply: Reply) => void) | undefined;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: DownstreamError) => void;
}

/** After a 421, replies that are still due come at once or never. */
const farewellMs = 5_000;

/** Owns the socket. Ends by itself at the first failure, and then says which one it was. */
export class Wire {
  /** Commands of one group go out together when the downstream offers PIPELINING. */
  pipelining = false;
  /** Resolves when the connection is over, with the reason. */
  readonly ended: Promise<DownstreamError>;

  readonly #name: string;
  #socket: Socket;
  #reader = new ReplyReader();
  readonly #unsent: Awaited[] = [];
  readonly #sent: Awaited[] = [];
  #outgoing = '';
  readonly #deadline = new Deadline(() => this.#late());
  #lastLook: NodeJS.Immediate | undefined;
  #failure: DownstreamError | undefined;
  #farewell: Reply | undefined;
  #interrupt: ((early: Reply) => void) | undefined;
  #end: (error: DownstreamError) => void;

  /**
   * @param socket connected
   * @param name of the destination, for errors
   */
  constructor(socket: Socket, name: string) {
    const { promise, resolve } = Promise.withResolvers<DownstreamError>();
    this.ended = promise;
    this.#end = resolve;
    this.#name = name;
    this.#socket = socket;
    this.#attach(socket);
  }

  /** Why the connection is over; undefined while it is not. */
  get failure(): DownstreamError | undefined {
    return this.#failure;
  }

  /** The 421 after which nothing more may be sent. */
  get farewell(): Reply | undefined {
    return this.#farewell;
  }

  /** Whether replies are due. */
  get pending(): boolean {
    return this.#sent.length + this.#unsent.length > 0;
  }

  /**
   * Sends a command when its turn has come.
   *
   * @param line without CRLF; '' waits for a reply that needs no command, such as the greeting
   * @param last nothing may follow before its reply: DATA, QUIT, STARTTLS
   * @param heard is told of the reply as soon as it is there
   * @throws {DownstreamError} when its reply can no longer come
   */
  send(line: string, timeoutMs: number, last: boolean, heard?: (reply: Reply) => void): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const text = line === '' ? '' : `${line}\r\n`;
    const over = this.#failure ?? (this.#farewell && this.#afterFarewell(this.#farewell));
    if (over) reject(over);
    else this.#unsent.push({ text, timeoutMs, last, heard, resolve, reject });
    this.#sendAllowed();
    return promise;
  }

  /**
   * Writes message bytes, of which there are more to come, when this turn of the event loop ends. What the downstream
   * has said by then is read before: a refusal whose connection is reset at once is lost with the next write.
   *
   * @returns when the kernel has them all: the blocks can be used for something else
   * @throws {DownstreamError} when it does not take them in time, or the connection is over
   */
  async write(blocks: readonly Buffer[], timeoutMs: number): Promise<void> {
    await new Promise<void>(atTurnEnd);
    if (this.#failure) throw this.#failure;
    const socket = this.#socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once('close', resolve);
    socket.cork();
    for (const [i, block] of blocks.entries()) {
      if (i < blocks.length - 1) socket.write(block);
      else socket.write(block, () => resolve());
    }
    socket.uncork();
    const timer = setTimeout(
      () => this.fail('timeout', `took no part of the message for ${timeoutMs} ms`),
      timeoutMs,
    );
    await promise;
    clearTimeout(timer);
    socket.off('close', resolve);
    if (this.#failure) throw this.#failure;
  }

  /**
   * Writes the end of a message, when this turn of the event loop ends: it leaves with what others have to write, and
   * whatever has been read by then came before it.
   *
   * @returns when it has left. No reply to it can have been read yet
   * @throws {DownstreamError} when the connection is over before
   */
  writeLast(blocks: readonly Buffer[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    atTurnEnd(() => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      this.#socket.cork();
      for (const block of blocks) this.#socket.write(block);
      this.#socket.uncork();
      resolve();
    });
    return promise;
  }

  /** Until undone, a reply goes to `early`: none is due before the final dot. */
  onEarlyReply(early: ((reply: Reply) => void) | undefined): void {
    this.#interrupt = early;
  }

  /** Takes the connection back, for TLS; the wire goes on with what `wrap` makes of it. */
  async upgrade(wrap: (socket: Socket) => Promise<Socket>): Promise<void> {
    const plain = this.#socket;
    // What came in plain text behind the reply to STARTTLS is somebody else's (CVE-2011-0411).
    if (this.#failure) throw this.#failure;
    if (this.#reader.partial) throw this.fail('protocol', 'sent more than a reply before TLS');
    this.#detach(plain);
    this.#socket = await wrap(plain);
    this.#reader = new ReplyReader();
    this.#attach(this.#socket);
  }

  /** Ends the connection at once; what was not written yet never is. The first reason stays. */
  fail(
    kind: DownstreamError['kind'],
    what: string,
    options: { reply?: Reply; cause?: unknown } = {},
  ): DownstreamError {
    if (this.#failure) return this.#failure;
    const failure = new DownstreamError(kind, `${this.#name} ${what}`, { reply: this.#farewell, ...options });
    this.#failure = failure;
    this.#deadline.end();
    clearImmediate(this.#lastLook);
    this.#outgoing = '';
    this.#socket.destroy();
    for (const awaited of [...this.#sent.splice(0), ...this.#unsent.splice(0)]) awaited.reject(failure);
    this.#end(failure);
    return failure;
  }

  #attach(socket: Socket): void {
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.on('error', this.#onError);
  }

  #detach(socket: Socket): void {
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onEnd);
    // 'error' stays: a plain socket under TLS must not be able to throw.
  }

  readonly #onEnd = (): void => {
    this.fail('lost', 'closed the connection');
  };

  readonly #onError = (error: Error): void => {
    this.fail('lost', `lost the connection: ${tlsFailure(error)}`, { cause: error });
  };

  readonly #onData = (chunk: Buffer): void => {
    // Line by line, so that garbage does not take the replies before it along.
    for (let from = 0; from < chunk.length && !this.#failure; ) {
      const newline = chunk.indexOf(0x0a, from);
      const end = newline < 0 ? chunk.length : newline + 1;
      try {
        const line = from === 0 && end === chunk.length ? chunk : chunk.subarray(from, end);
        for (const reply of this.#reader.push(line)) this.#take(reply);
      } catch (error) {
        this.fail('protocol', `broke the protocol: ${messageOf(error)}`, { cause: error });
      }
      from = end;
    }
  };

  #take(reply: Reply): void {
    if (reply.code === 421) this.#farewell = reply;
    if (this.#interrupt) {
      this.#interrupt(reply);
      return;
    }
    const awaited = this.#sent.shift();
    if (!awaited) {
      if (reply.code === 421) this.#saidGoodbye(reply);
      else this.fail('protocol', `sent a reply that nobody asked for: ${describeReply(reply)}`, { reply });
      return;
    }
    awaited.heard?.(reply);
    awaited.resolve(reply);
    if (this.#farewell) this.#leave(this.#farewell);
    this.#startTimer();
    this.#sendAllowed();
  }

  /** What was not sent never will be; what was may still be answered. */
  #leave(farewell: Reply): void {
    for (const awaited of this.#unsent.splice(0)) awaited.reject(this.#afterFarewell(farewell));
    if (this.#sent.length === 0) this.#saidGoodbye(farewell);
  }

  #saidGoodbye(farewell: Reply): void {
    this.fail('lost', `said goodbye: ${describeReply(farewell)}`, { reply: farewell });
  }

  #afterFarewell(farewell: Reply): DownstreamError {
    return new DownstreamError('lost', `${this.#name} said goodbye: ${describeReply(farewell)}`, {
      reply: farewell,
    });
  }

  #sendAllowed(): void {
    const idle = this.#sent.length === 0;
    for (let next = this.#unsent[0]; next; next = this.#unsent[0]) {
      const before = this.#sent.at(-1);
      if (before && (before.last || !this.pipelining) && next.text !== '') break;
      this.#unsent.shift();
      this.#sent.push(next);
      // One write for all commands that are given without waiting: a packet for each would be held by Nagle's like.
      if (next.text !== '' && this.#outgoing === '') atTurnEnd(this.#flush);
      this.#outgoing += next.text;
    }
    if (idle) this.#startTimer();
  }

  readonly #flush = (): void => {
    const text = this.#outgoing;
    this.#outgoing = '';
    if (text !== '' && !this.#failure) this.#socket.write(text, 'latin1');
  };

  /** The reply that is due next has its time from now on. */
  #startTimer(): void {
    if (this.#lastLook) clearImmediate(this.#lastLook);
    const timeoutMs = this.#timeoutMs;
    if (timeoutMs === undefined || this.#failure) this.#deadline.lift();
    else this.#deadline.set(timeoutMs);
  }

  get #timeoutMs(): number | undefined {
    const next = this.#sent[0];
    return next && (this.#farewell ? Math.min(farewellMs, next.timeoutMs) : next.timeoutMs);
  }

  #late(): void {
    const timeoutMs = this.#timeoutMs;
    // What has come while this process was held up is read before: it may be the 250 to a message.
    this.#lastLook = setImmediate(() => {
      if (this.#farewell) this.#saidGoodbye(this.#farewell);
      else this.fail('timeout', `did not answer within ${timeoutMs} ms`);
    });
  }
}
