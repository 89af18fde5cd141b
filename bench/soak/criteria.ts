// What has to be flat, and how flat: memory and descriptors of each kind of process, latency, CPU.
import { median } from '../statistics.ts';
import type { ProcessSample, Sample } from './samples.ts';
import { blocksOf, type Point, robustSlopeOf, type Slope, slopeOf } from './slope.ts';

/** Of the run, and of each process's life: what is not counted, because everything grows at its beginning. */
const warmUp = 0.15;
/** So long at least in each process's life: until then V8 is still finding out how large its heap should be. */
const leastWarmUpSeconds = 480;
/** So many blocks has a run. */
const blocks = 40;
/**
 * For memory. V8 collects a worker's old objects every quarter of an hour and gives a third of its memory back, which it
 * has taken again within four minutes: the most of a block is what a process needs.
 */
const memoryBlocks = 15;
/** A shorter run is all beginning. */
const leastSeconds = 600;
const megabyte = 1e6;
/**
 * Of latency, and of CPU per message, in an hour. At 70 % of capacity latency is that much longer when the machine has
 * a tenth less to give (M/M/1).
 */
const mostSlower = 0.5;
const secondsPerHour = 3600;

/**
 * - `flat`: the whole interval is below the limit
 * - `grows`: the slope is above the limit, and the whole interval above zero
 * - `undecided`: longer, or with less else on the machine, it would be known
 */
export type Finding = 'flat' | 'grows' | 'undecided';

/** A series, and what its slope shows. */
export interface Judged {
  readonly measure: string;
  readonly unit: string;
  /** Growth per hour that is not tolerated. */
  readonly limit: number;
  /** What the series is about, after the warm-up. */
  readonly median: number;
  readonly slope: Slope | null;
  readonly finding: Finding;
}

export function judge(slope: Slope | undefined, limit: number): Finding {
  if (!slope) return 'undecided';
  if (slope.high < limit) return 'flat';
  return slope.low > 0 && slope.perHour >= limit ? 'grows' : 'undecided';
}

/** What is looked at over time. */
interface Series {
  readonly measure: string;
  readonly unit: string;
  readonly points: readonly Point[];
  /** Growth per hour that is not tolerated, of something that is about so much. */
  limit(median: number): number;
  /** What its slope is laid through. Default: the least of each block. */
  readonly blocked?: readonly Point[];
  /** Default: {@link slopeOf}. */
  readonly slopeThrough?: typeof slopeOf;
}

/** @returns a row for each series @param seconds how long the run was */
export function judgeAll(samples: readonly Sample[], seconds: number): readonly Judged[] {
  const kinds = ['primary', 'worker', 'http'] as const;
  const hours = seconds / secondsPerHour;
  const later = samples.filter(
    ({ at, p50, beside }) => at >= seconds * warmUp && at <= seconds && p50 > 0 && beside > 0,
  );
  // In proportion to the latency of messages straight into a sink: what else the machine has to do slows both.
  const usual = median(later.map(({ beside }) => beside));
  const relative = (of: 'p50' | 'p95' | 'cpuMsPerMessage') =>
    later.map((sample) => ({
      group: '',
      at: sample.at / secondsPerHour,
      value: (sample[of] * usual) / sample.beside,
    }));
  const slower = (measure: string, of: 'p50' | 'p95' | 'cpuMsPerMessage'): Series => ({
    measure,
    unit: 'ms',
    points: relative(of),
    limit: (middle) => middle * mostSlower,
    slopeThrough: robustSlopeOf,
  });
  const series: readonly Series[] = [
    ...kinds.map((kind) => {
      const points = pointsOf(samples, seconds, kind, (each) => each.residentBytes / megabyte);
      const blocked = blocksOf(points, hours / memoryBlocks, Math.max);
      return { measure: `memory, ${kind}`, unit: 'MB', points, limit: () => 32, blocked };
    }),
    // What is open in passing, and what waits for a machine that has a bad moment, is above what stays: the least of a
    // block tells of that.
    ...kinds.map((kind) => {
      const points = pointsOf(samples, seconds, kind, besidesConnections);
      return { measure: `descriptors, ${kind}`, unit: '', points, limit: () => 5 };
    }),
    slower('latency p50', 'p50'),
    slower('latency p95', 'p95'),
    // Where a message costs more and more, traffic slows down, and latency may stay.
    slower('CPU per message', 'cpuMsPerMessage'),
  ];
  return series.map((each) => judgeOne(each, seconds));
}

/** @param seconds how long the run was */
function judgeOne({ measure, unit, points, limit, ...how }: Series, seconds: number): Judged {
  const { blocked = blocksOf(points, seconds / secondsPerHour / blocks), slopeThrough = slopeOf } = how;
  const middle = median(points.map((point) => point.value));
  const slope = seconds < leastSeconds ? undefined : slopeThrough(blocked);
  const allowed = limit(middle);
  return {
    measure,
    unit,
    limit: allowed,
    median: middle,
    slope: slope ?? null,
    finding: judge(slope, allowed),
  };
}

/** Connections come and go with the traffic; what is open and nobody knows of is a leak. */
function besidesConnections({ descriptors, connections }: ProcessSample): number | undefined {
  return connections === undefined ? undefined : descriptors - connections;
}

/** The samples of each process of a kind from when it has warmed up. */
function pointsOf(
  samples: readonly Sample[],
  seconds: number,
  kind: ProcessSample['kind'],
  of: (each: ProcessSample) => number | undefined,
): readonly Point[] {
  const born = new Map<number, number>();
  const youth = Math.max(seconds * warmUp, leastWarmUpSeconds);
  return samples.flatMap(({ at, processes }) =>
    processes.flatMap((each) => {
      const since = born.get(each.pid) ?? at;
      born.set(each.pid, since);
      const value = of(each);
      if (each.kind !== kind || at - since < youth || at > seconds || value === undefined) return [];
      return [{ group: String(each.pid), at: at / secondsPerHour, value }];
    }),
  );
}
