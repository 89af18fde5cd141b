// What a transaction leaves in the log: one line with who, what, what was found, where it went, how long it took.
import type { Client, Outcome } from '../authentication/authentication.ts';
import type { Decision } from '../policy/policy.ts';
import { DownstreamError } from '../relay/error.ts';
import type { PathArgument } from '../smtp/path.ts';
import { describeReply, type Reply } from '../smtp/reply.ts';

/** Writes one record; `warn` where an administrator should look at it. */
export type WriteRecord = (level: 'info' | 'warn', event: string, fields: Record<string, unknown>) => void;

type Phase = 'envelope' | 'receive' | 'authenticate' | 'relay';

/** Collects what one transaction's log line says. */
export class TransactionRecord {
  readonly #write: WriteRecord;
  readonly #fields: Record<string, unknown>;
  readonly #recipients: { to: string; reply: string }[] = [];
  readonly #milliseconds: Partial<Record<Phase, number>> = {};
  readonly #begun = performance.now();
  #phase: Phase = 'envelope';
  #phaseBegun = this.#begun;
  #disposition = 'none';
  sizeBytes = 0;

  constructor(
    settings: { readonly listener: string; readonly mode: string; readonly writeRecord: WriteRecord },
    start: { readonly id: string; readonly client: Client },
  ) {
    this.#write = settings.writeRecord;
    this.#fields = { id: start.id, listener: settings.listener, mode: settings.mode, client: start.client };
  }

  mail(path: PathArgument): void {
    this.#fields.from = path.address;
  }

  rcpt(path: PathArgument, reply: Reply): void {
    this.#recipients.push({ to: path.address, reply: describeReply(reply) });
  }

  /** A new phase begins; the time of the one before is kept. */
  phase(phase: Phase): void {
    const now = performance.now();
    this.#milliseconds[this.#phase] = milliseconds(now - this.#phaseBegun);
    this.#phase = phase;
    this.#phaseBegun = now;
  }

  judged(outcome: Outcome, { disposition, dry }: Decision): void {
    const results: Record<string, string> = {};
    for (const { method, value } of outcome.results) {
      results[method] = results[method] === undefined ? value : `${results[method]},${value}`;
    }
    this.#fields.results = results;
    this.#disposition = disposition.kind;
    if (disposition.kind !== 'accept') this.#fields.reason = disposition.reason;
    if (dry && dry.kind !== 'accept') this.#fields.dryRun = { disposition: dry.kind, reason: dry.reason };
  }

  removed(count: number): void {
    if (count > 0) this.#fields.removedFields = count;
  }

  /** Something went wrong; a line of its own, since it may come when the transaction's line is out. */
  failure(stage: string, error: unknown): void {
    // Whoever ended the transaction cut off its command downstream as well: that is no failure of its own.
    if (this.#fields.aborted !== undefined && error instanceof DownstreamError) return;
    const reply = error instanceof DownstreamError && error.reply ? describeReply(error.reply) : undefined;
    this.#write('warn', 'transaction failure', {
      id: this.#fields.id,
      stage,
      error,
      ...(reply ? { reply } : {}),
    });
  }

  /** It ended before its final reply. */
  aborted(reason: string): void {
    this.#fields.aborted = reason;
  }

  /**
   * The transaction is over.
   *
   * @param replies its final replies, empty where upstream waits for none
   * @param destination that was reached, if one was
   */
  write(replies: readonly Reply[], destination: string | undefined): void {
    this.phase(this.#phase);
    const texts = replies.map(describeReply);
    this.#write('info', 'transaction', {
      ...this.#fields,
      recipients: this.#recipients,
      sizeBytes: this.sizeBytes,
      disposition: this.#disposition,
      ...(destination === undefined ? {} : { destination }),
      replies: new Set(texts).size === 1 ? texts.slice(0, 1) : texts,
      milliseconds: { ...this.#milliseconds, total: milliseconds(performance.now() - this.#begun) },
    });
  }
}

/** A tenth of a millisecond is as fine as anybody reads. */
function milliseconds(time: number): number {
  return Math.round(time * 10) / 10;
}
