// What is looked at every few seconds: each of Postern's processes by the kernel's accounting, and the traffic meanwhile.
import { readdirSync, readFileSync } from 'node:fs';
import type { WorkerStatus } from '../../src/telemetry/status.ts';
import type { Summary } from '../load/figures.ts';
import { cpuMs, family, residentBytes } from '../site/processes.ts';
import { sum } from '../statistics.ts';

export interface ProcessSample {
  readonly pid: number;
  readonly kind: 'primary' | 'worker' | 'http';
  readonly residentBytes: number;
  readonly descriptors: number;
  /** Of these, connections that it knows of itself, upstream and downstream; undefined: nobody could tell. */
  readonly connections: number | undefined;
  /** Since it began. */
  readonly cpuMs: number;
}

/** Of all streams of traffic together since the sample before. */
export interface Sample {
  /** Seconds since the beginning. */
  readonly at: number;
  readonly processes: readonly ProcessSample[];
  readonly accepted: number;
  readonly refused: number;
  readonly unanswered: number;
  /** Milliseconds: the mean of the streams' own, by the number of their messages; 0 without any. */
  readonly p50: number;
  readonly p95: number;
  /** Median latency of messages that do not pass Postern: how busy the machine is. */
  readonly beside: number;
  readonly cpuMsPerMessage: number;
  /** Messages per second that were due. */
  readonly rate: number;
  /** How much of all processors was in use, by whatever it was: 0 to 1. */
  readonly use: number;
}

/**
 * @param primary its pid
 * @param workers what the service has just said of them
 * @returns all processes of a service that are there, without those that end just now
 */
export function processesOf(primary: number, workers: readonly WorkerStatus[]): readonly ProcessSample[] {
  return family(primary).flatMap((pid): ProcessSample[] => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      const kind = pid === primary ? 'primary' : command.includes('/http-worker.') ? 'http' : 'worker';
      const descriptors = readdirSync(`/proc/${pid}/fd`).length;
      const connections = kind === 'worker' ? connectionsOf(workers.find((each) => each.pid === pid)) : 0;
      const resident = residentBytes(pid);
      // One that has ended, and was not yet taken notice of, has nothing any more.
      if (resident === 0) return [];
      return [{ pid, kind, residentBytes: resident, descriptors, connections, cpuMs: cpuMs(pid) }];
    } catch {
      return [];
    }
  });
}

function connectionsOf(worker: WorkerStatus | undefined): number | undefined {
  return worker && sum(worker.listeners, ({ connections, pool }) => connections + pool.busy + pool.idle);
}

/** Puts together what the load generators have said since the sample before. */
export function sampleOf(
  { at, rate, use }: Pick<Sample, 'at' | 'rate' | 'use'>,
  processes: readonly ProcessSample[],
  before: readonly ProcessSample[],
  traffic: readonly Summary[],
  beside: readonly Summary[],
): Sample {
  const answered = (summaries: readonly Summary[]) =>
    sum(summaries, ({ accepted, refused }) => accepted + refused);
  const mean = (summaries: readonly Summary[], of: 'p50' | 'p95') =>
    answered(summaries) === 0
      ? 0
      : sum(summaries, (each) => each.latencyMs[of] * (each.accepted + each.refused)) / answered(summaries);
  const used = sum(
    processes,
    (each) => each.cpuMs - (before.find(({ pid }) => pid === each.pid)?.cpuMs ?? 0),
  );
  return {
    at,
    rate,
    use,
    processes,
    accepted: sum(traffic, ({ accepted }) => accepted),
    refused: sum(traffic, ({ refused }) => refused),
    unanswered: sum(traffic, ({ unanswered }) => unanswered),
    p50: mean(traffic, 'p50'),
    p95: mean(traffic, 'p95'),
    beside: mean(beside, 'p50'),
    cpuMsPerMessage: answered(traffic) === 0 ? 0 : used / answered(traffic),
  };
}
