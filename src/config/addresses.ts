// Addresses that do not go together: two that cannot be bound side by side, and destinations that lead back.
import { isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { inHexadecimal } from '../smtp/networks.ts';
import type { SocketAddress } from './configuration.ts';
import { destination, socketAddress } from './fields.ts';
import { httpAddress } from './http.ts';
import { listOf, type Mistake, show, valueAt } from './mistakes.ts';

/**
 * Both kinds of mistakes.
 *
 * @param listeners before they are checked; what is not well written is passed over
 * @param http the key `http`, likewise
 */
export function addressMistakes(listeners: readonly unknown[], http: unknown): Mistake[] {
  const doors = doorsOf(listeners);
  const near = doorsByPort(doors);
  return [...sharedAddresses(listeners, http, doors, near), ...loops(listeners, doors, near)];
}

/** What the system gives to one socket only, and is wanted for two. */
function sharedAddresses(listeners: readonly unknown[], http: unknown, doors: Doors, near: Near): Mistake[] {
  const mistakes = listeners.flatMap((listener, i): Mistake[] => {
    const door = doors[i];
    const earlier = door && near(door).find((other) => other < i && clash(door, doors[other]));
    if (earlier === undefined) return [];
    const text = `${takes(valueAt(listener, 'listen'), listeners, earlier)}; expected one of its own`;
    return [{ path: ['listeners', i, 'listen'], text }];
  });
  const own = httpAddress(http);
  const door = own && fixed(own);
  const taken = door && near(door).find((other) => clash(door, doors[other]));
  if (taken === undefined) return mistakes;
  const text = `${takes(`${own?.host}:${own?.port}`, listeners, taken)}; expected another one, or false`;
  return [...mistakes, { path: ['http'], text }];
}

function takes(value: unknown, listeners: readonly unknown[], earlier: number): string {
  const other = valueAt(listeners[earlier], 'listen');
  const spelled = value === other ? '' : `, ${show(other)},`;
  return `${show(value)} is that of listeners[${earlier}]${spelled} too`;
}

/**
 * Destinations that are the listener itself, or another one whose mail comes back to it: each message would go
 * round until it has too many Received fields (RFC 5321 §6.3). Of each loop, one destination is told.
 */
function loops(listeners: readonly unknown[], doors: Doors, near: Near): Mistake[] {
  const mistakes: Mistake[] = [];
  const seen = new Set<number>();
  const way = new Set<number>();
  const follow = (i: number): void => {
    seen.add(i);
    way.add(i);
    for (const [k, item] of listOf(valueAt(listeners[i], 'destinations')).entries()) {
      const parsed = destination.safeParse(item).data?.address;
      const address = parsed && fixed(parsed);
      if (!address) continue;
      const next = leadsTo(address, doors[i])
        ? i
        : near(address).find((other) => leadsTo(address, doors[other]));
      if (next === undefined) continue;
      if (!seen.has(next)) follow(next);
      else if (way.has(next)) {
        const which = next === i ? 'this listener' : `listeners[${next}], from where mail comes back here`;
        const text = `${show(item)} is ${which}; expected the server that mail goes on to`;
        mistakes.push({ path: ['listeners', i, 'destinations', k], text });
      }
    }
    way.delete(i);
  };
  for (const i of listeners.keys()) if (!seen.has(i)) follow(i);
  return mistakes;
}

/** Where each listener listens. */
type Doors = readonly (SocketAddress | undefined)[];
/** Which of them have an address's port, or its path: only they can be the same. */
type Near = (address: SocketAddress) => readonly number[];

function doorsOf(listeners: readonly unknown[]): Doors {
  return listeners.map((listener) => {
    const { data } = socketAddress.safeParse(valueAt(listener, 'listen'));
    return data && fixed(data);
  });
}

function doorsByPort(doors: Doors): Near {
  const key = (address: SocketAddress) => ('path' in address ? address.path : address.port);
  const groups = Map.groupBy(doors.keys(), (i) => {
    const door = doors[i];
    return door && key(door);
  });
  return (address) => groups.get(key(address)) ?? [];
}

/** An address in one spelling; undefined for port 0, which is another one each time. */
function fixed(address: SocketAddress): SocketAddress | undefined {
  if ('path' in address) return address;
  const { host, port } = address;
  if (port === 0) return undefined;
  // An IPv4 address in its IPv6 form is the IPv4 one (RFC 4291 §2.5.5.2).
  const known = isIP(host) === 0 ? host.toLowerCase().replace(/\.$/, '') : inHexadecimal(host);
  return { host: isIP(known) === 0 ? known : ipaddr.process(known).toNormalizedString(), port };
}

/** Whether only one of two can be bound. Which family `localhost` is of, the host says: nobody is blamed for it. */
function clash(one: SocketAddress, other: SocketAddress | undefined): boolean {
  if (!other) return false;
  if ('path' in one || 'path' in other) return samePath(one, other);
  const [a, b] = [one.host, other.host];
  return one.port === other.port && (a === b || isWithin(a, b) || isWithin(b, a));
}

/** Whether who connects to an address may come to a listener. */
function leadsTo(address: SocketAddress, door: SocketAddress | undefined): boolean {
  if (!door) return false;
  if ('path' in address || 'path' in door) return samePath(address, door);
  if (address.port !== door.port) return false;
  const listening = hostsOf(door.host);
  // Which other addresses are this machine's, only it knows.
  return hostsOf(address.host).some(
    (host) => listening.includes(host) || (isLoopback(host) && isWithin(host, door.host)),
  );
}

function samePath(one: SocketAddress, other: SocketAddress): boolean {
  return 'path' in one && 'path' in other && one.path === other.path;
}

const [anyIPv4, anyAddress] = ['0.0.0.0', '0:0:0:0:0:0:0:0'];
const [loopback, loopbackIPv6] = ['127.0.0.1', '0:0:0:0:0:0:0:1'];

/** Whether a socket on all addresses has this one too. That of IPv6 takes both families, as Node.js binds it. */
function isWithin(host: string, all: string): boolean {
  return all === anyIPv4 ? isIPv4(host) : all === anyAddress && (isIP(host) !== 0 || host === 'localhost');
}

/** What a host stands for; who connects to all addresses comes to loopback. */
function hostsOf(host: string): readonly string[] {
  if (host === 'localhost') return [loopback, loopbackIPv6];
  if (host === anyIPv4) return [loopback];
  return host === anyAddress ? [loopbackIPv6] : [host];
}

function isLoopback(host: string): boolean {
  return host === loopbackIPv6 || (isIPv4(host) && host.startsWith('127.'));
}
