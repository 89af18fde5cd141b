// The goals of speed: what a message costs against what it costs without Postern around it, in the same minute.
import type { Bare, Measured, Site, Traffic, Way } from '../site/site.ts';
import { startWarm, type WarmUp, wayThrough } from '../site/warm.ts';
import { median, medianRatio } from '../statistics.ts';
import { atLeast, atMost, type Goal } from './goal.ts';

export interface GoalOptions {
  /** Of each measurement. */
  readonly seconds: number;
  /** How often all that is compared is measured in turn. */
  readonly rounds: number;
  readonly warmUp: WarmUp;
  readonly progress: (text: string) => void;
}

/** What a connection, or a service that had a rest, costs at its beginning is a matter of the matrix, not of the goals. */
const longer = 4;
const times = (value: number) => `${value.toFixed(2)} ×`;
const cpu = (each: Measured) => each.cpuMsPerMessage;
const busy: Omit<Traffic, 'seconds'> = { size: '10KB', connections: 32, mode: 'after' };
const stepByStep: Omit<Traffic, 'seconds'> = { ...busy, pipelining: false };
const alone: Omit<Traffic, 'seconds'> = { ...busy, connections: 1 };
const large: Omit<Traffic, 'seconds'> = { ...busy, size: '25MB', connections: 8 };

export async function speedGoals(site: Site, options: GoalOptions): Promise<readonly Goal[]> {
  const { straight, relay } = site.yardsticks;
  const { warmUp } = options;
  await using pass = await startWarm(site, { checks: 'pass', warmUp, manners: [busy, stepByStep] });
  const checking = { checks: 'all', warmUp, manners: [busy] } as const;
  await using all = await startWarm(site, checking);
  await using every = await startWarm(site, { ...checking, workers: 'auto' });
  const small = await inTurn(site, options, '10KB', {
    relay: [relay, stepByStep],
    pass: [wayThrough(pass), stepByStep],
    relayPipelined: [relay, busy],
    passPipelined: [wayThrough(pass), busy],
    all: [wayThrough(all), busy],
    every: [wayThrough(every), busy],
    straightAlone: [straight, alone],
    allAlone: [wayThrough(all), alone],
  });
  options.progress('10KB');
  const heavy = await inTurn(site, options, '25MB', { all: [wayThrough(all), large] });
  options.progress('25MB');
  const added = small.allAlone.map(
    ({ latencyMs }, i) => latencyMs.p50 - (small.straightAlone[i]?.latencyMs.p50 ?? Number.NaN),
  );
  const perSecond = (bare: readonly Bare[]) => bare.map(({ wallMs }) => 1000 / wallMs);
  const of = (what: string) => (value: number) => `${times(value)} ${what}`;
  return [
    atMost(
      `CPU per message, all checks, 32 connections (median ${ms(median(small.all.map(cpu)))})`,
      1.1,
      medianRatio(
        small.all.map(cpu),
        small.bare.map(({ cpuMs }) => cpuMs),
      ),
      of(`a bare call (${ms(median(small.bare.map(({ cpuMs }) => cpuMs)))})`),
    ),
    atLeast(
      'throughput, all checks, 32 connections, a worker per core',
      1.4,
      medianRatio(
        small.every.map((each) => each.perSecond),
        perSecond(small.bare),
      ),
      of(`one core's bare calls (${median(perSecond(small.bare)).toFixed(0)}/s)`),
    ),
    passGoal('command by command', small.pass, small.relay),
    passGoal('pipelined', small.passPipelined, small.relayPipelined),
    atMost(
      `added p50 latency, all checks, 1 connection (median ${ms(median(added))})`,
      1.5,
      medianRatio(
        added,
        small.bare.map(({ p50Ms }) => p50Ms),
      ),
      of(`a bare call (${ms(median(small.bare.map(({ p50Ms }) => p50Ms)))})`),
    ),
    atLeast(
      'bytes/s, 25 MB messages, all checks, 8 connections',
      0.8,
      medianRatio(
        heavy.all.map(({ perSecond: messages }) => messages),
        perSecond(heavy.bare),
      ),
      of(`a bare call's (${((median(perSecond(heavy.bare)) * 25e6) / 1e6).toFixed(0)} MB/s)`),
    ),
  ];
}

/** A relay does the less for a message the fewer pieces it comes in, so that both manners are compared. */
function passGoal(manner: string, pass: readonly Measured[], relay: readonly Measured[]): Goal {
  return atMost(
    `CPU per message, no checks, 32 connections, ${manner} (median ${ms(median(pass.map(cpu)))})`,
    1.5,
    medianRatio(pass.map(cpu), relay.map(cpu)),
    (value) => `${times(value)} the fewest-lines relay (${ms(median(relay.map(cpu)))})`,
  );
}

const ms = (value: number) => `${value.toFixed(2)} ms`;

/** Measures all of them, and a bare call, round by round, each after a run that does not count. */
async function inTurn<Name extends string>(
  site: Site,
  { seconds, rounds, warmUp }: GoalOptions,
  size: Traffic['size'],
  what: Readonly<Record<Name, readonly [way: Way, traffic: Omit<Traffic, 'seconds'>]>>,
): Promise<Readonly<Record<Name, readonly Measured[]>> & { readonly bare: readonly Bare[] }> {
  const bare: Bare[] = [];
  const names = Object.keys(what) as Name[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as Measured[]])) as Record<
    Name,
    Measured[]
  >;
  const times =
    warmUp === 'short' ? { seconds } : { seconds: longer * seconds, leadInSeconds: longer * seconds };
  for (let round = 0; round < rounds; round++) {
    bare.push(await site.bare(size, times.seconds, times.leadInSeconds));
    for (const name of names) {
      const [way, traffic] = what[name];
      measured[name].push(await site.measure(way, { ...traffic, ...times }));
    }
  }
  return { ...measured, bare };
}
