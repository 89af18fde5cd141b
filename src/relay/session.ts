// A conversation with one downstream server over one connection, in ESMTP or LMTP (RFC 5321, RFC 2033).
import type { Extensions } from '../smtp/extensions.ts';
import { describeReply, isPositive, type Reply } from '../smtp/reply.ts';
import { connect, type TlsOptions } from './connect.ts';
import { type MessageChunks, sendContent } from './content.ts';
import type { Destination } from './destination.ts';
import { DownstreamError, messageOf } from './error.ts';
import { introduce } from './introduction.ts';
import { defaultTimeouts, type Timeouts } from './timeouts.ts';
import { Wire } from './wire.ts';

export interface SessionOptions {
  /** The name in EHLO, LHLO and HELO. */
  readonly helloName: string;
  /** Milliseconds; those of RFC 5321 §4.5.3.2 for what is left out. */
  readonly timeouts?: Partial<Timeouts>;
  readonly tls?: TlsOptions;
}

export type CommandPhase = 'mail' | 'rcpt' | 'data' | 'rset' | 'xforward' | 'quit';

/**
 * Replies of any code are results, for whoever asked to judge; only a reply that never comes is an error.
 *
 * @example
 * const session = await DownstreamSession.open(destination, { helloName: 'mx.example.com' });
 * await session.command('MAIL FROM:<a@example.com>', 'mail');
 * await session.command('RCPT TO:<b@example.net>', 'rcpt');
 * await session.command('DATA', 'data');
 * const [reply] = await session.content([message], 1);
 */
export class DownstreamSession {
  readonly destination: Destination;
  readonly extensions: Extensions;
  /** Milliseconds, on the clock of `performance.now()`. */
  readonly openedAt = performance.now();

  readonly #wire: Wire;
  readonly #timeouts: Timeouts;
  #finished = 0;
  #parkedAt: number | undefined;
  #mail = false;
  /** XFORWARD was taken, or MAIL was said: of one that it refused Postfix keeps the SIZE, for a next without. */
  #leftover = false;
  #contentDue = false;
  /** The reply to the last DATA. */
  #data: Promise<Reply> | undefined;
  #leaving = false;

  private constructor(destination: Destination, wire: Wire, timeouts: Timeouts, extensions: Extensions) {
    this.destination = destination;
    this.extensions = extensions;
    this.#wire = wire;
    this.#timeouts = timeouts;
  }

