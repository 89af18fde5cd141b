// The downstream half of a transaction: envelope and message on one session, and what may be tried again.
import { DownstreamError } from '../relay/error.ts';
import { parsePathArgument, unofferedParameter } from '../smtp/path.ts';
import { describeReply, isPositive, makeReply, type Reply } from '../smtp/reply.ts';
import { formatXforward, type XforwardAttributes } from '../smtp/xforward.ts';
import {
  type DownstreamPool,
  type DownstreamSide,
  failureReply,
  outOfOrder,
  temporary,
  upstreamReply,
} from './downstream.ts';
import { alone, type Pipelined } from './pipelined.ts';
import type { FailureStage } from './record.ts';

const ended = makeReply(451, '4.4.2', 'the transaction has ended, try again later');

/** DATA that was said before its message is there to be sent. */
interface Announced<Session> {
  readonly said: Promise<{ readonly session: Session; readonly reply: Reply }>;
  /** Undefined until it has come. */
  reply: Reply | undefined;
}

/** Reports what upstream is not told in full: the cause of a 4yz that we made. */
export type ReportFailure = (stage: DeliveryStage, error: unknown) => void;

type DeliveryStage = Extract<FailureStage, 'XFORWARD' | 'MAIL' | 'RCPT' | 'DATA' | 'end of data'>;

/**
 * One transaction's way downstream. It holds a session from MAIL on; `end` gives it back.
 *
 * A pooled connection may have died unnoticed, so until the message is on its way the envelope may be said again,
 * once, on a fresh connection. Then never: the downstream may hold the message already.
 */
export class Delivery<Session extends DownstreamSide = DownstreamSide> {
  readonly #pool: DownstreamPool<Session>;
  readonly #xforward: XforwardAttributes;
  readonly #report: ReportFailure;
  readonly #abort = new AbortController();
  /** MAIL and the RCPTs that were accepted, to be said again. */
  readonly #said: { readonly line: string; readonly phase: 'mail' | 'rcpt' }[] = [];
  /** RCPTs that went out with MAIL, and are not asked for yet. */
  #ahead: { readonly line: string; readonly reply: Promise<Reply> }[] = [];
  #session: Session | undefined;
  #announced: Announced<Session> | undefined;
  #retried = false;
  /** Whether the message is on its way: then `abandon` leaves it to the session to end. */
  #sending = false;
  /** Why this transaction cannot go on downstream, once that is so. */
  #broken: Reply | undefined;
  #destination: string | undefined;

  /**
   * @param xforward what is passed on where the downstream offers XFORWARD
   * @param report gets the causes of failures, for the log
   */
  constructor(pool: DownstreamPool<Session>, xforward: XforwardAttributes, report: ReportFailure) {
    this.#pool = pool;
    this.#xforward = xforward;
    this.#report = report;
  }

  /** Why nothing more can be sent, or undefined while all is well. */
  get broken(): Reply | undefined {
    return this.#broken;
  }

  /** The destination that was reached, as configured. */
  get destination(): string | undefined {
    return this.#destination;
  }

  /**
   * Sends MAIL on a session of the pool, XFORWARD before it. Never rejects.
   *
   * @param pipelined what is said in the same packet. With DATA among it, `rcpt` is called for each recipient, and then
   *   either the message is sent, or `withdraw` is called
   */
  async mail(line: string, pipelined = alone): Promise<Reply> {
    try {
      const reply = this.#withoutBlame('MAIL', line, await this.#open(line, false, pipelined));
      if (isPositive(reply)) this.#said.push({ line, phase: 'mail' });
      else this.#giveBack();
      return reply;
    } catch (error) {
      return this.#fail('MAIL', error);
    }
  }

