// One name asked for as the proxy would: by its zone, name servers, timeouts and limits.
import { parseAddress, reverseName } from '../authentication/client/reverse-name.ts';
import { type DnsCounts, type DnsOptions, Resolver } from '../dns/resolver.ts';
import type { Answer } from '../dns/zone.ts';
import type { RecordType } from './types.ts';

/** What was heard. */
export interface Finding {
  readonly name: string;
  readonly type: RecordType;
  /** As zone files have them; empty without an answer. */
  readonly records: readonly string[];
  /** Why there is no answer, as node:dns has it: ENOTFOUND, ENODATA, ESERVFAIL, ETIMEOUT... */
  readonly failure?: string;
  readonly from: 'zone' | 'network' | 'nobody';
  readonly milliseconds: number;
}

/** What is asked for without a type: the name of an address, the address of a name. */
export function usualType(name: string): RecordType {
  return parseAddress(name) ? 'PTR' : 'A';
}

/**
 * Asks for a name.
 *
 * @param name for PTR also an address; its name under in-addr.arpa or ip6.arpa is asked for
 * @param options of the configuration
 */
export async function lookUp(name: string, type: RecordType, options: DnsOptions): Promise<Finding> {
  const address = type === 'PTR' ? parseAddress(name) : undefined;
  const asked = address ? reverseName(address) : name;
  const resolver = new Resolver(options);
  const start = performance.now();
  const finish = (found: Pick<Finding, 'records' | 'failure'>): Finding => ({
    name: asked,
    type,
    ...found,
    from: sourceOf(resolver.counts),
    milliseconds: Math.round(10 * (performance.now() - start)) / 10,
  });
  try {
    // As for a transaction, which waits for no name longer than that.
    const answer = await resolver.forTransaction(AbortSignal.timeout(options.transactionMs))(asked, type);
    return finish({ records: written(answer) });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return finish({ records: [], failure: code === 'ECANCELLED' ? 'ETIMEOUT' : code });
  } finally {
    resolver.close();
  }
}

/** Where an alias leads out of the zone, the network has the answer. */
function sourceOf({ network, zone }: DnsCounts): Finding['from'] {
  if (network > 0) return 'network';
  return zone > 0 ? 'zone' : 'nobody';
}

/** The strings of a TXT record are one text (RFC 7208 §3.3, RFC 6376 §3.6.2.2). */
function written(answer: Answer): string[] {
  return answer.map((record) => {
    if (typeof record === 'string') return record;
    if ('exchange' in record) return `${record.priority} ${record.exchange === '' ? '.' : record.exchange}`;
    return `"${record.join('')}"`;
  });
}