  /**
   * Connects, hears the greeting and says EHLO or LHLO (HELO to a server that knows no EHLO), under TLS
   * as the destination asks.
   *
   * @param signal gives up
   * @throws {DownstreamError} always of kind `connect`, with the reply that was not 2xx where there was one
   */
  static async open(
    destination: Destination,
    options: SessionOptions,
    signal?: AbortSignal,
  ): Promise<DownstreamSession> {
    const timeouts = { ...defaultTimeouts, ...options.timeouts };
    const { helloName, tls = {} } = options;
    const approach = { destination, helloName, tls, timeouts, signal };
    let wire: Wire | undefined;
    const abort = () => wire?.fail('lost', 'was given up', { cause: signal?.reason });
    try {
      wire = new Wire(await connect(approach), destination.text);
      signal?.addEventListener('abort', abort, { once: true });
      signal?.throwIfAborted();
      const extensions = await introduce(wire, approach);
      wire.pipelining = extensions.has('PIPELINING');
      return new DownstreamSession(destination, wire, timeouts, extensions);
    } catch (error) {
      wire?.fail('connect', 'cannot be used', { cause: error });
      const reply = error instanceof DownstreamError ? error.reply : undefined;
      const message = `no connection to ${destination.text}: ${messageOf(error)}`;
      throw new DownstreamError('connect', message, { reply, cause: error });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * How many transactions it has carried already. 0 = fresh: it was opened for whoever holds it; one that
   * has been idle in a pool may have died there, and counts as used.
   */
  get transactions(): number {
    return Math.max(this.#finished, this.#parkedAt === undefined ? 0 : 1);
  }

  /** False after 421, QUIT, loss, timeout and protocol errors. */
  get usable(): boolean {
    return !this.#leaving && this.#wire.failure === undefined && this.#wire.farewell === undefined;
  }

  /** Whether the downstream may still remember something of a transaction. */
  get inTransaction(): boolean {
    return this.#mail || this.#leftover || this.#contentDue || this.#wire.pending;
  }

  /** Whether DATA was not refused: behind a 354 nothing can follow but the content, and behind a 2yz nobody knows what can. */
  get contentDue(): boolean {
    return this.#contentDue;
  }

  /** How long nobody has used it, in ms. */
  get idleMs(): number {
    return this.#parkedAt === undefined ? 0 : performance.now() - this.#parkedAt;
  }

  /** Resolves when the connection is over, with the reason. */
  get ended(): Promise<DownstreamError> {
    return this.#wire.ended;
  }

  /** Nobody uses it from now on, until somebody does. */
  park(): void {
    this.#parkedAt = performance.now();
  }

  /**
   * Sends one command line. Several calls made without waiting go out at once when the downstream offers
   * PIPELINING, else one at a time, in order.
   *
   * @param line without CRLF, latin1
   * @param phase which timeout applies, and what the reply means for the session
   * @returns any reply, 4yz, 5yz and 421 included; after a 421 the session is no longer usable
   * @throws {DownstreamError} when the reply can no longer come
   */
  command(line: string, phase: CommandPhase): Promise<Reply> {
    if (/[\r\n]/.test(line))
      return Promise.reject(new TypeError(`command with a line end: ${JSON.stringify(line)}`));
    if (this.#contentDue) return Promise.reject(new TypeError(`${line} where the message is due`));
    if (phase === 'quit') this.#leaving = true;
    const last = phase === 'data' || phase === 'quit';
    const reply = this.#wire.send(line, this.#timeouts[phase], last, (heard) => this.#note(phase, heard));
    // Of several commands given without waiting, the caller may look at the first one's failure only.
    reply.catch(ignore);
    if (phase === 'data') this.#data = reply;
    return reply;
  }

  #note(phase: CommandPhase, reply: Reply): void {
    if (phase === 'quit') this.#wire.fail('lost', `was left with QUIT: ${describeReply(reply)}`);
    if (phase === 'data') this.#contentDue = reply.code < 400;
    if (phase === 'mail') this.#leftover = true;
    if (!isPositive(reply)) return;
    // A recipient that was accepted after a refused MAIL must not be the next message's.
    if (phase === 'mail' || phase === 'rcpt') this.#mail = true;
    if (phase === 'xforward') this.#leftover = true;
    if (phase === 'rset') this.#finish();
  }

  /** RSET, or a message that was taken, ends the transaction (RFC 5321 §4.1.1.4, §4.1.1.5). */
  #finish(): void {
    if (this.#mail) this.#finished += 1;
    this.#mail = false;
    this.#leftover = false;
  }

  /**
   * Sends the message after a 354: dots stuffed, a CRLF where the last line lacks it, the final dot. If
   * the downstream refuses it before that dot, nothing more is sent, the connection is closed, and each
   * recipient gets that reply.
   *
   * @param chunks the message as it is; a chunk must not change once it was given
   * @param replies how many replies end of data has: one in SMTP, one for each accepted recipient in LMTP
   * @param signal closes the connection, unless the final dot is on its way already
   * @returns for each a reply, or the error instead of one that never came
   * @throws what `chunks` throws; the connection is then closed without a final dot
   */
  async content(
    chunks: MessageChunks,
    replies: number,
    signal?: AbortSignal,
  ): Promise<readonly (Reply | DownstreamError)[]> {
    if (!this.#contentDue) throw new TypeError('content without a 354');
    const answers = await sendContent(this.#wire, chunks, replies, this.#timeouts, signal);
    this.#contentDue = false;
    // Postfix keeps the transaction of a message that its smtpd_end_of_data_restrictions refuse: RSET ends it.
    if (answers.every((answer) => !(answer instanceof DownstreamError) && isPositive(answer))) this.#finish();
    return answers;
  }

  /**
   * Makes it ready for another transaction: RSET after whatever is still pending, bounded as a whole.
   *
   * @returns whether it may be used; not where the message is due
   */
  async reset(): Promise<boolean> {
    const timer = setTimeout(
      () => this.#wire.fail('timeout', 'did not answer RSET in time'),
      this.#timeouts.rset,
    );
    try {
      // Behind a 354 the command would be content.
      await this.#data;
      return !this.#contentDue && isPositive(await this.command('RSET', 'rset')) && this.usable;
    } catch {
      return false; // and unusable: the reason is known to whoever asks `ended`
    } finally {
      clearTimeout(timer);
    }
  }

  /** Says QUIT, waits for its reply, and closes the connection. */
  async quit(): Promise<void> {
    // Whatever became of it, the connection is over.
    if (this.usable && !this.#contentDue) await this.command('QUIT', 'quit').catch(() => {});
    this.destroy();
  }

  /** Closes the connection at once; pending replies are rejected. */
  destroy(): void {
    this.#wire.fail('closed', 'was closed by Postern');
  }
}

function ignore(): void {}
