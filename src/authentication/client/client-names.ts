// The names of a client's address, and which of them lead back to the address (RFC 8601 §3).
import { isTemporary } from '../../dns/resolver.ts';
import type { ResolveFunction } from '../check.ts';
import { type Address, isSameAddress, reverseName } from './reverse-name.ts';

/** An address may have any number of names, and each costs a question; RFC 7208 §4.6.4 has the same limit. */
const maxNames = 10;

/** What DNS says of an address; names are without a final dot, in DNS's order. */
export interface ClientNames {
  readonly names: readonly string[];
  /** Those that have the address. */
  readonly confirmed: readonly string[];
  /** What could not be looked up now: the address, or one of the names that are not confirmed. */
  readonly trouble: 'reverse' | 'forward' | undefined;
}

/**
 * Asks for the names and then for their addresses of the same family. Several checks may ask: DNS
 * answers the second from the cache, or together with the first.
 */
export async function findClientNames(address: Address, resolve: ResolveFunction): Promise<ClientNames> {
  let found: string[];
  try {
    found = (await resolve(reverseName(address), 'PTR')).map((name) => String(name).replace(/\.$/, ''));
  } catch (error) {
    return { names: [], confirmed: [], trouble: isTemporary(error) ? 'reverse' : undefined };
  }
  // The same name twice would be asked for twice (RFC 4343: case does not matter).
  const different = new Map(found.map((name) => [name.toLowerCase(), name]));
  const names = [...different.values()].filter((name) => name !== '').slice(0, maxNames);
  const type = address.kind() === 'ipv4' ? 'A' : 'AAAA';
  const answers = await Promise.allSettled(names.map((name) => resolve(name, type)));
  const own = address.toString();
  const confirmed = names.filter((_, i) => {
    const answer = answers[i];
    return answer?.status === 'fulfilled' && answer.value.some((each) => isSameAddress(String(each), own));
  });
  const failed = answers.some((answer) => answer.status === 'rejected' && isTemporary(answer.reason));
  return { names, confirmed, trouble: failed ? 'forward' : undefined };
}
