// One connection to Postern: writes what it is told, however oddly, and reads replies with a deadline.
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ClientAddress } from '../support/running-proxy.ts';
import type { Dialogue } from './dialogue.ts';
import { type Pace, Trickle } from './trickle.ts';

/** Postern neither answered nor ended the connection. */
export class HangError extends Error {
  override readonly name = 'HangError';
}

export class UpstreamConnection {
  readonly name: string;
  /** The extensions that Postern has offered on it; undefined: it was not greeted. */
  offered: ReadonlySet<string> | undefined;
  readonly #dialogue: Dialogue;
  readonly #answerMs: number;
  /** Without TLS. */
  readonly #plain: Socket;
  #socket: Socket;
  #input = '';
  #ended = false;
  #queued = '';
  #wake: (() => void) | undefined;

  private constructor(socket: Socket, name: string, dialogue: Dialogue, answerMs: number) {
    this.#plain = socket;
    this.#socket = socket;
    this.name = name;
    this.#dialogue = dialogue;
    this.#answerMs = answerMs;
    this.#listen(socket);
  }

  /**
   * @param answerMs how long any answer is waited for
   * @throws {Error} of node:net when nobody listens
   */
  static async open(
    address: ClientAddress,
    name: string,
    dialogue: Dialogue,
    answerMs: number,
  ): Promise<UpstreamConnection> {
    const socket = connect({ ...address, noDelay: true, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    return new UpstreamConnection(socket, name, dialogue, answerMs);
  }

  /** Whether nothing more can be said. */
  get over(): boolean {
    return this.#ended || !this.#socket.writable;
  }

  /** Says a line with the next ones, at `flush`. */
  queue(line: string): void {
    this.#dialogue.say(this.name, `> ${line}`);
    this.#queued += `${line}\r\n`;
  }

  flush(): void {
    if (this.#queued !== '') this.write(this.#queued);
    this.#queued = '';
  }

  write(bytes: string | Buffer): void {
    if (!this.over) this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Says a line byte by byte, after what is queued. */
  async saySlowly(line: string): Promise<void> {
    this.flush();
    this.#dialogue.say(this.name, `> (slowly) ${line}`);
    await this.writeSlowly(Buffer.from(`${line}\r\n`, 'latin1'), 1);
  }

  /** Says it in pieces, one for each turn of a timer. */
  async writeSlowly(bytes: Buffer, pieceBytes: number): Promise<void> {
    for (let from = 0; from < bytes.length && !this.over; from += pieceBytes) {
      this.#socket.write(bytes.subarray(from, from + pieceBytes));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /**
   * The next reply, its lines joined with " / ".
   *
   * @returns undefined when the connection has ended
   * @throws {HangError}
   */
  async reply(): Promise<string | undefined> {
    this.flush();
    const lines: string[] = [];
    for (;;) {
      const line = await this.#line();
      if (line === undefined) return undefined;
      lines.push(lines.length === 0 ? line : line.slice(4));
      if (line[3] === '-') continue;
      const reply = lines.join(' / ');
      this.#dialogue.say(this.name, `< ${reply}`);
      return reply;
    }
  }

  /** Reads nothing for a while. */
  async deaf(milliseconds: number): Promise<void> {
    this.#socket.pause();
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    this.#socket.resume();
  }

  /**
   * Waits until Postern ends the connection.
   *
   * @returns the last reply
   * @throws {HangError}
   */
  async untilEnd(): Promise<string | undefined> {
    let last: string | undefined;
    for (let next = await this.reply(); next !== undefined; next = await this.reply()) last = next;
    return last;
  }

  /** Goes on with a line, so many bytes at a time, until Postern ends the connection; otherwise as `untilEnd`. */
  async sayEndlessly(pieceBytes: number): Promise<string | undefined> {
    const piece = Buffer.alloc(pieceBytes, 'x');
    const timer = setInterval(() => {
      if (!this.over && !this.#socket.writableNeedDrain) this.#socket.write(piece);
    }, 5);
    try {
      return await this.untilEnd();
    } finally {
      clearInterval(timer);
    }
  }

  /**
   * Shakes hands, as after 220 to STARTTLS.
   *
   * @param pace of what is said in it; undefined: it leaves at once
   */
  async secure(pace?: Pace): Promise<void> {
    const plain = this.#plain;
    this.offered = undefined;
    plain.removeAllListeners('data').removeAllListeners('end').removeAllListeners('close');
    const slowly = pace && new Trickle(plain, pace);
    const secured = connectTls({ socket: slowly ?? plain, rejectUnauthorized: false });
    this.#listen(secured);
    await new Promise<void>((resolve) => {
      secured.once('secureConnect', resolve).once('close', resolve);
    });
    slowly?.hurry();
    this.#socket = secured;
  }

  /** What is queued is the last that is said; replies are read still. */
  farewell(): void {
    this.flush();
    this.#dialogue.say(this.name, '! half');
    this.#socket.end();
  }

  leave(how: 'close' | 'half' | 'reset'): void {
    this.#dialogue.say(this.name, `! ${how}`);
    if (how === 'half') this.#socket.end();
    // A TLS socket cannot: it would say that it ends.
    else if (how === 'reset') this.#plain.resetAndDestroy();
    else this.#socket.destroy();
    if (how !== 'half') this.#end();
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#input += chunk.toString('latin1');
      this.#wake?.();
    });
    socket.on('error', () => undefined);
    socket.on('end', () => {
      socket.end();
      this.#end();
    });
    socket.on('close', () => this.#end());
  }

  #end(): void {
    if (!this.#ended) this.#dialogue.say(this.name, '(ended)');
    this.#ended = true;
    this.#wake?.();
  }

  async #line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#input.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#input.slice(0, end);
        this.#input = this.#input.slice(end + 2);
        return line;
      }
      if (this.#ended) return undefined;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const claim = `no answer in ${this.#answerMs} ms`;
      const timer = setTimeout(() => reject(new HangError(claim)), this.#answerMs);
      this.#wake = resolve;
      try {
        await promise;
      } finally {
        clearTimeout(timer);
        this.#wake = undefined;
      }
    }
  }
}
