// The two sides of a transaction without sockets: a pool and sessions that do what a test says and remember all of it.
import assert from 'node:assert/strict';
import { DownstreamError } from '../../src/relay/error.ts';
import type { Reply } from '../../src/smtp/reply.ts';
import type { DownstreamPool, DownstreamSide } from '../../src/transaction/downstream.ts';

/** A reply as text (`550 5.1.1 No such user`), or: the connection ends; the answer never comes; the peer takes too long. */
export type FakeAnswer = string | 'lost' | 'hang' | 'timeout' | undefined;

/** What one connection does. Anything that is not named is answered politely. */
export interface SessionPlan {
  /** By beginning of the command; `DOT`: the replies to the final dot. */
  readonly answers?: Readonly<Record<string, FakeAnswer>>;
  readonly dots?: readonly FakeAnswer[];
  /** It has carried messages before. */
  readonly used?: boolean;
  /** Parameters of its XFORWARD offer. */
  readonly xforward?: string;
  readonly pipelining?: boolean;
  /** Other extensions. */
  readonly offers?: readonly string[];
  /** It can be had when this resolves. */
  readonly opened?: Promise<void>;
}

/** What `acquire` does: gives that session; fails; gives none until the caller gives up; gives one in spite of that. */
export type AcquirePlan = SessionPlan | 'refused' | 'hang' | 'stubborn';

export function replyOf(text: string): Reply {
  const [, code, line = ''] = /^([0-9]{3}) ?(.*)$/.exec(text) ?? assert.fail(`no reply: ${text}`);
  return { code: Number(code), lines: [line] };
}

/** The story so far, as lines `1 MAIL FROM:<a@example.com>`: the session's number and what happened to it. */
export class Story {
  readonly lines: string[] = [];
  readonly #watchers = new Set<() => void>();

  tell(line: string): void {
    this.lines.push(line);
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** What happened on one connection, without its number: the first is 1. */
  on(connection: number): readonly string[] {
    const number = `${connection} `;
    return this.lines.flatMap((line) => (line.startsWith(number) ? [line.slice(number.length)] : []));
  }

  /** Waits until this has happened. */
  async until(line: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const watcher = () => {
      if (this.lines.includes(line)) resolve();
    };
    const timer = setTimeout(
      () => reject(new Error(`${line} did not happen: ${this.lines.join(' | ')}`)),
      5000,
    );
    this.#watchers.add(watcher);
    watcher();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    }
  }
}

export class FakeSession implements DownstreamSide {
  readonly number: number;
  readonly protocol: 'smtp' | 'lmtp';
  readonly destination: { readonly text: string };
  readonly extensions: ReadonlyMap<string, string>;
  readonly transactions: number;
  /** The message, once its final dot was sent. */
  message: string | undefined;
  usable = true;
  readonly #plan: SessionPlan;
  readonly #story: Story;
  readonly #ended = Promise.withResolvers<never>();
  readonly ended: Promise<DownstreamError> = this.#ended.promise.catch((error) => error);

  constructor(number: number, protocol: 'smtp' | 'lmtp', plan: SessionPlan, story: Story) {
    this.number = number;
    this.protocol = protocol;
    this.destination = { text: `${protocol}://fake:${number}` };
    this.extensions = new Map([
      ...(plan.xforward === undefined ? [] : [['XFORWARD', plan.xforward] as const]),
      ...(plan.pipelining ? [['PIPELINING', ''] as const] : []),
      ...(plan.offers ?? []).map((keyword) => [keyword, ''] as const),
    ]);
    this.transactions = plan.used ? 1 : 0;
    this.#plan = plan;
    this.#story = story;
  }

