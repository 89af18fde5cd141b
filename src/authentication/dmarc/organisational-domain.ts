// The organisational domain of a name, by the tree walk of DMARC (RFC 9989 §4.10), so that all checks mean the same.
import { createRecordLookup, getOrgDomain } from 'mailauth/lib/dmarc/get-dmarc-record.js';
import type { ResolveFunction } from '../check.ts';

/**
 * Walks from the name to the top, at most eight questions. Where nothing is published on the way,
 * the name is its own organisational domain.
 *
 * @param domain lower case, A-labels, without a final dot
 * @throws {Error} of the resolver, when the walk can't be ended
 */
export function organisationalDomain(domain: string, resolve: ResolveFunction): Promise<string> {
  return getOrgDomain(domain, createRecordLookup(resolve, { strict: true }));
}
