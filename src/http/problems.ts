// What an administrator should look at first, from what the processes tell and what went through.
import { type Readiness, unreachable, type WorkerStatus } from '../telemetry/status.ts';
import type { Counts, Problem, RatesAnswer, Totals, Window } from './answers.ts';

/** Of so few, one is chance. */
const fewTransactions = 3;
const manyPercent = 5;
const mostPercent = 50;
/** A loop that is as late as this is what the senders wait for. */
const lateMs = 200;

/** What the processes tell, all of it of the same moment. */
export interface Observed {
  readonly readiness: Readiness;
  readonly workers: readonly WorkerStatus[];
  readonly totals: Totals;
  readonly rates: RatesAnswer;
}

/** @returns the gravest first; empty when nothing is wrong */
export function problemsOf({ readiness, workers, totals, rates }: Observed): Problem[] {
  const problems = [
    ...notReady(readiness, workers),
    ...temporaryReplies(rates.minute),
    ...temporaryErrors(rates.results),
    ...busyPools(totals),
    ...lateLoops(workers),
  ];
  return problems.sort((a, b) => Number(b.severity === 'bad') - Number(a.severity === 'bad'));
}

function notReady({ ready, reasons }: Readiness, workers: readonly WorkerStatus[]): Problem[] {
  if (!ready && reasons.length > 0) return reasons.map((text) => ({ severity: 'bad', text }));
  if (!ready || workers.length === 0) return [{ severity: 'bad', text: 'no process passes mail' }];
  const processes = new Map<string, number>();
  for (const listener of workers.flatMap(({ listeners }) => listeners)) {
    if (listener.reachable) continue;
    const text = unreachable(listener);
    processes.set(text, (processes.get(text) ?? 0) + 1);
  }
  return [...processes].map(([text, count]) => ({
    severity: count === workers.length ? 'bad' : 'warn',
    text: count === workers.length ? text : `${text}, in ${count} of ${workers.length} processes`,
  }));
}

function temporaryReplies({ replies, transactions }: Window): Problem[] {
  const temporary = replies['4xx'] ?? 0;
  const share = (100 * temporary) / transactions;
  if (temporary < fewTransactions || share < manyPercent) return [];
  const text = `${Math.round(share)} % of the last minute's transactions were answered 4xx (${temporary} of ${transactions})`;
  return [{ severity: share >= mostPercent ? 'bad' : 'warn', text }];
}

function temporaryErrors(results: Readonly<Record<string, Counts>>): Problem[] {
  return Object.entries(results).flatMap(([method, counts]): Problem[] => {
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const errors = counts.temperror ?? 0;
    const share = (100 * errors) / total;
    if (errors < fewTransactions || share < manyPercent) return [];
    const text = `${method}: ${Math.round(share)} % temperror in the last 15 minutes (${errors} of ${total}); does DNS answer?`;
    return [{ severity: 'warn', text }];
  });
}

function busyPools({ pool }: Totals): Problem[] {
  if (pool.waiting === 0) return [];
  const text = `${pool.waiting} ${pool.waiting === 1 ? 'transaction waits' : 'transactions wait'} for a connection downstream (${pool.busy} of ${pool.size} busy)`;
  return [{ severity: 'warn', text }];
}

function lateLoops(workers: readonly WorkerStatus[]): Problem[] {
  return workers.flatMap(({ pid, eventLoop }): Problem[] => {
    if (eventLoop.p99 < lateMs) return [];
    const text = `process ${pid} is ${Math.round(eventLoop.p99)} ms late at times: not enough processor time`;
    return [{ severity: 'warn', text }];
  });
}
