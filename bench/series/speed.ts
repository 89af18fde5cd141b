// The goals of speed: what a message costs against what it costs without Postern around it, in the same minute.
import type { Bare, Measured, Site, Times, Traffic } from '../site/site.ts';
import { startWarm, wayThrough } from '../site/warm.ts';
import { median, medianRatio } from '../statistics.ts';
import { atLeast, atMost, type Goal } from './goal.ts';
import { inTurn, type Measuring, times } from './measuring.ts';

export interface GoalOptions extends Measuring {
  readonly progress: (text: string) => void;
}

/** What a connection, or a service that had a rest, costs at its beginning is a matter of the matrix, not of the goals. */
const longer = 4;
const factor = (value: number) => `${value.toFixed(2)} ×`;
const cpu = (each: Measured) => each.cpuMsPerMessage;
const perSecond = (each: Measured) => each.perSecond;
const callsPerSecond = (bare: readonly Bare[]) => bare.map(({ wallMs }) => 1000 / wallMs);
const of = (what: string) => (value: number) => `${factor(value)} ${what}`;
type Manner = Omit<Traffic, 'seconds'>;
const busy: Manner = { size: '10KB', connections: 32, mode: 'after' };
const stepByStep: Manner = { ...busy, pipelining: false };
const alone: Manner = { ...busy, connections: 1 };
const large: Manner = { ...busy, size: '25MB', connections: 8 };

/** One Postern at a time, as in production: several would rest by turns, and V8 gives up what they need when they do. */
export async function speedGoals(site: Site, options: GoalOptions): Promise<readonly Goal[]> {
  const passing = await passThrough(site, options);
  options.progress('no checks');
  const [burden, ...others] = await allChecks(site, options);
  options.progress('all checks');
  const throughput = await everyCore(site, options);
  options.progress('a worker per core');
  return [burden, throughput, ...passing, ...others];
}

async function passThrough(site: Site, options: GoalOptions): Promise<readonly Goal[]> {
  const { relay, proxy } = site.yardsticks;
  const { warmUp, rounds } = options;
  await using postern = await startWarm(site, { checks: 'pass', warmUp, manners: [busy, stepByStep] });
  const way = wayThrough(postern);
  const long = longTimes(options);
  const measured = await inTurn(rounds, {
    relay: () => site.measure(relay, { ...stepByStep, ...long }),
    proxy: () => site.measure(proxy, { ...stepByStep, ...long }),
    pass: () => site.measure(way, { ...stepByStep, ...long }),
    relayPipelined: () => site.measure(relay, { ...busy, ...long }),
    proxyPipelined: () => site.measure(proxy, { ...busy, ...long }),
    passPipelined: () => site.measure(way, { ...busy, ...long }),
  });
  return [
    passGoal('command by command', measured.pass, measured.relay, measured.proxy),
    passGoal('pipelined', measured.passPipelined, measured.relayPipelined, measured.proxyPipelined),
  ];
}

async function allChecks(site: Site, options: GoalOptions): Promise<readonly [Goal, ...Goal[]]> {
  const { straight } = site.yardsticks;
  const { warmUp, rounds } = options;
  await using postern = await startWarm(site, { checks: 'all', warmUp, manners: [busy] });
  const way = wayThrough(postern);
  const long = longTimes(options);
  const { bare, all, straightAlone, allAlone } = await inTurn(rounds, {
    bare: () => site.bare(busy.size, long),
    all: () => site.measure(way, { ...busy, ...long }),
    straightAlone: () => site.measure(straight, { ...alone, ...long }),
    allAlone: () => site.measure(way, { ...alone, ...long }),
  });
  const heavy = await inTurn(rounds, {
    bare: () => site.bare(large.size, long),
    all: () => site.measure(way, { ...large, ...long }),
  });
  const bareCpu = bare.map(({ cpuMs }) => cpuMs);
  const bareP50 = bare.map(({ p50Ms }) => p50Ms);
  const added = allAlone.map(
    ({ latencyMs }, i) => latencyMs.p50 - (straightAlone[i]?.latencyMs.p50 ?? Number.NaN),
  );
  return [
    atMost(
      `CPU per message, all checks, 32 connections (median ${ms(median(all.map(cpu)))})`,
      1.1,
      medianRatio(all.map(cpu), bareCpu),
      of(`a bare call (${ms(median(bareCpu))})`),
    ),
    atMost(
      `added p50 latency, all checks, 1 connection (median ${ms(median(added))})`,
      1.5,
      medianRatio(added, bareP50),
      of(`a bare call (${ms(median(bareP50))})`),
    ),
    atLeast(
      'bytes/s, 25 MB messages, all checks, 8 connections',
      0.8,
      medianRatio(heavy.all.map(perSecond), callsPerSecond(heavy.bare)),
      of(`a bare call's (${((median(callsPerSecond(heavy.bare)) * 25e6) / 1e6).toFixed(0)} MB/s)`),
    ),
  ];
}

async function everyCore(site: Site, options: GoalOptions): Promise<Goal> {
  const { warmUp, rounds } = options;
  await using postern = await startWarm(site, { checks: 'all', warmUp, manners: [busy], workers: 'auto' });
  const way = wayThrough(postern);
  const long = longTimes(options);
  const { bare, every } = await inTurn(rounds, {
    bare: () => site.bare(busy.size, long),
    every: () => site.measure(way, { ...busy, ...long }),
  });
  return atLeast(
    'throughput, all checks, 32 connections, a worker per core',
    1.4,
    medianRatio(every.map(perSecond), callsPerSecond(bare)),
    of(`one core's bare calls (${median(callsPerSecond(bare)).toFixed(0)}/s)`),
  );
}

/**
 * A relay does the less for a message the fewer pieces it comes in, so that both manners are compared. It understands
 * nothing: the proxy of the fewest lines shows what is left for everything that one does who does.
 */
function passGoal(
  manner: string,
  pass: readonly Measured[],
  relay: readonly Measured[],
  proxy: readonly Measured[],
): Goal {
  const toRelay = (way: readonly Measured[]) => medianRatio(way.map(cpu), relay.map(cpu));
  const least = `fewest-lines proxy ${factor(toRelay(proxy))}`;
  return atMost(
    `CPU per message, no checks, 32 connections, ${manner} (median ${ms(median(pass.map(cpu)))}; ${least})`,
    1.5,
    toRelay(pass),
    of(`the fewest-lines relay (${ms(median(relay.map(cpu)))})`),
  );
}

function longTimes(options: GoalOptions): Times {
  return times(options, longer * options.seconds, longer);
}

const ms = (value: number) => `${value.toFixed(2)} ms`;
