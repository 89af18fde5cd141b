// iprev: the client's address has a name, and the name has the address (RFC 8601 §3).
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { isTemporary } from '../../dns/resolver.ts';
import { type Check, strangersOnly } from '../check.ts';
import type { Result } from '../result.ts';

/** RFC 7208 §4.6.4 has the same limit: an address may have any number of names. */
const maxNames = 10;

export const iprev: Check<Record<never, never>> = {
  name: 'iprev',
  schema: z.strictObject({}),
  skippedFor: strangersOnly,

  async connect({ client, resolve }) {
    if (client.ip === undefined || !ipaddr.isValid(client.ip)) return [];
    const address = ipaddr.process(client.ip);
    const ip = address.toString();
    let names: string[];
    try {
      names = (await resolve(reverseName(address), 'PTR')).map(String).slice(0, maxNames);
    } catch (error) {
      // RFC 8601 §2.7.3: no name at all is a permerror, since nothing could be compared.
      if (isTemporary(error))
        return [result('temperror', ip, { reason: 'the address could not be looked up' })];
      return [result('permerror', ip, { reason: 'the address has no name' })];
    }
    const type = address.kind() === 'ipv4' ? 'A' : 'AAAA';
    const answers = await Promise.allSettled(names.map((name) => resolve(name, type)));
    const confirmed = names.find((_, i) => {
      const answer = answers[i];
      return answer?.status === 'fulfilled' && answer.value.some((each) => isSame(String(each), address));
    });
    if (confirmed !== undefined) return [result('pass', ip, { name: confirmed.replace(/\.$/, '') })];
    if (answers.some((answer) => answer.status === 'rejected' && isTemporary(answer.reason))) {
      return [result('temperror', ip, { reason: 'a name of the address could not be looked up' })];
    }
    if (answers.every((answer) => answer.status === 'rejected')) {
      return [result('permerror', ip, { reason: 'no name of the address has an address' })];
    }
    return [result('fail', ip, { reason: 'no name of the address has this address' })];
  },
};

function result(value: Result['value'], ip: string, found: { reason?: string; name?: string }): Result {
  return {
    method: 'iprev',
    value,
    ...(found.reason !== undefined && { reason: found.reason }),
    properties: [
      { ptype: 'policy', property: 'iprev', value: ip, ...(found.name && { comment: found.name }) },
    ],
  };
}

function isSame(text: string, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return ipaddr.isValid(text) && ipaddr.process(text).toNormalizedString() === address.toNormalizedString();
}

/** RFC 1035 §3.5 and RFC 3596 §2.5. */
function reverseName(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  const bytes = address.toByteArray().reverse();
  if (address.kind() === 'ipv4') return `${bytes.join('.')}.in-addr.arpa`;
  const nibbles = bytes.flatMap((byte) => [byte & 15, byte >> 4]);
  return `${nibbles.map((nibble) => nibble.toString(16)).join('.')}.ip6.arpa`;
}