  command(line: string): Promise<Reply> {
    this.#story.tell(`${this.number} ${line}`);
    const polite = line === 'DATA' ? '354 Go ahead' : '250 2.0.0 Ok';
    const scripted = Object.entries(this.#plan.answers ?? {}).find(([start]) => line.startsWith(start));
    const reply = this.#answer(scripted ? scripted[1] : undefined, polite);
    reply.catch(() => {});
    return reply;
  }

  async content(
    chunks: AsyncIterable<Buffer>,
    replies: number,
    signal?: AbortSignal,
  ): Promise<readonly (Reply | DownstreamError)[]> {
    this.#story.tell(`${this.number} content`);
    const abort = () => this.#end('lost');
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    try {
      let message = '';
      for await (const chunk of chunks) message += chunk.toString('latin1');
      if (this.usable) {
        this.message = message;
        this.#story.tell(`${this.number} .`);
        signal?.removeEventListener('abort', abort);
      }
      return await Promise.all(
        Array.from({ length: replies }, (_, i) =>
          this.#answer(this.#plan.dots?.[i], '250 2.0.0 Queued').catch((error: unknown) => {
            assert.ok(error instanceof DownstreamError);
            return error;
          }),
        ),
      );
    } catch (error) {
      this.#end('lost');
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  destroy(): void {
    this.#end('closed');
  }

  /** The peer closes the connection. */
  drop(): void {
    this.#end('lost');
  }

  async #answer(scripted: FakeAnswer, polite: string): Promise<Reply> {
    if (!this.usable) return this.#ended.promise;
    if (scripted === 'lost' || scripted === 'timeout') this.#end(scripted);
    if (scripted === 'lost' || scripted === 'timeout' || scripted === 'hang') return this.#ended.promise;
    const reply = replyOf(scripted ?? polite);
    if (reply.code === 421) this.#end('lost');
    return Promise.race([this.#ended.promise, Promise.resolve(reply)]).catch((error: unknown) => {
      if (reply.code === 421) return reply;
      throw error;
    });
  }

  #end(kind: 'lost' | 'closed' | 'timeout'): void {
    if (!this.usable) return;
    this.usable = false;
    this.#story.tell(`${this.number} closed`);
    this.#ended.reject(new DownstreamError(kind, `session ${this.number} is over`));
  }
}

/** Hands out what its plans say, in their order, then polite sessions. */
export class FakePool implements DownstreamPool<FakeSession> {
  readonly protocol: 'smtp' | 'lmtp';
  readonly story = new Story();
  readonly sessions: FakeSession[] = [];
  readonly released: FakeSession[] = [];
  readonly #plans: readonly AcquirePlan[];
  #asked = 0;

  constructor(plans: readonly AcquirePlan[] = [], protocol: 'smtp' | 'lmtp' = 'smtp') {
    this.#plans = plans;
    this.protocol = protocol;
  }

  async acquire(options: { fresh?: boolean; signal?: AbortSignal } = {}): Promise<FakeSession> {
    const { fresh = false, signal } = options;
    const plan = this.#plans[this.#asked++] ?? {};
    this.story.tell(fresh ? 'acquire fresh' : 'acquire');
    const aborted = new Promise<void>((resolve) => {
      if (signal?.aborted) resolve();
      else signal?.addEventListener('abort', () => resolve(), { once: true });
    });
    if (plan === 'refused') throw new DownstreamError('connect', 'no connection to fake');
    if (plan === 'hang' || plan === 'stubborn') await aborted;
    if (typeof plan === 'object') await plan.opened;
    if (plan !== 'stubborn' && signal?.aborted) throw new DownstreamError('waiting', 'given up');
    const session = new FakeSession(
      this.sessions.length + 1,
      this.protocol,
      typeof plan === 'string' ? {} : plan,
      this.story,
    );
    this.sessions.push(session);
    return session;
  }

  release(session: FakeSession): void {
    this.released.push(session);
    this.story.tell(`${session.number} released`);
  }

  /** Every session came back, each once. */
  assertAllBack(): void {
    const numbers = (sessions: readonly FakeSession[]) => sessions.map(({ number }) => number).sort();
    assert.deepEqual(numbers(this.released), numbers(this.sessions), this.story.lines.join(' | '));
  }

  /** Whether a final dot was sent anywhere. */
  get dot(): boolean {
    return this.story.lines.some((line) => line.endsWith(' .'));
  }
}

/** Until all that can happen without time or bytes passing has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
