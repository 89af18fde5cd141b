// Mistakes between keys: each of them is well written, but they do not go together.
import type { SocketAddress } from './configuration.ts';
import { destination, size, socketAddress, time } from './fields.ts';
import { type Mistake, show, valueAt } from './mistakes.ts';
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
    ...repeated(listeners, 'name', (name) => (typeof name === 'string' ? name : undefined)),
    ...repeated(listeners, 'listen', (listen) => fixedAddress(listen)),
    ...listeners.flatMap((listener, i) => [
      ...mixedProtocols(listener, i),
      ...ownDestination(listener, i),
      ...backwardBackoff(listener, i),
      ...socketOnTcp(listener, i),
    ]),
    ...smallSpool(value),
    ...withoutDmarc(value),
    ...unknownSubjects(valueAt(valueAt(value, 'policy'), 'rules'), ruleSubjects(value)).map(
      ({ path, text }) => ({ path: ['policy', 'rules', ...path], text }),
    ),
  ];
}

function repeated(
  listeners: readonly unknown[],
  key: string,
  read: (value: unknown) => string | undefined,
): Mistake[] {
  const seen = new Map<string, number>();
  return listeners.flatMap((listener, i): Mistake[] => {
    const value = valueAt(listener, key);
    const text = read(value);
    if (text === undefined) return [];
    const earlier = seen.get(text);
    if (earlier === undefined) seen.set(text, i);
    if (earlier === undefined) return [];
    const path = ['listeners', i, key];
    return [
      {
        path,
        text: `${show(value)} is that of listeners[${earlier}] too; expected one of its own`,
      },
    ];
  });
}

/** An address that only one socket can have, in one spelling; port 0 is another one each time. */
function fixedAddress(value: unknown): string | undefined {
  const { data } = socketAddress.safeParse(value);
  if (data === undefined || ('port' in data && data.port === 0)) return undefined;
  return addressKey(data);
}

function addressKey(address: SocketAddress): string {
  return 'path' in address ? address.path : `${address.host.toLowerCase()} ${address.port}`;
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

/** A destination that is the listener itself would send each message round until it has too many Received. */
function ownDestination(listener: unknown, i: number): Mistake[] {
  const own = fixedAddress(valueAt(listener, 'listen'));
  return listOf(valueAt(listener, 'destinations')).flatMap((item, k): Mistake[] => {
    const address = destination.safeParse(item).data?.address;
    if (address === undefined || addressKey(address) !== own) return [];
    const path = ['listeners', i, 'destinations', k];
    return [
      {
        path,
        text: `${show(item)} is this listener; expected the server that mail goes on to`,
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

function backwardBackoff(listener: unknown, i: number): Mistake[] {
  const pool = valueAt(listener, 'pool');
  const { data: first } = time().safeParse(valueAt(pool, 'backoff') ?? '1s');
  const { data: last } = time().safeParse(valueAt(pool, 'backoffMax') ?? '60s');
  if (first === undefined || last === undefined || first <= last) return [];
  const path = ['listeners', i, 'pool', 'backoff'];
  return [{ path, text: 'is longer than backoffMax; expected at most that' }];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
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
