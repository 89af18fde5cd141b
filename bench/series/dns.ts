// Names from a real name server on loopback: with everything cached, and with nothing ever cached.
import { Child } from '../site/child.ts';
import type { Measured, Site, Times, Way } from '../site/site.ts';
import { startWarm, wayThrough } from '../site/warm.ts';
import { median, medianRatio } from '../statistics.ts';
import { inTurn, type Measuring, times } from './measuring.ts';

type Names = 'zone file' | 'name server, warm' | 'name server, cold';

export interface DnsCell {
  readonly names: Names;
  readonly connections: number;
  /** That the name server was asked, for each message. */
  readonly questions: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly cpuMs: number;
  /** CPU per message against a bare call of authenticate() with the zone file. */
  readonly cpuToBare: number;
  readonly residentMB: number;
}

const size = '10KB';
const mode = 'after';
const leadInSeconds = 0.5;
/** So that nothing is asked for again while it is measured, not even what does not exist. */
const warmCache = { maxAge: '1h', failureAge: '1h' };
export const noCache = { maxAge: '0s', failureAge: '0s' };

/** What the name server was asked in one measurement. */
export interface Asked {
  readonly names: Names;
  readonly connections: number;
  readonly messages: number;
  readonly questions: number;
}

/** @throws {Error} when names came from elsewhere than it is said: then the figures are those of something else */
export function proveNames({ names, connections, messages, questions }: Asked): void {
  const seen = `${names}, ${connections} connections: ${questions} questions for ${messages} messages`;
  // Messages at the same time share the answer to a question that is open.
  const least = connections === 1 ? messages : 1;
  if (names === 'name server, cold' ? questions < least : questions > 0) throw new Error(seen);
}

/**
 * One measurement, and what the name server was asked meanwhile.
 *
 * @throws {Error} as {@link proveNames}
 */
export async function measureAsked(
  site: Site,
  server: Child,
  way: Way,
  { names, connections }: Pick<Asked, 'names' | 'connections'>,
  { seconds, leadInSeconds }: Times,
): Promise<Measured & Asked> {
  const traffic = { size, connections, mode } as const;
  if (leadInSeconds !== undefined) await site.measure(way, { ...traffic, seconds: leadInSeconds });
  await server.ask('questions');
  const measured = await site.measure(way, { ...traffic, seconds });
  const { questions } = await server.ask<{ questions: number }>('questions');
  const asked = { ...measured, names, connections, questions };
  proveNames(asked);
  return asked;
}

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
  await using warm = await startWarm(site, { ...plan, dns: { servers, cache: warmCache } });
  await using cold = await startWarm(site, { ...plan, dns: { servers, cache: noCache } });
  const ways = {
    'zone file': wayThrough(zone),
    'name server, warm': wayThrough(warm),
    'name server, cold': wayThrough(cold),
  };
  const cells: DnsCell[] = [];
  const long = times(options, leadInSeconds);
  for (const connections of options.connections) {
    const through = (names: Names) => () =>
      measureAsked(site, server, ways[names], { names, connections }, long);
    const { bare, ...measured } = await inTurn(options.rounds, {
      bare: () => site.bare(size, long),
      'zone file': through('zone file'),
      'name server, warm': through('name server, warm'),
      'name server, cold': through('name server, cold'),
    });
    const bareCpu = bare.map(({ cpuMs }) => cpuMs);
    for (const names of Object.keys(ways) as Names[]) {
      const all = measured[names];
      const cpu = all.map((each) => each.cpuMsPerMessage);
      cells.push({
        names,
        connections,
        questions: median(all.map((each) => each.questions / each.messages)),
        perSecond: median(all.map((each) => each.perSecond)),
        p50: median(all.map((each) => each.latencyMs.p50)),
        p95: median(all.map((each) => each.latencyMs.p95)),
        p99: median(all.map((each) => each.latencyMs.p99)),
        cpuMs: median(cpu),
        cpuToBare: medianRatio(cpu, bareCpu),
        residentMB: median(all.map((each) => each.residentBytes)) / 1e6,
      });
    }
  }
  return cells;
}
