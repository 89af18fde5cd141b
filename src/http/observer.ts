// Follows a running Postern: counts what goes through, remembers the last of it, and can tell how it is.
import type { Observatory, Readiness, WorkerStatus } from '../telemetry/status.ts';
import { newestFirst } from '../telemetry/trace.ts';
import type { StatusAnswer, TransactionAnswer, TransactionRow } from './answers.ts';
import { problemsOf } from './problems.ts';
import { Rates } from './rates.ts';
import { Recent } from './recent.ts';
import { rowOfStory, type TransactionFields } from './rows.ts';
import { totalsOf } from './totals.ts';

/** Processes that take longer are not well; whoever asks is told so. */
const answerMs = 5_000;

/** Asks an observatory on behalf of all who look at it. */
export class Observer {
  readonly #observatory: Observatory;
  readonly #rates = new Rates(() => performance.now());
  readonly #recent = new Recent();
  #asking: Promise<StatusAnswer> | undefined;

  /**
   * @param hear is told of each transaction that ends, and when: milliseconds since the epoch
   * @param signal ends it
   */
  constructor(
    observatory: Observatory,
    hear: (record: TransactionFields, timeMs: number) => void,
    signal: AbortSignal,
  ) {
    this.#observatory = observatory;
    observatory.follow((record) => {
      const timeMs = Date.now();
      this.#rates.add(record);
      this.#recent.add(record, timeMs);
      hear(record, timeMs);
    }, signal);
  }

  /**
   * How it is. Whoever asks while another one waits gets the same answer.
   *
   * @throws {Error} when the processes do not answer in time
   */
  status(): Promise<StatusAnswer> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /**
   * The last transactions, newest first: those of which the record is here, then those with stories.
   *
   * @param limit how many at most
   */
  async transactions(limit: number): Promise<TransactionRow[]> {
    const rows = this.#recent.rows();
    if (rows.length < limit) {
      const known = new Set(rows.map(({ id }) => id));
      const stories = await inTime(this.#observatory.stories());
      for (const story of stories) {
        if (rows.length >= limit) break;
        if (!known.has(story.id)) rows.push(rowOfStory(story));
      }
    }
    return rows.slice(0, limit).sort(newestFirst);
  }

  /** One of them; undefined: there was none, or it is forgotten. */
  async transaction(id: string): Promise<TransactionAnswer | undefined> {
    const story = await inTime(this.#observatory.story(id));
    if (story) return story;
    const record = this.#recent.get(id);
    return record && { ...record, explanation: null };
  }

  async #ask(): Promise<StatusAnswer> {
    const asked: Promise<[readonly WorkerStatus[], Readiness]> = Promise.all([
      this.#observatory.status(),
      this.#observatory.readiness(),
    ]);
    const [workers, readiness] = await inTime(asked);
    const rates = this.#rates.answer();
    const totals = totalsOf(workers);
    return {
      time: new Date().toISOString(),
      ready: readiness.ready,
      problems: problemsOf({ readiness, workers, totals, rates }),
      workers,
      totals,
      rates,
    };
  }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${answerMs} ms`)), answerMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
