// The checks of one transaction: each stage begins when its question is known, and ends in any case.
import type { ResolveFunction } from '../dns/resolver.ts';
import type { Client, ClientClass, Findings, MailContext } from './check.ts';
import type { ConfiguredCheck } from './checks.ts';
import { MessageReader } from './message-reader.ts';
import type { Result } from './result.ts';

/** What a run is told. */
export interface RunOptions {
  readonly checks: readonly ConfiguredCheck[];
  readonly client: Client;
  readonly clientClass: ClientClass | undefined;
  readonly hostname: string;
  /** What the checks have after the last byte of the message; by then they only wait for names. */
  readonly finishMs: number;
  readonly resolver: { forTransaction(signal: AbortSignal): ResolveFunction };
  readonly now: () => Date;
  readonly report: (error: unknown, check: string) => void;
}

/** The checks of one transaction. */
export class Run {
  readonly #options: RunOptions;
  readonly #checks: readonly ConfiguredCheck[];
  readonly #results: Map<string, Promise<readonly Result[]>[]>;
  readonly #over = new AbortController();
  readonly #stopped = Promise.withResolvers<void>();
  #context: MailContext;
  #reader: MessageReader | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
    const { clientClass, client, hostname, now } = options;
    this.#checks = options.checks.filter(
      ({ skippedFor }) => clientClass === undefined || !skippedFor.includes(clientClass),
    );
    this.#results = new Map(this.#checks.map(({ name }) => [name, []]));
    const signal = this.#over.signal;
    const resolve = options.resolver.forTransaction(signal);
    this.#context = { client, hostname, resolve, signal, now, reversePath: '' };
    this.#start((check) => check.connect, this.#context);
  }

  /** As the checks know it. */
  get context(): MailContext {
    return this.#context;
  }

  /** @param reversePath Unicode, '' for the null reverse-path */
  mail(reversePath: string): void {
    this.#context = { ...this.#context, reversePath };
    this.#start((check) => check.mail, this.#context);
  }

  write(chunk: Buffer): Promise<void> | undefined {
    return this.#over.signal.aborted ? undefined : this.#message()?.write(chunk);
  }

  /** @returns the results of all checks, in their order */
  async finish(signal: AbortSignal | undefined): Promise<readonly Result[]> {
    const stop = () => this.#stopped.resolve();
    const timer = setTimeout(stop, this.#options.finishMs);
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    try {
      const reader = this.#message();
      reader?.end();
      const results = await this.#collect();
      if (!reader) return results;
      const context = { ...this.#context, verification: reader.verification, results };
      this.#start((check) => check.verdict, context);
      return await this.#collect();
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      this.abort();
    }
  }

  abort(): void {
    this.#stopped.resolve();
    this.#over.abort();
    this.#reader?.destroy(new Error('the transaction is over'));
  }

  /** Stage `message` begins with the first byte, or with the end of a message that has none; undefined when no check reads it. */
  #message(): MessageReader | undefined {
    const wanted = this.#checks.some(({ message, verdict }) => message ?? verdict);
    if (this.#reader || !wanted) return this.#reader;
    const { resolve, now } = this.#context;
    const reader = new MessageReader({ resolve, now: now() });
    this.#reader = reader;
    const context = { ...this.#context, verification: reader.verification };
    this.#start((check) => check.message, context);
    return reader;
  }

  #start<Context>(
    choose: (check: ConfiguredCheck) => ((context: Context) => Findings) | undefined,
    context: Context,
  ): void {
    for (const check of this.#checks) {
      const stage = choose(check);
      if (stage) this.#results.get(check.name)?.push(this.#guard(check.name, async () => stage(context)));
    }
  }

  async #collect(): Promise<readonly Result[]> {
    const all = await Promise.all([...this.#results.values()].flat());
    return all.flat();
  }

  /** Whatever a check does, there is a result, and there is one in time. */
  async #guard(name: string, stage: () => Findings): Promise<readonly Result[]> {
    const late = this.#stopped.promise.then(() => [temporaryError(name, 'the check ran out of time')]);
    const safe = stage().catch((error: unknown) => {
      if (!this.#over.signal.aborted) this.#options.report(error, name);
      return [temporaryError(name, 'the check failed')];
    });
    return Promise.race([safe, late]);
  }
}

function temporaryError(method: string, reason: string): Result {
  return { method, value: 'temperror', reason, properties: [] };
}
