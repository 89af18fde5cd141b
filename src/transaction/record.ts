// What a transaction leaves: one line in the log (who, what, what was found, where it went), and its story in the trace.
import {
  type Client,
  clientInUnicode,
  type DmarcOutcome,
  type Explanation,
  type Outcome,
  type Upstream,
} from '../authentication/authentication.ts';
import type { Decision, DecisionInput, Refusal } from '../policy/policy.ts';
import { DownstreamError } from '../relay/error.ts';
import { toUnicode } from '../smtp/ascii.ts';
import type { PathArgument } from '../smtp/path.ts';
import type { Reply } from '../smtp/reply.ts';
import { type LogFields, mistake } from '../telemetry/log.ts';
import type { MeasuredTransaction, Phase } from '../telemetry/metrics.ts';
import type { Masker, People } from '../telemetry/privacy.ts';
import { replyClass } from '../telemetry/reply-class.ts';
import type { Trace } from '../telemetry/trace.ts';
import { downstreamId } from './downstream-id.ts';
import { summary, told } from './record-text.ts';

/** Writes one record; `warn` where an administrator should look at it. */
export type WriteRecord = (level: 'info' | 'warn', event: string, fields: LogFields) => void;

/** What failed: a command downstream, the end of the message there, its storing here, our own code, or to answer in time. */
export type FailureStage =
  | 'XFORWARD'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'end of data'
  | 'spool'
  | 'internal'
  | 'deadline';

/** A reply to MAIL or RCPT; with kind and reason it is the policy that refuses. */
export type EnvelopeAnswer = Pick<Refusal, 'reply'> & Partial<Refusal>;

/** What is known from the beginning. */
interface Start {
  readonly id: string;
  /** The upstream connection's id. */
  readonly connection?: string;
  readonly client: Client;
  readonly upstream?: Upstream;
}

interface RecordSettings {
  readonly listener: string;
  readonly mode: DecisionInput['mode'];
  readonly writeRecord: WriteRecord;
  /** Is told of it when it has ended. */
  readonly measure?: (transaction: MeasuredTransaction) => void;
  readonly trace?: Trace;
  /** Default: nothing is masked. */
  readonly masker?: Masker;
}

/** Collects what one transaction's log line says. */
export class TransactionRecord {
  readonly #settings: RecordSettings;
  readonly #start: Start;
  /** Why the disposition is what it is, or why there is none. */
  readonly #why: Record<string, unknown> = {};
  readonly #fields: Record<string, unknown> = {};
  readonly #recipients: { to: string; reply: string; reason?: string }[] = [];
  readonly #milliseconds: Partial<Record<Phase, number>> = {};
  readonly #begun = performance.now();
  #phase: Phase = 'envelope';
  #phaseBegun = this.#begun;
  #from = '';
  #results: Readonly<Record<string, string>> | undefined;
  #rule: string | undefined;
  #rewritten = { removedFields: 0, sealed: false };
  #explanation: Explanation | undefined;
  #disposition = 'none';
  #refusedData: Reply | undefined;
  sizeBytes = 0;

  constructor(settings: RecordSettings, start: Start) {
    this.#settings = settings;
    this.#start = { ...start, client: clientInUnicode(start.client) };
  }

  mail(path: PathArgument): void {
    this.#from = toUnicode(path.address);
  }

  /** It ends before there is a message. */
  refusedMail({ kind, reason }: EnvelopeAnswer): void {
    if (kind === undefined) return;
    this.#disposition = kind;
    this.#why.reason = reason;
  }

