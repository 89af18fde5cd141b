// What the primary process and its workers say to each other.
import type { Configuration } from '../config/configuration.ts';
import type { MetricsSnapshot } from '../telemetry/metrics-total.ts';
import type { Readiness, WorkerStatus } from '../telemetry/status.ts';
import type { Story, StorySummary } from '../telemetry/trace.ts';

/** A configuration that can pass between processes: the modules of `checks.custom` are loaded by who gets it. */
export type SentConfiguration = Omit<Configuration, 'customChecks'>;

/** What a worker can be asked, and what it answers. */
export interface Answers {
  readonly status: WorkerStatus;
  readonly metrics: MetricsSnapshot;
  readonly readiness: Readiness;
  readonly stories: readonly StorySummary[];
  readonly story: Story | undefined;
}

/** One of the things that somebody can be asked who gives such answers. */
export type QuestionFor<Given> = {
  [What in keyof Given]: { readonly what: What } & (What extends 'story' ? { readonly id: string } : unknown);
}[keyof Given];

/** One of the things that a worker can be asked. */
export type Question = QuestionFor<Answers>;

/** Whether a connection has a place at its listener. `last`: who comes next waits for one; `none`: it is refused. */
export type Place = 'one' | 'last' | 'none';

/** From the primary. */
export type ToWorker =
  | {
      readonly kind: 'start';
      /** Counts from 1, and says whose share of the totals this is. */
      readonly number: number;
      readonly configuration: SentConfiguration;
      /** Where the listeners are bound, by name. */
      readonly addresses: ReadonlyMap<string, string>;
    }
  /** Comes with a socket; the first has number 1. */
  | {
      readonly kind: 'connection';
      readonly number: number;
      readonly listener: string;
      readonly place: Place;
    }
  /** Nothing was heard of the connection for a while: if it has not come before this, it is lost for want of a descriptor. */
  | { readonly kind: 'handed'; readonly number: number }
  /** To be answered with the same word. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'end'; readonly patienceMs: number; readonly graceMs: number }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  /** Whether anybody wants to hear of transactions. */
  | { readonly kind: 'follow'; readonly on: boolean };

/** From a worker. */
export type FromWorker =
  /** It listens to messages now. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly message: string }
  /**
   * `taken`: the connection it was given last is its own now. `left`: the listeners of connections that have
   * given up their places, one entry for each.
   */
  | { readonly kind: 'connections'; readonly taken: boolean; readonly left: readonly string[] }
  /** The connection of that number did not reach it. */
  | { readonly kind: 'missed'; readonly number: number }
  | { readonly kind: 'alive' }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[keyof Answers] }
  /** Of transactions that ended: each is JSON, the fields of its line in the log. */
  | { readonly kind: 'records'; readonly records: readonly string[] }
  /** What it had counted before it ends. */
  | { readonly kind: 'last'; readonly metrics: MetricsSnapshot };
