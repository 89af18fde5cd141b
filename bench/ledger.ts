// The ledgers of load generator and sink: a line per message in a file, and what a comparison of both shows.
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * The field on top of every message of the benchmark. No signature covers it, so that one signed
 * message can be sent under any number of ids; what is below it is digested.
 */
export const idField = 'X-Bench-Id: ';

/** One message: sent with a list of reply codes (`250`, `250,450`, `-` for none), or stored with its size. */
export interface Entry {
  readonly id: string;
  /** SHA-256, in hex, of all bytes below the id's field as they are on the wire (dots stuffed). */
  readonly digest: string;
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
  /** Acknowledged, and not stored. */
  readonly lost: readonly string[];
  /** Stored more than once. */
  readonly doubled: readonly string[];
  /** Stored with other content than was sent. */
  readonly altered: readonly string[];
  /** Stored, although it was never sent. */
  readonly unknown: readonly string[];
  /** Stored, although upstream got a refusal for every recipient. */
  readonly refusedButStored: readonly string[];
  /** Stored, although upstream got no answer: SMTP's own ambiguity. */
  readonly unansweredButStored: readonly string[];
}

/** @returns what a comparison shows of the messages that were sent and those that were stored */
export async function compareLedgers(
  sent: AsyncIterable<Entry> | Iterable<Entry>,
  stored: AsyncIterable<Entry> | Iterable<Entry>,
): Promise<Comparison> {
  const open = new Map<string, Entry & { times: number }>();
  let acknowledged = 0;
  for await (const entry of sent) {
    open.set(entry.id, { ...entry, times: 0 });
    if (acknowledges(entry.outcome)) acknowledged++;
  }
  const doubled: string[] = [];
  const altered: string[] = [];
  const unknown: string[] = [];
  let storedCount = 0;
  for await (const { id, digest } of stored) {
    storedCount++;
    const message = open.get(id);
    if (!message) unknown.push(id);
    else if (++message.times === 2) doubled.push(id);
    if (message && message.digest !== digest) altered.push(id);
  }
  const all = [...open.values()];
  const ids = (of: (message: (typeof all)[number]) => boolean) => all.filter(of).map(({ id }) => id);
  return {
    sent: open.size,
    acknowledged,
    stored: storedCount,
    lost: ids(({ outcome, times }) => acknowledges(outcome) && times === 0),
    doubled,
    altered,
    unknown,
    refusedButStored: ids(
      ({ outcome, times }) => times > 0 && outcome !== unanswered && !acknowledges(outcome),
    ),
    unansweredButStored: ids(({ outcome, times }) => times > 0 && outcome === unanswered),
  };
}

/** The outcome of a message whose last reply never came. */
export const unanswered = '-';

/** Whether one recipient at least was taken. */
function acknowledges(outcome: string): boolean {
  return outcome.split(',').some((code) => code.startsWith('2'));
}

/** Whether every message is where its sender was told that it is, whole, and nothing else is stored. */
export function agrees(comparison: Comparison): boolean {
  const { lost, doubled, altered, unknown, refusedButStored } = comparison;
  return [lost, doubled, altered, unknown, refusedButStored].every((ids) => ids.length === 0);
}
