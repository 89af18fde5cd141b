// Postern when it has passed enough mail for its code to be compiled and its connections to be open.
import { Postern, type PosternPlan } from './postern.ts';
import type { SinkTotals, Site, Way } from './site.ts';

const messages = 1500;
const connections = 8;
const passes = ['iprev=pass', 'spf=pass', 'dkim=pass', 'dmarc=pass'];

/** @throws {Error} when it does not find of the messages what there is to be found */
export async function startWarm(
  site: Site,
  checks: 'all' | 'pass',
  more: Partial<PosternPlan> = {},
): Promise<Postern> {
  const { material, sinkPort: downstream } = site;
  const postern = await Postern.start({ material, downstream, checks, ...more });
  try {
    for (const mode of ['after', 'before'] as const) {
      await site.measure(wayThrough(postern), { size: '10KB', connections, mode, count: messages });
    }
    const { above } = await site.sink.ask<SinkTotals>('totals');
    const missing = passes.filter((result) => above.includes(result) !== (checks === 'all'));
    if (missing.length > 0) throw new Error(`unexpected results of ${missing}: ${above}`);
    return postern;
  } catch (error) {
    await postern[Symbol.asyncDispose]();
    throw error;
  }
}

export function wayThrough(postern: Postern): Way {
  return {
    address: (mode) => postern.address(mode),
    usage: () => ({ cpuMs: postern.cpuMs, residentBytes: postern.residentBytes }),
  };
}