  /** Told with the reason where the policy refused it; where there is none, the downstream or a limit did. */
  rcpt(path: PathArgument, { reply, reason }: EnvelopeAnswer): void {
    this.#recipients.push({
      to: toUnicode(path.address),
      reply: told(reply),
      ...(reason !== undefined && { reason }),
    });
  }

  /** There was no 354; upstream may ask again, or end it. */
  refusedData(reply: Reply): void {
    this.#refusedData = reply;
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
    this.#results = results;
    this.#rule = rule;
    Object.assign(this.#fields, { clientClass, listMail });
    if (dmarc) this.#fields.dmarc = author(dmarc);
    this.#explanation = explanation;
    this.#disposition = disposition.kind;
    const { reason } = dry ?? disposition;
    const why = { ...(reason !== undefined && { reason }), ...(rule !== undefined && { rule }) };
    if (dry) this.#why.dryRun = { disposition: dry.kind, ...why };
    else Object.assign(this.#why, why);
  }

  /** It is sent on, without some fields that it came with, and perhaps with a seal. */
  rewritten(removedFields: number, sealed: boolean): void {
    this.#rewritten = { removedFields, sealed };
    if (removedFields > 0) this.#fields.removedFields = removedFields;
    if (sealed) this.#fields.sealed = true;
  }

  /** Something went wrong; a line of its own, since it may come when the transaction's line is out. */
  failure(stage: FailureStage, error: unknown): void {
    // Whoever ended the transaction cut off its command downstream as well: that is no failure of its own.
    if (this.#why.aborted !== undefined && error instanceof DownstreamError) return;
    const reply = error instanceof DownstreamError && error.reply ? told(error.reply) : undefined;
    this.#tell('warn', 'transaction failure', {
      id: this.#start.id,
      listener: this.#settings.listener,
      stage,
      ...(stage === 'internal' ? mistake(error) : { error }),
      ...(reply ? { reply } : {}),
    });
  }

  /** It ended before its final reply. */
  aborted(reason: string): void {
    this.#why.aborted = reason;
  }

  /**
   * The transaction is over.
   *
   * @param finals its final replies, empty where upstream waits for none: the one to DATA counts then
   * @param destination that was reached, if one was
   */
  write(finals: readonly Reply[], destination: string | undefined): void {
    this.phase(this.#phase);
    const { id, connection, client, upstream } = this.#start;
    const { listener, mode, measure, trace, masker } = this.#settings;
    const replies = finals.length === 0 && this.#refusedData ? [this.#refusedData] : finals;
    const ids = [...new Set(replies.map(downstreamId).filter((one) => one !== undefined))];
    const texts = replies.map(told);
    const toRecipients = this.#recipients.map(({ reply }) => reply);
    // Who and where to come first: this is what somebody looks for who reads it.
    const record = {
      id,
      ...(upstream?.queueId !== undefined && { queueId: upstream.queueId }),
      client,
      from: this.#from,
      recipients: this.#recipients,
      disposition: this.#disposition,
      ...this.#why,
      replies: new Set(texts).size === 1 ? texts.slice(0, 1) : texts,
      ...(destination !== undefined && { destination }),
      ...(ids.length > 0 && { downstreamId: ids.length === 1 ? ids[0] : ids }),
      ...(this.#results && { results: this.#results }),
      ...this.#fields,
      // Of all of them, however many the line tells.
      replyClass: replyClass(texts, toRecipients),
      sizeBytes: this.sizeBytes,
      listener,
      mode,
      ...(connection !== undefined && { connection }),
      milliseconds: { ...this.#milliseconds, total: milliseconds(performance.now() - this.#begun) },
    };
    this.#tell('info', 'transaction', { ...record, ...summary(record) });
    measure?.({
      ...record,
      ...this.#rewritten,
      ...(this.#results && { results: this.#results }),
      ...(this.#rule !== undefined && { rule: this.#rule }),
    });
    // What was not judged has no story.
    if (!trace || !this.#explanation) return;
    const people = this.#people();
    const masked = (masker?.fields(record, people) ?? record) as typeof record;
    trace.add({
      id,
      time: new Date().toISOString(),
      record: { ...masked, results: this.#results ?? {} },
      explanation: masker?.data(this.#explanation, people) ?? this.#explanation,
    });
  }

  #tell(level: 'info' | 'warn', event: string, fields: LogFields): void {
    const { writeRecord, masker } = this.#settings;
    writeRecord(level, event, masker?.fields(fields, this.#people()) ?? fields);
  }

  #people(): People {
    return { client: this.#start.client, addresses: [this.#from, ...this.#recipients.map(({ to }) => to)] };
  }
}

/** Whom the message says it is from, what they ask for, and why that is not followed. */
function author({ domain, policy, override }: DmarcOutcome): Record<string, unknown> {
  return { domain, policy, ...(override && { override: override.text }) };
}

/** A tenth of a millisecond is as fine as anybody reads. */
function milliseconds(time: number): number {
  return Math.round(time * 10) / 10;
}
