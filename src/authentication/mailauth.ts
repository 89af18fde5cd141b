// mailauth's functions as we use them: strict, with our resolver, and with types that fit each other.

import type { ARCData, ARCResult, DMARCOptions, DNSResolver } from 'mailauth';
import { arc } from 'mailauth/lib/arc/index.js';
import { evaluateDmarc } from 'mailauth/lib/dmarc/index.js';
import type { ResolveFunction } from '../dns/resolver.ts';
import { leastKeyBits, type Verification } from './signatures/verification.ts';

/** mailauth reads MX objects, but its type does not say so. */
function asMailauth(resolve: ResolveFunction): DNSResolver {
  return resolve as DNSResolver;
}

export type { Verification } from './signatures/verification.ts';

/** Validates the ARC chain of a message, its newest ARC-Message-Signature included (RFC 8617 §5.2). */
export async function validateChain(
  verification: Verification,
  resolve: ResolveFunction,
): Promise<ARCResult> {
  const { chain, lastEntry, error } = verification.arc;
  const messageSignature = lastEntry && (await verification.messageSignature(lastEntry.i, resolve));
  const data = {
    chain,
    ...(lastEntry && { lastEntry: { ...lastEntry, ...(messageSignature && { messageSignature }) } }),
    ...(error && { error }),
    keyCache: verification.arcKeys(resolve),
  };
  // Its type does not know that there may be no chain.
  return arc(data as ARCData, {
    resolver: asMailauth(resolve),
    minBitLength: leastKeyBits,
    strict: true,
  });
}

/** Policy discovery and alignment of RFC 9989. */
export function checkAlignment(options: {
  from: Pick<Verification, 'headerFrom' | 'fromFields'>;
  spf: readonly string[];
  dkim: readonly { readonly domain: string; readonly underSized?: number }[];
  resolve: ResolveFunction;
}): ReturnType<typeof evaluateDmarc> {
  const dmarcOptions: DMARCOptions = {
    // An address without @ has no domain, but a bare word would be taken for one.
    headerFrom: options.from.headerFrom.map((address) => (address.includes('@') ? address : '@')),
    fromFields: options.from.fromFields,
    spfDomains: [...options.spf],
    dkimDomains: [...options.dkim],
    resolver: asMailauth(options.resolve),
  };
  return evaluateDmarc({ ...dmarcOptions, strict: true });
}
