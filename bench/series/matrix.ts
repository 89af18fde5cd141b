// The large table: every size with every concurrency, with and without checks, before and after the queue, beside the yardsticks.
import { type Size, sizes } from '../site/material.ts';
import type { Mode } from '../site/postern.ts';
import type { Bare, Measured, Site, Way } from '../site/site.ts';
import { startWarm, wayThrough } from '../site/warm.ts';
import { median, medianRatio, sum } from '../statistics.ts';
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
  /** Undefined: a bare call, which knows no queue. */
  readonly mode: Mode | undefined;
  readonly way: (typeof ways)[number] | 'bare';
  /** Of all rounds together. */
  readonly messages: number;
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50: number;
  /** Undefined: a round had too few messages to have one. */
  readonly p95: number | undefined;
  readonly p99: number | undefined;
  /** Of Postern, the relay or the bare call alone; undefined where there is nothing but the load generator and the sink. */
  readonly cpuMs: number | undefined;
  /** At the end of a measurement, all processes together. */
  readonly residentMB: number | undefined;
  /** CPU per message against the relay's, and against a bare call of authenticate(). */
  readonly cpuToRelay: number | undefined;
  readonly cpuToBare: number | undefined;
  /** Messages per second against straight into the sink. */
  readonly throughputToStraight: number | undefined;
}

const ways = ['straight', 'relay', 'pass', 'all'] as const;
const modes = ['after', 'before', 'lmtp'] as const;
/** Once is enough to see what LMTP costs beside SMTP. */
const lmtpAt = { size: '10KB', connections: 32 };
/** More than this at work at the same time is measured once. */
const heavyBytes = 200e6;
/** With fewer messages a percentile is but the worst of them. */
const leastForP95 = 20;
const leastForP99 = 100;
/** Before each measurement, of all but the heaviest. */
const leadInSeconds = 0.3;

export type Slice = Readonly<Record<(typeof ways)[number], Measured>>;

/** @returns the cells, in the order of the table */
export async function runMatrix(site: Site, options: MatrixOptions): Promise<readonly Cell[]> {
  const { warmUp } = options;
  const modesOf = (size: Size, connections: number) =>
    modes.filter((mode) => mode !== 'lmtp' || (size === lmtpAt.size && connections === lmtpAt.connections));
  const everyMode = options.sizes.flatMap((size) =>
    options.connections.flatMap((count) => modesOf(size, count)),
  );
  const manners = modes.filter((mode) => everyMode.includes(mode)).map((mode) => ({ mode }));
  await using pass = await startWarm(site, { checks: 'pass', warmUp, manners });
  await using all = await startWarm(site, { checks: 'all', warmUp, manners });
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
      const slices: Record<Mode, Slice[]> = { after: [], before: [], lmtp: [] };
      // Side by side, round by round: what disturbs the machine disturbs all of them.
      for (let round = 0; round < rounds; round++) {
        bare.push(await site.bare(size, long));
        for (const mode of modesOf(size, connections)) {
          const slice: Partial<Record<(typeof ways)[number], Measured>> = {};
          for (const way of ways) {
            slice[way] = await site.measure(through[way], { size, connections, mode, ...long });
          }
          slices[mode].push(slice as Slice);
        }
      }
      cells.push(summarizeBare({ size, connections }, bare));
      for (const mode of modesOf(size, connections)) {
        for (const way of ways) cells.push(summarize({ size, connections, mode, way }, slices[mode], bare));
      }
      options.progress(`${size} × ${connections}`);
    }
  }
  return cells;
}

type Place = Pick<Cell, 'size' | 'connections'>;

/** @param slices of each round */
export function summarize(
  key: Place & { readonly mode: Mode; readonly way: (typeof ways)[number] },
  slices: readonly Slice[],
  bare: readonly Bare[],
): Cell {
  const of = (way: (typeof ways)[number], value: (measured: Measured) => number) =>
    slices.map((slice) => value(slice[way]));
  const ours = (value: (measured: Measured) => number) => of(key.way, value);
  const cpu = (measured: Measured) => measured.cpuMsPerMessage;
  const perSecond = (measured: Measured) => measured.perSecond;
  const messages = ours((each) => each.messages);
  const alone = key.way !== 'straight';
  return {
    ...key,
    messages: sum(messages, Number),
    perSecond: median(ours(perSecond)),
    megabytesPerSecond: median(ours((each) => each.bytesPerSecond)) / 1e6,
    p50: median(ours((each) => each.latencyMs.p50)),
    p95: enough(messages, leastForP95) ? median(ours((each) => each.latencyMs.p95)) : undefined,
    p99: enough(messages, leastForP99) ? median(ours((each) => each.latencyMs.p99)) : undefined,
    cpuMs: alone ? median(ours(cpu)) : undefined,
    residentMB: alone ? median(ours((each) => each.residentBytes)) / 1e6 : undefined,
    cpuToRelay: alone ? medianRatio(ours(cpu), of('relay', cpu)) : undefined,
    cpuToBare: alone
      ? medianRatio(
          ours(cpu),
          bare.map(({ cpuMs }) => cpuMs),
        )
      : undefined,
    throughputToStraight: medianRatio(ours(perSecond), of('straight', perSecond)),
  };
}

export function summarizeBare(key: Place, bare: readonly Bare[]): Cell {
  const calls = bare.map((each) => each.calls);
  const perSecond = median(bare.map(({ wallMs }) => 1000 / wallMs));
  return {
    ...key,
    mode: undefined,
    way: 'bare',
    messages: sum(calls, Number),
    perSecond,
    megabytesPerSecond: (perSecond * sizes[key.size]) / 1e6,
    p50: median(bare.map(({ p50Ms }) => p50Ms)),
    p95: enough(calls, leastForP95) ? median(bare.map(({ p95Ms }) => p95Ms)) : undefined,
    p99: enough(calls, leastForP99) ? median(bare.map(({ p99Ms }) => p99Ms)) : undefined,
    cpuMs: median(bare.map(({ cpuMs }) => cpuMs)),
    residentMB: undefined,
    cpuToRelay: undefined,
    cpuToBare: 1,
    throughputToStraight: undefined,
  };
}

/** Whether each round had so many messages. */
function enough(messages: readonly number[], least: number): boolean {
  return Math.min(...messages) >= least;
}
