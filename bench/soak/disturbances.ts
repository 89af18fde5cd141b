// What goes wrong when: the same troubles in each cycle, so that every part of a soak has its share of them.
import { setTimeout as wait } from 'node:timers/promises';
import type { Child } from '../site/child.ts';
import type { Service } from './service.ts';
import type { SoakSink } from './sinks.ts';

/** Whom it happens to. */
export interface Victims {
  readonly service: Service;
  readonly smtp: SoakSink;
  readonly lmtp: SoakSink;
  readonly names: Child;
}

/** How often each thing was done. */
export type Deeds = Record<
  | 'slow sink'
  | 'slow names'
  | 'failing names'
  | 'downstream restart'
  | 'worker killed'
  | 'mistaken reload'
  | 'reload',
  number
>;

/** In a soak; fewer where a cycle would be too short. */
const cycles = 40;
const leastCycleSeconds = 5;
/** Of the soak: reloads replace all workers, whose long life is what tells of leaks. */
const reloadsAt = [0.1, 0.25] as const;
const mostAwayMs = 1500;

/** Goes through the cycles for so many seconds; at the end all is well. */
export async function disturb(victims: Victims, seconds: number, signal: AbortSignal): Promise<Deeds> {
  const deeds: Deeds = {
    'slow sink': 0,
    'slow names': 0,
    'failing names': 0,
    'downstream restart': 0,
    'worker killed': 0,
    'mistaken reload': 0,
    reload: 0,
  };
  const count = Math.max(1, Math.min(cycles, Math.floor(seconds / leastCycleSeconds)));
  const reloads = reloadsAt.map((share) => Math.floor(share * count));
  try {
    for (let i = 0; i < count && !signal.aborted; i++) {
      await cycle(
        victims,
        deeds,
        { number: i, seconds: seconds / count, reloads: reloads.includes(i) },
        signal,
      );
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await victims.names.ask('calm');
  for (const sink of [victims.smtp, victims.lmtp]) await sink.slow(false);
  return deeds;
}

interface Cycle {
  readonly number: number;
  readonly seconds: number;
  readonly reloads: boolean;
}

async function cycle(
  { service, smtp, lmtp, names }: Victims,
  deeds: Deeds,
  { number, seconds, reloads }: Cycle,
  signal: AbortSignal,
): Promise<void> {
  const begun = performance.now();
  /** Until that part of the cycle. */
  const until = (part: number) =>
    wait(Math.max(0, begun + part * seconds * 1000 - performance.now()), undefined, { signal });
  const sink = number % 2 === 0 ? smtp : lmtp;
  await until(0.1);
  deeds['slow sink']++;
  await sink.slow(true);
  await until(0.14);
  await sink.slow(false);
  await until(0.3);
  deeds['slow names']++;
  await names.ask('slow');
  await until(0.34);
  await names.ask('calm');
  await until(0.45);
  deeds['failing names']++;
  await names.ask('fail');
  await until(0.48);
  await names.ask('calm');
  await until(0.6);
  deeds['downstream restart']++;
  await sink.restart(Math.min(mostAwayMs, seconds * 50));
  await until(0.8);
  if (reloads) {
    deeds.reload++;
    service.reload(false);
  } else if (number % 4 === 1) {
    deeds['worker killed']++;
    await service.killWorker();
  } else if (number % 4 === 3) {
    deeds['mistaken reload']++;
    service.reload(true);
  }
  await until(1);
}
