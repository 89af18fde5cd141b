// The records of the last transactions, bounded in number and in bytes.
import type { TransactionAnswer, TransactionRow } from './answers.ts';
import { rowOf, type TransactionFields } from './rows.ts';

const maxRecords = 200;
/** Of a record with thousands of recipients the first ones are kept. */
const maxRecordBytes = 32 * 1024;
const maxRecipients = 20;

interface Kept {
  readonly row: TransactionRow;
  /** JSON: of it we know how much it takes. */
  readonly record: string;
}

/** Keeps records for whoever asks soon. */
export class Recent {
  /** By id, the oldest first. */
  readonly #kept = new Map<string, Kept>();

  /** @returns its row */
  add(record: TransactionFields, time: string): TransactionRow {
    const row = rowOf(record, time);
    // An id that comes again is a new transaction: it is the youngest.
    this.#kept.delete(row.id);
    this.#kept.set(row.id, { row, record: bounded(record, row) });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > maxRecords && oldest !== undefined) this.#kept.delete(oldest);
    return row;
  }

  /** Newest first. */
  rows(): TransactionRow[] {
    return [...this.#kept.values()].map(({ row }) => row).reverse();
  }

  /** @returns undefined: there was none, or it is forgotten */
  get(id: string): Omit<TransactionAnswer, 'explanation'> | undefined {
    const kept = this.#kept.get(id);
    return kept && { id, time: kept.row.time, record: JSON.parse(kept.record) as TransactionFields };
  }
}

function bounded(record: TransactionFields, row: TransactionRow): string {
  const whole = JSON.stringify(record);
  if (whole.length <= maxRecordBytes) return whole;
  const { recipients } = record;
  if (Array.isArray(recipients)) {
    const first = recipients.slice(0, maxRecipients);
    const cut = JSON.stringify({
      ...record,
      recipients: first,
      recipientsOmitted: recipients.length - first.length,
    });
    if (cut.length <= maxRecordBytes) return cut;
  }
  // Texts of such length nobody reads; the row has their beginnings.
  const { recipients: asked, ...fields } = row;
  return JSON.stringify({ ...fields, recipients: [], recipientsOmitted: asked });
}
