// The records of the last transactions. A row is made of one when somebody asks: most are forgotten before that.
import type { TransactionAnswer, TransactionRow } from './answers.ts';
import { rowOf, type TransactionFields } from './rows.ts';

/** Each is bounded, as its line in the log is. */
const maxRecords = 200;

interface Kept {
  readonly record: TransactionFields;
  /** When it ended, in milliseconds since the epoch. */
  readonly timeMs: number;
}

/** Keeps records for whoever asks soon. */
export class Recent {
  /** By id, the oldest first. */
  readonly #kept = new Map<unknown, Kept>();

  /** @param timeMs when it ended, in milliseconds since the epoch */
  add(record: TransactionFields, timeMs: number): void {
    const { id } = record;
    // An id that comes again is a new transaction: it is the youngest.
    this.#kept.delete(id);
    this.#kept.set(id, { record, timeMs });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > maxRecords) this.#kept.delete(oldest);
  }

  /** Newest first. */
  rows(): TransactionRow[] {
    return [...this.#kept.values()].map(({ record, timeMs }) => rowOf(record, timeMs)).reverse();
  }

  /** @returns undefined: there was none, or it is forgotten */
  get(id: string): Omit<TransactionAnswer, 'explanation'> | undefined {
    const kept = this.#kept.get(id);
    return kept && { id, time: new Date(kept.timeMs).toISOString(), record: kept.record };
  }
}
