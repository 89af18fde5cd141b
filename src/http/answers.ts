// What the API answers with: the JSON of /api/..., documented in docs/status.md.
import type { ReplyClass } from '../telemetry/reply-class.ts';
import type { WorkerStatus } from '../telemetry/status.ts';

/** How often each of a few names was seen. */
export type Counts = Readonly<Record<string, number>>;

/** What the transactions of a stretch of time came to. */
export interface Window {
  /** How long it really was: less than its name says until Postern has run that long. */
  readonly seconds: number;
  readonly transactions: number;
  readonly perSecond: number;
  readonly dispositions: Counts;
  /** By class of the reply, the gravest of each transaction: `2xx`, `4xx`, `5xx`, `none`. */
  readonly replies: Counts;
  /** Listener → class of the reply. */
  readonly listeners: Readonly<Record<string, Counts>>;
}

/** How long a phase took in the last 15 minutes: milliseconds, each within 5 % of the truth. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Transactions of the last 15 minutes over time, for a chart; oldest first. */
export interface History {
  readonly secondsPerPoint: number;
  readonly all: readonly number[];
  /** Of these, those that were answered 4xx. */
  readonly temporary: readonly number[];
  /** Of these, those that were answered 5xx. */
  readonly permanent: readonly number[];
}

/** What went through. */
export interface RatesAnswer {
  /** The last 10 seconds. */
  readonly now: Window;
  readonly minute: Window;
  readonly quarterHour: Window;
  readonly history: History;
  /** Check → value → how often, of the last 15 minutes. */
  readonly results: Readonly<Record<string, Counts>>;
  /** `envelope`, `receive`, `authenticate`, `relay`, `total`. */
  readonly latency: Readonly<Record<string, Percentiles>>;
}

/** All processes together. */
export interface Totals {
  readonly connections: number;
  readonly pool: WorkerStatus['listeners'][number]['pool'];
  readonly dns: WorkerStatus['dns'];
  readonly spool: WorkerStatus['spool'];
  readonly residentBytes: number;
}

/** Something that an administrator should look at. */
export interface Problem {
  /** `bad`: mail waits or is lost to its sender; `warn`: it may soon. */
  readonly severity: 'bad' | 'warn';
  readonly text: string;
}

/** `GET /api/status`, and the event `status`. */
export interface StatusAnswer {
  /** ISO 8601 */
  readonly time: string;
  readonly ready: boolean;
  /** The gravest first. */
  readonly problems: readonly Problem[];
  readonly workers: readonly WorkerStatus[];
  readonly totals: Totals;
  readonly rates: RatesAnswer;
}

/** One transaction in the list, and the event `transaction`. */
export interface TransactionRow {
  readonly id: string;
  /** When it ended, ISO 8601. */
  readonly time: string;
  readonly listener: string;
  /** Of the envelope; '' for the null reverse-path. */
  readonly from: string;
  /** The first recipient that was asked for. */
  readonly to?: string;
  /** How many were asked for. */
  readonly recipients: number;
  readonly client?: { readonly ip?: string; readonly name?: string; readonly helo?: string };
  /** Method → values. */
  readonly results: Readonly<Record<string, string>>;
  readonly disposition: string;
  /** The first of the gravest replies, or why there was none. */
  readonly reply?: string;
  readonly replyClass?: ReplyClass;
  readonly sizeBytes?: number;
  readonly milliseconds?: number;
}

/** `GET /api/transactions`; newest first. */
export interface TransactionsAnswer {
  readonly transactions: readonly TransactionRow[];
}

/** The event `transaction`. */
export interface TransactionEvent extends TransactionRow {
  /** Those before it that no event tells of: there were too many at once. */
  readonly omitted?: number;
}

/** `GET /api/transactions/ID`. */
export interface TransactionAnswer {
  readonly id: string;
  /** When it ended, ISO 8601. */
  readonly time: string;
  /** What the log says of it. */
  readonly record: Readonly<Record<string, unknown>>;
  /** Why its verdicts fell, an entry for each check; null where no story was kept (`trace.keep`). */
  readonly explanation: unknown;
}
