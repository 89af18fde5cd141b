// The goals of memory: many large messages at once, ten thousand connections that do nothing, and cost that grows with size.
import { setTimeout as wait } from 'node:timers/promises';
import { longestPauses, watchEventLoop } from '../site/event-loop.ts';
import { type Size, sizes } from '../site/material.ts';
import { Postern } from '../site/postern.ts';
import type { Site } from '../site/site.ts';
import { startWarm, wayThrough } from '../site/warm.ts';
import { median, medianRatio } from '../statistics.ts';
import { atMost, type Goal } from './goal.ts';
import { inTurn, type Measuring, times } from './measuring.ts';

const largeAtOnce = 50;
const idleConnections = 10_000;
const everySize: readonly Size[] = ['1KB', '10KB', '100KB', '1MB', '10MB', '25MB', '50MB'];
const sampleMs = 50;
/** Of the largest, a few pass in two seconds. */
const longer = 2;
/** What the machine does meanwhile makes more of a difference than two classes: many rounds. */
const oftener = 3;
const leadInSeconds = 0.5;
/** Until garbage and timers have settled. */
const settleMs = 2000;
/** Between one class and the next: what noise makes of equal costs. */
const tolerance = 1.05;

const megabytes = (value: number) => `${(value / 1e6).toFixed(0)} MB`;
const milliseconds = (value: number) => `${value.toFixed(0)} ms`;

/** 50 connections each sending 25 MB at once. */
export async function manyLarge(site: Site): Promise<readonly Goal[]> {
  await using postern = await startWarm(site, { checks: 'all', warmUp: 'short', watched: true });
  const way = wayThrough(postern);
  // The first large message makes buffers that stay.
  await site.measure(way, { size: '25MB', connections: 1, mode: 'after', count: 2 });
  await wait(settleMs);
  using _ = watchEventLoop(postern.directory);
  const before = postern.residentBytes;
  const begin = Date.now();
  let peak = before;
  const sampling = setInterval(() => {
    peak = Math.max(peak, postern.residentBytes);
  }, sampleMs);
  try {
    await site.measure(way, { size: '25MB', connections: largeAtOnce, mode: 'after', count: largeAtOnce });
  } finally {
    clearInterval(sampling);
  }
  const end = Date.now();
  const { ownMs, wallMs } = longestPauses(postern.directory, postern.pids, begin, end);
  // An idle process on the same machine shows how much of a pause is the machine's.
  const idle = longestPauses(postern.directory, [process.pid], begin, end);
  const clock = `by the clock ${milliseconds(wallMs)}, of an idle process ${milliseconds(idle.wallMs)}`;
  return [
    atMost('resident memory, 50 connections each sending 25 MB: growth', 100e6, peak - before, megabytes),
    atMost(`longest pause of the event loop meanwhile, its own work (${clock})`, 50, ownMs, milliseconds),
  ];
}

/** 10,000 idle upstream connections. */
export async function manyIdle(site: Site): Promise<Goal> {
  const { material, sinkPort: downstream } = site;
  // Not a warm one: the garbage of messages, given back meanwhile, would hide what connections take.
  await using postern = await Postern.start({
    material,
    downstream,
    checks: 'all',
    connections: idleConnections + 100,
  });
  const way = wayThrough(postern);
  const traffic = { size: '10KB', connections: idleConnections, mode: 'after' } as const;
  await site.measure(way, { ...traffic, connections: 50, count: 50 });
  await wait(settleMs);
  const before = postern.residentBytes;
  site.load.tell({ ...(await site.plan(way, traffic)), count: 0 });
  const { greeted } = await site.load.hear<{ greeted: number }>();
  await wait(settleMs);
  const each = (postern.residentBytes - before) / greeted;
  await site.load.ask('go');
  const kilobytes = (value: number) => `${(value / 1e3).toFixed(1)} KB`;
  const goal = atMost(`resident memory for each of ${greeted} idle connections`, 25e3, each, kilobytes);
  return { ...goal, met: goal.met && greeted === idleConnections };
}

/** What a class of sizes costs. */
export interface SizeCost {
  readonly size: Size;
  readonly cpuMs: number;
  readonly nsPerByte: number;
  readonly bareNsPerByte: number;
}

export interface Sizes {
  readonly costs: readonly SizeCost[];
  readonly goal: Goal;
}

/** Cost against size, 1 KB to 50 MB. */
export async function costOfSizes(site: Site, options: Measuring): Promise<Sizes> {
  const { rounds, warmUp } = options;
  await using postern = await startWarm(site, { checks: 'all', warmUp, manners: [{ mode: 'after' }] });
  const way = wayThrough(postern);
  const long = times(options, leadInSeconds, longer);
  /** In nanoseconds a byte. */
  const perByte = async (size: Size) => {
    const bare = await site.bare(size, long);
    const ours = await site.measure(way, { size, connections: 4, mode: 'after', ...long });
    return { ours: (ours.cpuMsPerMessage * 1e6) / sizes[size], bare: (bare.cpuMs * 1e6) / sizes[size] };
  };
  const found = await inTurn(
    warmUp === 'short' ? rounds : oftener * rounds,
    Object.fromEntries(everySize.map((size) => [size, () => perByte(size)])),
  );
  const measured = everySize.map((size) => {
    const each = found[size] ?? [];
    return { size, ours: each.map(({ ours }) => ours), bare: each.map(({ bare }) => bare) };
  });
  const costs = measured.map(({ size, ours, bare }) => ({
    size,
    cpuMs: (median(ours) * sizes[size]) / 1e6,
    nsPerByte: median(ours),
    bareNsPerByte: median(bare),
  }));
  // Of each round by itself, like all ratios: minutes apart, equal costs differ by a third.
  const steps = measured.slice(1).map(({ ours }, i) => medianRatio(ours, measured[i]?.ours ?? []));
  const describe = (value: number) => `${value.toFixed(2)} × the class below`;
  const goal = atMost('CPU per byte, 1 KB to 50 MB: the worst step', tolerance, Math.max(...steps), describe);
  return { costs, goal };
}
