// What a transaction leaves: one line in the log (who, what, what was found, where it went), and its story in the trace.
import type { Client, DmarcOutcome, Explanation, Outcome } from '../authentication/authentication.ts';
import type { Decision, Refusal } from '../policy/policy.ts';
import { DownstreamError } from '../relay/error.ts';
import type { PathArgument } from '../smtp/path.ts';
import { describeReply, type Reply } from '../smtp/reply.ts';
import type { Trace } from '../telemetry/trace.ts';

/** Writes one record; `warn` where an administrator should look at it. */
export type WriteRecord = (level: 'info' | 'warn', event: string, fields: Record<string, unknown>) => void;

type Phase = 'envelope' | 'receive' | 'authenticate' | 'relay';

/** A reply to MAIL or RCPT; with kind and reason it is the policy that refuses. */
export type EnvelopeAnswer = Pick<Refusal, 'reply'> & Partial<Refusal>;

/** What is known from the beginning, and what comes later. */
interface Fields extends Record<string, unknown> {
  readonly id: string;
  readonly listener: string;
  from: string;
  results?: Readonly<Record<string, string>>;
}

/** Collects what one transaction's log line says. */
export class TransactionRecord {
  readonly #write: WriteRecord;
  readonly #fields: Fields;
  readonly #recipients: { to: string; reply: string; reason?: string }[] = [];
  readonly #milliseconds: Partial<Record<Phase, number>> = {};
  readonly #begun = performance.now();
  #phase: Phase = 'envelope';
  #phaseBegun = this.#begun;
  readonly #trace: Trace | undefined;
  #explanation: Explanation | undefined;
  #disposition = 'none';
  sizeBytes = 0;

  constructor(
    settings: {
      readonly listener: string;
      readonly mode: string;
      readonly writeRecord: WriteRecord;
      readonly trace?: Trace;
    },
    start: { readonly id: string; readonly client: Client },
  ) {
    this.#write = settings.writeRecord;
    this.#trace = settings.trace;
    const { listener, mode } = settings;
    this.#fields = { id: start.id, listener, mode, client: start.client, from: '' };
  }

  mail(path: PathArgument): void {
    this.#fields.from = path.address;
  }

  /** It ends before there is a message. */
  refusedMail({ kind, reason }: EnvelopeAnswer): void {
    if (kind === undefined) return;
    this.#disposition = kind;
    this.#fields.reason = reason;
  }

  /** Told with the reason where the policy refused it; where there is none, the downstream or a limit did. */
  rcpt(path: PathArgument, { reply, reason }: EnvelopeAnswer): void {
    this.#recipients.push({
      to: path.address,
      reply: describeReply(reply),
      ...(reason !== undefined && { reason }),
    });
  }

  /** A new phase begins; the time of the one before is kept. */
  phase(phase: Phase): void {
    const now = performance.now();
    this.#milliseconds[this.#phase] = milliseconds(now - this.#phaseBegun);
    this.#phase = phase;
    this.#phaseBegun = now;
  }

  judged(outcome: Outcome, { disposition, dry, rule }: Decision): void {
    const results: Record<string, string> = {};
    for (const { method, value } of outcome.results) {
      results[method] = results[method] === undefined ? value : `${results[method]},${value}`;
    }
    const { clientClass, listMail, dmarc, explanation } = outcome;
    Object.assign(this.#fields, { clientClass, listMail, results });
    if (dmarc) this.#fields.dmarc = told(dmarc);
    this.#explanation = explanation;
    this.#disposition = disposition.kind;
    const { reason } = dry ?? disposition;
    const why = { ...(reason !== undefined && { reason }), ...(rule !== undefined && { rule }) };
    if (dry) this.#fields.dryRun = { disposition: dry.kind, ...why };
    else Object.assign(this.#fields, why);
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
    const record = {
      ...this.#fields,
      recipients: this.#recipients,
      sizeBytes: this.sizeBytes,
      disposition: this.#disposition,
      ...(destination === undefined ? {} : { destination }),
      replies: new Set(texts).size === 1 ? texts.slice(0, 1) : texts,
      milliseconds: { ...this.#milliseconds, total: milliseconds(performance.now() - this.#begun) },
    };
    this.#write('info', 'transaction', record);
    // What was not judged has no story.
    if (!this.#trace || !this.#explanation) return;
    this.#trace.add({
      id: record.id,
      time: new Date().toISOString(),
      record: { ...record, results: record.results ?? {} },
      explanation: this.#explanation,
    });
  }
}

/** Whom the message says it is from, what they ask for, and why that is not followed. */
function told({ domain, policy, override }: DmarcOutcome): Record<string, unknown> {
  return { domain, policy, ...(override && { override: override.text }) };
}

/** A tenth of a millisecond is as fine as anybody reads. */
function milliseconds(time: number): number {
  return Math.round(time * 10) / 10;
}
