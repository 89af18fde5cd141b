// What went through in the last 15 minutes, counted from the transactions' records in bounded memory.
import type { History, Percentiles, RatesAnswer, Window } from './answers.ts';
import { Durations } from './durations.ts';
import { Ring } from './ring.ts';
import { millisecondsOf, replyClassOf, resultsOf, type TransactionFields } from './rows.ts';
import { Tallies, Tally } from './tally.ts';

/** Names of one kind that are told apart: dispositions, listeners, checks, values. */
const maxNames = 64;

const keptSeconds = 15 * 60;
/** Results and durations need more room: they are kept in longer slices. */
const coarseSeconds = 15;
const secondsPerPoint = 5;

/** `total` first of what is measured, then the phases in their order. */
const phases = ['total', 'envelope', 'receive', 'authenticate', 'relay'] as const;

/** One second. */
class Second {
  readonly dispositions = new Tally(maxNames);
  readonly replies = new Tally(maxNames);
  readonly listeners = new Tallies(maxNames);

  addAll(second: Second): void {
    this.dispositions.addAll(second.dispositions);
    this.replies.addAll(second.replies);
    this.listeners.addAll(second.listeners);
  }
}

/** Some seconds. */
class Coarse {
  readonly results = new Tallies(maxNames);
  readonly durations = new Map(phases.map((phase): [string, Durations] => [phase, new Durations()]));
}

/** Counts transactions. */
export class Rates {
  readonly #now: () => number;
  readonly #begunMs: number;
  readonly #seconds = new Ring({ sliceMs: 1000, slices: keptSeconds, make: () => new Second() });
  readonly #coarse = new Ring({
    sliceMs: coarseSeconds * 1000,
    slices: keptSeconds / coarseSeconds,
    make: () => new Coarse(),
  });

  /** @param now milliseconds since any moment; never goes back */
  constructor(now: () => number) {
    this.#now = now;
    this.#begunMs = now();
  }

  add(record: TransactionFields): void {
    const now = this.#now();
    const second = this.#seconds.at(now);
    const reply = replyClassOf(record);
    second.replies.add(reply);
    second.dispositions.add(typeof record.disposition === 'string' ? record.disposition : 'none');
    second.listeners.add(typeof record.listener === 'string' ? record.listener : 'unknown', reply);
    const coarse = this.#coarse.at(now);
    for (const [method, values] of resultsOf(record)) {
      for (const value of values.split(',')) coarse.results.add(method, value);
    }
    const milliseconds = millisecondsOf(record);
    for (const [phase, durations] of coarse.durations) {
      const time = milliseconds[phase];
      if (typeof time === 'number' && time >= 0) durations.add(time);
    }
  }

  answer(): RatesAnswer {
    const coarse = this.#coarse.last(this.#now()).filter((slice) => slice !== undefined);
    const results = new Tallies(maxNames);
    for (const slice of coarse) results.addAll(slice.results);
    return {
      now: this.#window(10),
      minute: this.#window(60),
      quarterHour: this.#window(keptSeconds),
      history: this.#history(),
      results: results.counts(),
      latency: latency(coarse),
    };
  }

  #window(wantedSeconds: number): Window {
    const now = this.#now();
    const sum = new Second();
    for (const second of this.#seconds.last(now, wantedSeconds)) if (second) sum.addAll(second);
    const transactions = sum.replies.total;
    // The running second is not over, and in the beginning there are fewer.
    const since = Math.min(now - this.#begunMs, (wantedSeconds - 1) * 1000 + (now % 1000)) / 1000;
    const seconds = Math.max(Math.round(since * 10) / 10, 1);
    return {
      seconds,
      transactions,
      perSecond: Math.round((transactions / seconds) * 100) / 100,
      dispositions: sum.dispositions.counts(),
      replies: sum.replies.counts(),
      listeners: sum.listeners.counts(),
    };
  }

  /** Whole points only: the running one would always look like the end of all mail. */
  #history(): History {
    const now = this.#now();
    const pointMs = secondsPerPoint * 1000;
    const end = Math.floor(now / pointMs) * pointMs - 1;
    const points = keptSeconds / secondsPerPoint - 1;
    const seconds = this.#seconds.last(end, points * secondsPerPoint);
    const series = (count: (second: Second) => number) =>
      Array.from({ length: points }, (_, point) =>
        seconds
          .slice(point * secondsPerPoint, (point + 1) * secondsPerPoint)
          .reduce((sum, second) => sum + (second ? count(second) : 0), 0),
      );
    return {
      secondsPerPoint,
      all: series(({ replies }) => replies.total),
      temporary: series(({ replies }) => replies.of('4xx')),
      permanent: series(({ replies }) => replies.of('5xx')),
    };
  }
}

function latency(slices: readonly Coarse[]): Readonly<Record<string, Percentiles>> {
  const entries = phases.flatMap((phase) => {
    const durations = slices.map((slice) => slice.durations.get(phase)).filter((each) => each !== undefined);
    const percentiles = Durations.percentiles(durations);
    return percentiles ? [[phase, percentiles] as const] : [];
  });
  return Object.fromEntries(entries);
}
