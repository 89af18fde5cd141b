// Names from a real name server on loopback: with everything cached, and with nothing ever cached.
import { Child } from '../site/child.ts';
import type { Site } from '../site/site.ts';
import { startWarm, wayThrough } from '../site/warm.ts';
import { median, medianRatio } from '../statistics.ts';
import { inTurn, type Measuring, times } from './measuring.ts';

export interface DnsCell {
  readonly names: 'zone file' | 'name server, warm' | 'name server, cold';
  readonly connections: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMs: number;
  /** CPU per message against a bare call of authenticate() with the zone file. */
  readonly cpuToBare: number;
}

const size = '10KB';
const mode = 'after';
const leadInSeconds = 0.5;

/** @returns a row for each kind of names and each concurrency */
export async function runDns(
  site: Site,
  options: Measuring & { readonly connections: readonly number[] },
): Promise<readonly DnsCell[]> {
  await using server = new Child('yardsticks/name-server.ts', site.material.zoneFile);
  const { address } = await server.hear<{ address: string }>();
  const servers = [address];
  const plan = { checks: 'all', warmUp: options.warmUp, manners: [{ mode }] } as const;
  await using zone = await startWarm(site, plan);
  await using warm = await startWarm(site, { ...plan, dns: { servers } });
  // An answer that is kept for no longer than it takes to read it is asked for by every message.
  await using cold = await startWarm(site, {
    ...plan,
    dns: { servers, cache: { maxAge: '1ms', failureAge: '1ms' } },
  });
  const ways = {
    'zone file': wayThrough(zone),
    'name server, warm': wayThrough(warm),
    'name server, cold': wayThrough(cold),
  };
  const cells: DnsCell[] = [];
  const long = times(options, leadInSeconds);
  for (const connections of options.connections) {
    const through = (names: DnsCell['names']) => () =>
      site.measure(ways[names], { size, connections, mode, ...long });
    const { bare, ...measured } = await inTurn(options.rounds, {
      bare: () => site.bare(size, long),
      'zone file': through('zone file'),
      'name server, warm': through('name server, warm'),
      'name server, cold': through('name server, cold'),
    });
    const bareCpu = bare.map(({ cpuMs }) => cpuMs);
    for (const names of Object.keys(ways) as DnsCell['names'][]) {
      const all = measured[names];
      const cpu = all.map((each) => each.cpuMsPerMessage);
      cells.push({
        names,
        connections,
        perSecond: median(all.map((each) => each.perSecond)),
        p50: median(all.map((each) => each.latencyMs.p50)),
        p99: median(all.map((each) => each.latencyMs.p99)),
        cpuMs: median(cpu),
        cpuToBare: medianRatio(cpu, bareCpu),
      });
    }
  }
  return cells;
}
