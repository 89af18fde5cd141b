// The large table: every size with every concurrency, with and without checks, before and after the queue, beside the yardsticks.
import { type Size, sizes } from '../site/material.ts';
import type { Mode } from '../site/postern.ts';
import type { Bare, Measured, Site, Way } from '../site/site.ts';
import { startWarm, wayThrough } from '../site/warm.ts';
import { median, medianRatio } from '../statistics.ts';
import { type Measuring, times } from './measuring.ts';

export interface MatrixOptions extends Measuring {
  readonly sizes: readonly Size[];
  readonly connections: readonly number[];
  readonly progress: (text: string) => void;
}

/** A row of the table. */
export interface Cell {
  readonly size: Size;
  readonly connections: number;
  readonly mode: Mode;
  readonly way: 'straight' | 'relay' | 'pass' | 'all';
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Of Postern or the relay alone. */
  readonly cpuMs: number;
  readonly residentMB: number;
  /** CPU per message against the relay's, and against a bare call of authenticate(). */
  readonly cpuToRelay: number;
  readonly cpuToBare: number;
  /** Messages per second against straight into the sink. */
  readonly throughputToStraight: number;
}

const ways = ['straight', 'relay', 'pass', 'all'] as const;
const modes = ['after', 'before'] as const;
/** More than this at work at the same time is measured once. */
const heavyBytes = 200e6;
/** Before each measurement, of all but the heaviest. */
const leadInSeconds = 0.3;

type Slice = Readonly<Record<(typeof ways)[number], Measured>>;

/** @returns the cells, in the order of the table */
export async function runMatrix(site: Site, options: MatrixOptions): Promise<readonly Cell[]> {
  const { warmUp } = options;
  await using pass = await startWarm(site, { checks: 'pass', warmUp });
  await using all = await startWarm(site, { checks: 'all', warmUp });
  const through: Record<(typeof ways)[number], Way> = {
    ...site.yardsticks,
    pass: wayThrough(pass),
    all: wayThrough(all),
  };
  const cells: Cell[] = [];
  for (const size of options.sizes) {
    for (const connections of options.connections) {
      const heavy = sizes[size] * connections > heavyBytes;
      const rounds = heavy ? 1 : options.rounds;
      const long = times(options, heavy ? 0 : leadInSeconds);
      const bare: Bare[] = [];
      const slices: Record<Mode, Slice[]> = { after: [], before: [] };
      // Side by side, round by round: what disturbs the machine disturbs all of them.
      for (let round = 0; round < rounds; round++) {
        bare.push(await site.bare(size, long));
        for (const mode of modes) {
          const slice: Partial<Record<(typeof ways)[number], Measured>> = {};
          for (const way of ways) {
            slice[way] = await site.measure(through[way], { size, connections, mode, ...long });
          }
          slices[mode].push(slice as Slice);
        }
      }
      for (const mode of modes) {
        for (const way of ways) cells.push(summarize({ size, connections, mode, way }, slices[mode], bare));
      }
      options.progress(`${size} × ${connections}`);
    }
  }
  return cells;
}

function summarize(
  key: Pick<Cell, 'size' | 'connections' | 'mode' | 'way'>,
  slices: readonly Slice[],
  bare: readonly Bare[],
): Cell {
  const of = (way: Cell['way'], value: (measured: Measured) => number) =>
    slices.map((slice) => value(slice[way]));
  const ours = (value: (measured: Measured) => number) => of(key.way, value);
  const cpu = (measured: Measured) => measured.cpuMsPerMessage;
  return {
    ...key,
    perSecond: median(ours((each) => each.perSecond)),
    megabytesPerSecond: median(ours((each) => each.bytesPerSecond)) / 1e6,
    p50: median(ours((each) => each.latencyMs.p50)),
    p95: median(ours((each) => each.latencyMs.p95)),
    p99: median(ours((each) => each.latencyMs.p99)),
    cpuMs: median(ours(cpu)),
    residentMB: median(ours((each) => each.residentBytes)) / 1e6,
    cpuToRelay: medianRatio(ours(cpu), of('relay', cpu)),
    cpuToBare: medianRatio(
      ours(cpu),
      bare.map(({ cpuMs }) => cpuMs),
    ),
    throughputToStraight: medianRatio(
      ours((each) => each.perSecond),
      of('straight', (each) => each.perSecond),
    ),
  };
}
