// The ledgers of load generator and sink: a line per message in a file, and what a comparison of both shows.
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * The field on top of every message of the benchmark. No signature covers it, so that one signed
 * message can be sent under any number of ids; what is below it is digested.
 */
export const idField = 'X-Bench-Id: ';

/** One message. */
export interface Entry {
  readonly id: string;
  /** SHA-256, in hex, of all bytes below the id's field as they are on the wire (dots stuffed). */
  readonly digest: string;
  /**
   * Of one that was sent: for each recipient the code of the final reply, or `-` where there was none (`250`,
   * `250,450,-`); a single one for all where no content was asked for, or no reply to it came. Of one that was stored:
   * its size, and how many recipients it was taken for (`10240,2`).
   */
  readonly outcome: string;
}

/** Characters that are kept before they are written: a write for each line costs more than the message's own replies. */
const writtenAtOnce = 64 * 1024;

/** A ledger that is being written. */
export class LedgerFile {
  readonly #file: WriteStream;
  #lines = '';

  constructor(path: string) {
    this.#file = createWriteStream(path);
  }

  add({ id, digest, outcome }: Entry): void {
    this.#lines += `${id} ${digest} ${outcome}\n`;
    if (this.#lines.length >= writtenAtOnce) this.#file.write(this.#take());
  }

  /** Resolves when everything added so far can be read from the file. */
  flushed(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#file.write(this.#take(), (error) => (error ? reject(error) : resolve()));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#file.end(this.#take(), () => resolve()));
  }

  #take(): string {
    const lines = this.#lines;
    this.#lines = '';
    return lines;
  }
}

/** The entries of a ledger's file. */
export async function* readLedger(path: string): AsyncGenerator<Entry> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const [id = '', digest = '', outcome = ''] = line.split(' ');
    yield { id, digest, outcome };
  }
}

/** What two ledgers disagree in; lists of ids. */
export interface Comparison {
  readonly sent: number;
  readonly acknowledged: number;
  readonly stored: number;
  /** Acknowledged for more recipients than it is stored for. */
  readonly lost: readonly string[];
  /** Stored more than once. */
  readonly doubled: readonly string[];
  /** Stored with other content than was sent. */
  readonly altered: readonly string[];
  /** Stored, although it was never sent. */
  readonly unknown: readonly string[];
  /** Stored for a recipient, although upstream got a refusal for it. */
  readonly refusedButStored: readonly string[];
  /** Stored for a recipient, although upstream got no answer for it: SMTP's own ambiguity. */
  readonly unansweredButStored: readonly string[];
}

/** @returns what a comparison shows of the messages that were sent and those that were stored */
export async function compareLedgers(
  sent: AsyncIterable<Entry> | Iterable<Entry>,
  stored: AsyncIterable<Entry> | Iterable<Entry>,
): Promise<Comparison> {
  const open = new Map<string, Open>();
  let acknowledged = 0;
  for await (const { id, digest, outcome } of sent) {
    const answered = countReplies(outcome);
    open.set(id, { id, digest, answered, times: 0, takenFor: 0 });
    if (answered.positive > 0) acknowledged++;
  }
  const doubled: string[] = [];
  const altered: string[] = [];
  const unknown: string[] = [];
  let storedCount = 0;
  for await (const { id, digest, outcome } of stored) {
    storedCount++;
    const message = open.get(id);
    if (!message) {
      unknown.push(id);
      continue;
    }
    message.takenFor = Number(outcome.split(',')[1] ?? 0);
    if (++message.times === 2) doubled.push(id);
    if (message.digest !== digest) altered.push(id);
  }
  const all = [...open.values()];
  const ids = (of: (message: Open) => boolean) => all.filter(of).map(({ id }) => id);
  const more = ({ takenFor, answered }: Open) => takenFor > answered.positive;
  return {
    sent: open.size,
    acknowledged,
    stored: storedCount,
    lost: ids(({ takenFor, answered }) => takenFor < answered.positive),
    doubled,
    altered,
    unknown,
    refusedButStored: ids((message) => more(message) && message.answered.missing === 0),
    unansweredButStored: ids((message) => more(message) && message.answered.missing > 0),
  };
}

/** In the outcome of a message that was sent: a final reply that never came. */
export const unanswered = '-';

/** One message in the comparison. */
interface Open extends Pick<Entry, 'id' | 'digest'> {
  readonly answered: Readonly<ReturnType<typeof countReplies>>;
  times: number;
  /** Recipients. */
  takenFor: number;
}

/** How many replies of an outcome were 2yz, and how many never came. */
export function countReplies(outcome: string) {
  const codes = outcome.split(',');
  return {
    positive: codes.filter((code) => code.startsWith('2')).length,
    missing: codes.filter((code) => code === unanswered).length,
  };
}

/** Whether every message is where its sender was told that it is, whole, and nothing else is stored. */
export function agrees(comparison: Comparison): boolean {
  const { lost, doubled, altered, unknown, refusedButStored } = comparison;
  return [lost, doubled, altered, unknown, refusedButStored].every((ids) => ids.length === 0);
}
