// What is measured is measured warm: its code is compiled and its connections have been used, as after weeks of service.
import { availableParallelism } from 'node:os';
import { Postern, type PosternPlan } from './postern.ts';
import { settle } from './settle.ts';
import type { SinkTotals, Site, Traffic, Way } from './site.ts';

/** Until CPU per message falls no more; or only some thousand messages, where speed is not what is asked for. */
export type WarmUp = 'settled' | 'short';
/** How the messages come. What is measured with one of these has to be warm for it. */
export type Manner = Pick<Traffic, 'mode' | 'pipelining'>;

export interface WarmPlan extends Omit<PosternPlan, 'material' | 'downstream'> {
  readonly warmUp: WarmUp;
  /** Default: after the queue and before it. */
  readonly manners?: readonly Manner[];
}

export const everyManner: readonly Manner[] = [
  { mode: 'after' },
  { mode: 'after', pipelining: false },
  { mode: 'before' },
];

const size = '10KB';
/** Of those that are not to settle: messages of each manner. */
const short = { size, connections: 8, count: 1500 } as const;
const thorough = { size, connections: 32 } as const;
/** V8 compiles what runs once for each message after some 3000 of them, and again after a wrong guess. */
const leastMessages = 15_000;
const passes = ['iprev=pass', 'spf=pass', 'dkim=pass', 'dmarc=pass'];

/** @throws {Error} when it finds of the messages something else than there is to be found */
export async function startWarm(site: Site, { warmUp, manners, ...plan }: WarmPlan): Promise<Postern> {
  const { material, sinkPort: downstream } = site;
  const { checks, workers = 1 } = plan;
  const postern = await Postern.start({ material, downstream, ...plan });
  try {
    const count = workers === 'auto' ? availableParallelism() : workers;
    await warm(site, wayThrough(postern), warmUp, manners ?? [{ mode: 'after' }, { mode: 'before' }], count);
    const { above } = await site.sink.ask<SinkTotals>('totals');
    if (checks === 'pass' && passes.some((result) => above.includes(result)))
      throw new Error(`checks that should be off: ${above}`);
    return postern;
  } catch (error) {
    await postern[Symbol.asyncDispose]();
    throw error;
  }
}

/** The yardsticks have to be as warm as what is measured with them. */
export async function warmYardsticks(site: Site): Promise<void> {
  const { relay, proxy } = site.yardsticks;
  await warm(site, relay, 'settled', everyManner, 1);
  await warm(
    site,
    proxy,
    'settled',
    everyManner.filter(({ mode }) => mode === 'after'),
    1,
  );
  await settle(leastMessages, async (seconds) => {
    const { calls, cpuMs } = await site.bare(size, { seconds });
    return { messages: calls, cpuMs };
  });
}

/** @param processes that share the messages, each of which compiles for itself */
async function warm(
  site: Site,
  way: Way,
  warmUp: WarmUp,
  manners: readonly Manner[],
  processes: number,
): Promise<void> {
  if (warmUp === 'short') {
    for (const manner of manners) await site.measure(way, { ...manner, ...short });
    return;
  }
  await settle(leastMessages * processes, async (seconds) => {
    let messages = 0;
    let cpuMs = 0;
    for (const manner of manners) {
      const traffic = { ...manner, ...thorough, seconds: seconds / manners.length };
      const measured = await site.measure(way, traffic);
      messages += measured.messages;
      cpuMs += measured.cpuMsPerMessage / manners.length;
    }
    return { messages, cpuMs };
  });
}

export function wayThrough(postern: Postern): Way {
  return {
    address: (mode) => postern.address(mode),
    results: postern.checks === 'all' ? passes : [],
    usage: () => ({ cpuMs: postern.cpuMs, residentBytes: postern.residentBytes }),
  };
}