  /** Sends one RCPT. Never rejects. */
  async rcpt(line: string): Promise<Reply> {
    if (this.#broken) return this.#broken;
    try {
      const reply = await this.#withRetry((session) => session.command(line, 'rcpt'), this.#takeAhead(line));
      if (isPositive(reply)) this.#said.push({ line, phase: 'rcpt' });
      if (reply.code === 421) return this.#break(upstreamReply(reply));
      return this.#withoutBlame('RCPT', line, upstreamReply(reply));
    } catch (error) {
      return this.#fail('RCPT', error);
    }
  }

  /**
   * Says DATA now, for a message that `send` will send as far as one can tell: the downstream gets ready for it
   * meanwhile. If it is not sent after all, that costs the connection, unless DATA is refused.
   */
  announce(): void {
    if (!this.#broken && !this.#announced) this.#announce(this.#sayData());
  }

  #announce(said: Announced<Session>['said']): void {
    const announced: Announced<Session> = { said, reply: undefined };
    this.#announced = announced;
    said.then(
      ({ reply }) => {
        announced.reply = reply;
      },
      () => undefined, // `send` looks at it.
    );
  }

  /** The message that was announced will not come. What comes next goes on with this session only where DATA was refused. */
  withdraw(): void {
    const announced = this.#announced;
    this.#announced = undefined;
    if (announced && !(announced.reply && announced.reply.code >= 400)) this.#giveBack();
  }

  /**
   * Sends DATA, unless that has been said, and the message.
   *
   * @param chunks the message without dot-stuffing
   * @param replies how many replies end of data has: 1, or in LMTP one for each accepted recipient
   * @returns that many replies for upstream. Never rejects but for what `chunks` throws: then the
   *   connection has been closed without a final dot
   */
  async send(chunks: Iterable<Buffer> | AsyncIterable<Buffer>, replies: number): Promise<readonly Reply[]> {
    const forAll = (reply: Reply) => Array.from({ length: replies }, () => reply);
    if (this.#broken) return forAll(this.#broken);
    let session: Session;
    try {
      const announced = this.#announced;
      let said = await (announced?.said ?? this.#sayData());
      // Lost since it was announced: no byte of the message has left.
      if (announced && said.reply.code === 354 && !said.session.usable) said = await this.#sayData();
      this.#announced = undefined;
      ({ session } = said);
      const { reply } = said;
      if (reply.code !== 354) {
        if (!session.usable || reply.code < 400) session.destroy();
        // A 2yz to DATA stands for no message: nobody upstream may read it as the final one.
        return forAll(reply.code < 400 ? outOfOrder(reply) : upstreamReply(reply));
      }
    } catch (error) {
      return forAll(this.#fail('DATA', error));
    }
    this.#sending = true;
    const answers = await session.content(chunks, replies, this.#abort.signal).finally(() => {
      this.#sending = false;
    });
    return answers.map((answer) => {
      if (!(answer instanceof DownstreamError)) return upstreamReply(answer);
      this.#report('end of data', answer);
      return this.#broken ?? failureReply(answer);
    });
  }

  async #sayData(): Promise<{ readonly session: Session; readonly reply: Reply }> {
    this.#dropAhead();
    const session = await this.#liveSession();
    return { session, reply: await session.command('DATA', 'data') };
  }

  /** Ends the transaction: the session goes back to the pool, which resets it where that is needed. */
  end(): void {
    this.#giveBack();
    this.#broken ??= ended;
  }

  /**
   * Nobody upstream waits any more: no final dot is sent from now on. Where it has been sent, `send` still tells
   * what became of the message, so that the log can.
   */
  abandon(): void {
    this.#abort.abort();
    if (!this.#sending) this.destroy(ended);
  }

  /**
   * Ends the transaction at once: no final dot is sent any more, whatever is under way.
   *
   * @param instead what upstream is told in place of each reply that has not come
   */
  destroy(instead: Reply): void {
    this.#broken ??= instead;
    this.#abort.abort();
    this.#session?.destroy();
    this.end();
  }

  /**
   * Upstream was offered what another destination takes, or the same one took before. Where this one refuses a parameter
   * that it does not offer, the message is put off, and not returned to its sender.
   */
  #withoutBlame(verb: 'MAIL' | 'RCPT', line: string, reply: Reply): Reply {
    if (!refusesParameters.has(reply.code) || !this.#session) return reply;
    const path = parsePathArgument(line.slice(line.indexOf(':') + 1));
    if (typeof path === 'string') return reply;
    const { destination, extensions } = this.#session;
    const parameter = unofferedParameter(verb, path.parameters, extensions);
    if (parameter === undefined) return reply;
    this.#report(
      verb,
      new DownstreamError('protocol', `${destination.text} does not offer ${parameter}`, { reply }),
    );
    return temporary(reply);
  }

  /** The reply to a RCPT that is on its way already. */
  #takeAhead(line: string): Promise<Reply> | undefined {
    if (this.#ahead[0]?.line === line) return this.#ahead.shift()?.reply;
    this.#dropAhead();
    return undefined;
  }

  /** A recipient that nobody asks for must not get the message: the envelope is said again, without it. */
  #dropAhead(): void {
    if (this.#ahead.length === 0) return;
    this.#session?.destroy();
    this.#giveBack();
  }

  /** In whatever state it is: the pool sees to it that nobody else gets it like that. */
  #giveBack(): void {
    this.#announced = undefined;
    this.#ahead = [];
    const session = this.#session;
    this.#session = undefined;
    if (session) this.#pool.release(session);
  }

  #break(reply: Reply): Reply {
    this.#broken = reply;
    this.#giveBack();
    return reply;
  }

