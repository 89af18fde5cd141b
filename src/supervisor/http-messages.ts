// What the primary process and the one that serves HTTP say to each other.
import type { HttpConfiguration } from '../config/configuration.ts';
import type { LogOptions } from '../telemetry/log-options.ts';
import type { Readiness, WorkerStatus } from '../telemetry/status.ts';
import type { Story, StorySummary } from '../telemetry/trace.ts';
import type { QuestionFor } from './messages.ts';

/** What the primary can be asked, and what it answers: all workers as one. */
export interface TotalAnswers {
  readonly status: readonly WorkerStatus[];
  readonly metrics: string;
  readonly readiness: Readiness;
  readonly stories: readonly StorySummary[];
  readonly story: Story | undefined;
}

/** One of the things that it can be asked. */
export type TotalQuestion = QuestionFor<TotalAnswers>;

/** Why an address cannot be had, as node:net says it. */
export interface BindFailure {
  readonly message: string;
  readonly code?: string;
  readonly syscall?: string;
  readonly address?: string;
  readonly port?: number;
}

/** From the primary. */
export type ToHttp =
  | { readonly kind: 'start'; readonly http: HttpConfiguration; readonly log: LogOptions }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: TotalAnswers[keyof TotalAnswers] }
  /** There is no answer. */
  | { readonly kind: 'unknown'; readonly id: number }
  /** Of transactions that ended: each is JSON, the fields of its line in the log. */
  | { readonly kind: 'records'; readonly records: readonly string[] }
  /** To be answered with the same word. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'end' };

/** From the process that serves HTTP. */
export type FromHttp =
  /** It listens to messages now. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready'; readonly address: string }
  | { readonly kind: 'failed'; readonly failure: BindFailure }
  | { readonly kind: 'alive' }
  | { readonly kind: 'ask'; readonly id: number; readonly question: TotalQuestion }
  /** Whether anybody wants to hear of transactions. */
  | { readonly kind: 'follow'; readonly on: boolean };
