// Mistakes between keys: each of them is well written, but they do not go together.
import { addressMistakes } from './addresses.ts';
import { destination, size, socketAddress, time } from './fields.ts';
import { listOf, type Mistake, show, valueAt } from './mistakes.ts';
import { ruleSubjects, unknownSubjects } from './rules.ts';

/**
 * Looks for keys that contradict each other.
 *
 * @param value the configuration before it is checked, so that these mistakes are found together with
 *   all others; what is not well written is the schema's to complain about, and is passed over here
 */
export function contradictions(value: unknown): Mistake[] {
  const listeners = listOf(valueAt(value, 'listeners'));
  return [
    ...repeatedNames(listeners),
    ...addressMistakes(listeners, valueAt(value, 'http')),
    ...listeners.flatMap((listener, i) => [
      ...mixedProtocols(listener, i),
      ...backwardBackoff(listener, i),
      ...socketOnTcp(listener, i),
    ]),
    ...smallSpool(value),
    ...withoutDmarc(value),
    ...withoutIdentity(value),
    ...withoutZone(value),
    ...unknownSubjects(valueAt(valueAt(value, 'policy'), 'rules'), ruleSubjects(value)).map(
      ({ path, text }) => ({ path: ['policy', 'rules', ...path], text }),
    ),
  ];
}

function repeatedNames(listeners: readonly unknown[]): Mistake[] {
  const seen = new Map<string, number>();
  return listeners.flatMap((listener, i): Mistake[] => {
    const name = valueAt(listener, 'name');
    if (typeof name !== 'string') return [];
    const earlier = seen.get(name);
    if (earlier === undefined) {
      seen.set(name, i);
      return [];
    }
    const text = `${show(name)} is that of listeners[${earlier}] too; expected one of its own`;
    return [{ path: ['listeners', i, 'name'], text }];
  });
}

function mixedProtocols(listener: unknown, i: number): Mistake[] {
  const parsed = listOf(valueAt(listener, 'destinations')).map((item) => destination.safeParse(item).data);
  const first = parsed.find((item) => item !== undefined);
  return parsed.flatMap((item, k): Mistake[] => {
    if (item === undefined || item.protocol === first?.protocol) return [];
    const path = ['listeners', i, 'destinations', k];
    const expected = `all of one protocol, ${first?.protocol.toUpperCase()} as the first`;
    return [
      {
        path,
        text: `${show(item.text)} speaks ${item.protocol.toUpperCase()}; expected ${expected}`,
      },
    ];
  });
}

/** What builds on the check dmarc does nothing without it. */
function withoutDmarc(value: unknown): Mistake[] {
  const checks = valueAt(value, 'checks');
  if (valueAt(checks, 'dmarc') !== false) return [];
  const wanted = valueAt(valueAt(value, 'policy'), 'dmarc') ?? 'annotate';
  const bimi = valueAt(checks, 'bimi') ?? false;
  return [
    ...(wanted === 'annotate' ? [] : [{ path: ['policy', 'dmarc'], text: `${show(wanted)} ${needsDmarc}` }]),
    ...(bimi === false ? [] : [{ path: ['checks', 'bimi'], text: needsDmarc }]),
  ];
}

const needsDmarc = 'does nothing while checks.dmarc is false; expected the check to be switched on';

/**
 * DMARC passes by SPF or by DKIM (RFC 9989 §4.4). With neither, it fails for every message, those of the
 * author's own domain included. One of them is enough, as where SPF cannot be had.
 */
function withoutIdentity(value: unknown): Mistake[] {
  const checks = valueAt(value, 'checks');
  const off = (name: string) => valueAt(checks, name) === false;
  const wanted = valueAt(valueAt(value, 'policy'), 'dmarc') ?? 'annotate';
  if (wanted === 'annotate' || off('dmarc') || !off('spf') || !off('dkim')) return [];
  const text = `${show(wanted)} would meet every message of a domain that asks for it while checks.spf and checks.dkim are false; expected one of them to be switched on`;
  return [{ path: ['policy', 'dmarc'], text }];
}

/** Every name would be said not to exist. */
function withoutZone(value: unknown): Mistake[] {
  const dns = valueAt(value, 'dns');
  if (valueAt(dns, 'zoneOnly') !== true || valueAt(dns, 'zone') !== undefined) return [];
  const text = 'leaves no name that exists while dns.zone is not set; expected a zone file there, or false';
  return [{ path: ['dns', 'zoneOnly'], text }];
}

function backwardBackoff(listener: unknown, i: number): Mistake[] {
  const pool = valueAt(listener, 'pool');
  const { data: first } = time().safeParse(valueAt(pool, 'backoff') ?? '1s');
  const { data: last } = time().safeParse(valueAt(pool, 'backoffMax') ?? '60s');
  if (first === undefined || last === undefined || first <= last) return [];
  const path = ['listeners', i, 'pool', 'backoff'];
  return [{ path, text: 'is longer than backoffMax; expected at most that' }];
}

/** Permissions mean something for a UNIX socket only; whoever writes them elsewhere is mistaken about who may connect. */
function socketOnTcp(listener: unknown, i: number): Mistake[] {
  const { data } = socketAddress.safeParse(valueAt(listener, 'listen'));
  if (data === undefined || 'path' in data || valueAt(listener, 'socket') === undefined) return [];
  const text = 'only a UNIX socket has an owner and a mode; expected listen: unix:/path, or no socket';
  return [{ path: ['listeners', i, 'socket'], text }];
}

/** No message of the largest size could ever pass. */
function smallSpool(value: unknown): Mistake[] {
  const spool = valueAt(value, 'spool');
  const limit = size().safeParse(valueAt(spool, 'limit')).data;
  const largest = size().safeParse(valueAt(spool, 'messageLimit') ?? '50MiB').data;
  if (limit === undefined || largest === undefined || limit >= largest) return [];
  const text = `${show(valueAt(spool, 'limit'))} is less than spool.messageLimit; expected at least as much`;
  return [{ path: ['spool', 'limit'], text }];
}