  #fail(stage: DeliveryStage, error: unknown): Reply {
    this.#report(stage, error);
    return this.#break(this.#broken ?? failureReply(error));
  }

  /** Takes a session and says MAIL; a pooled one that turns out dead is replaced by a fresh one. */
  async #open(mailLine: string, fresh: boolean, pipelined: Pipelined): Promise<Reply> {
    const session = await this.#pool.acquire({ fresh, signal: this.#abort.signal });
    // Ended meanwhile: nobody would give it back.
    if (this.#abort.signal.aborted || this.#broken) {
      this.#pool.release(session);
      throw new DownstreamError('lost', 'the transaction has ended');
    }
    this.#session = session;
    this.#destination = session.destination.text;
    const mayRetry = !fresh && session.transactions > 0;
    try {
      const reply = await this.#introduce(session, mailLine, pipelined);
      // A server that shuts down says 421 to whatever comes next; the message can do nothing for it.
      if (reply.code !== 421 || !mayRetry) return upstreamReply(reply);
    } catch (error) {
      if (!mayRetry || !isLost(error)) throw error;
    }
    this.#retried = true;
    session.destroy();
    this.#giveBack();
    return this.#open(mailLine, true, pipelined);
  }

  /** XFORWARD as far as it is offered, MAIL, and what follows it, in one go where the downstream lets us. */
  async #introduce(session: Session, mailLine: string, pipelined: Pipelined): Promise<Reply> {
    const offered = xforwardOf(session.extensions);
    const forwards = formatXforward(this.#xforward, offered).map((line) => session.command(line, 'xforward'));
    const said = session.command(mailLine, 'mail');
    const { recipients, data } = session.extensions.has('PIPELINING') ? pipelined : alone;
    this.#ahead = recipients.map((line) => ({ line, reply: session.command(line, 'rcpt') }));
    if (data) this.#announce(session.command('DATA', 'data').then((reply) => ({ session, reply })));
    const [mail, ...answers] = await Promise.all([said, ...forwards]);
    for (const answer of answers) {
      // The downstream offered it and does not believe us: its logs lack the client, the mail goes on.
      if (!isPositive(answer))
        this.#report('XFORWARD', new DownstreamError('protocol', 'refused', { reply: answer }));
    }
    return mail;
  }

  /** @param underWay the reply to what was sent before */
  async #withRetry(
    send: (session: Session) => Promise<Reply>,
    underWay: Promise<Reply> | undefined,
  ): Promise<Reply> {
    const reply = underWay ?? send(await this.#liveSession());
    try {
      return await reply;
    } catch (error) {
      if (this.#retried || !isLost(error) || this.#abort.signal.aborted) throw error;
    }
    return send(await this.#reopen());
  }

  /** The session; where it died while we were not talking to it, a fresh one in the same state, once. */
  async #liveSession(): Promise<Session> {
    const session = this.#session;
    if (session?.usable) return session;
    if (!this.#retried) return this.#reopen();
    throw (await session?.ended) ?? new DownstreamError('lost', 'closed inside the transaction');
  }

  /** Says the envelope again on a fresh connection. It must be accepted as before, or nothing holds. */
  async #reopen(): Promise<Session> {
    this.#retried = true;
    this.#session?.destroy();
    this.#giveBack();
    const [mail, ...recipients] = this.#said;
    if (!mail) throw new DownstreamError('lost', 'closed before MAIL');
    const first = await this.#open(mail.line, true, alone);
    const session = this.#session;
    if (!session) throw new DownstreamError('lost', 'the transaction has ended');
    if (!isPositive(first))
      throw new DownstreamError('protocol', 'the sender was refused when said again', { reply: first });
    const replies = await Promise.all(recipients.map(({ line, phase }) => session.command(line, phase)));
    const refused = replies.find((reply) => !isPositive(reply));
    // What is said of one recipient is no answer to the others, and nobody is asked for by now.
    if (refused) {
      const why = describeReply(refused);
      throw new DownstreamError('lost', `closed inside the transaction; said again, a recipient got ${why}`);
    }
    return session;
  }
}

/** What servers say to a parameter that they do not know (RFC 5321 §4.2.4, §4.1.1.11), and not to an address. */
const refusesParameters: ReadonlySet<number> = new Set([500, 501, 504, 555]);

const offers = new WeakMap<DownstreamSide['extensions'], ReadonlySet<string>>();

/** The attributes that a session's downstream takes: read once, needed with every message. */
function xforwardOf(extensions: DownstreamSide['extensions']): ReadonlySet<string> {
  const known = offers.get(extensions);
  if (known) return known;
  const names = new Set(extensions.get('XFORWARD')?.split(' '));
  offers.set(extensions, names);
  return names;
}

function isLost(error: unknown): boolean {
  return error instanceof DownstreamError && error.kind === 'lost';
}
