// mailauth's functions as we use them: strict, with our resolver, and with types that fit each other.

import type { Readable } from 'node:stream';
import type { ARCData, ARCResult, DKIMVerifyResult, DMARCOptions, DNSResolver, SPFResult } from 'mailauth';
import { arc } from 'mailauth/lib/arc/index.js';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { evaluateDmarc } from 'mailauth/lib/dmarc/index.js';
import { spf } from 'mailauth/lib/spf/index.js';
import type { ResolveFunction } from '../dns/resolver.ts';

/** mailauth reads MX objects, but its type does not say so. */
function asMailauth(resolve: ResolveFunction): DNSResolver {
  return resolve as DNSResolver;
}

/** RFC 8301 §3.2: verifiers must not take RSA keys with fewer bits. */
const minimumKeyBits = 1024;

/** What is known of a message when all of it has been read. */
export type Verification = DKIMVerifyResult;

/** Reads a whole message, and verifies its DKIM signatures and its newest ARC-Message-Signature. */
export function verifySignatures(
  message: Readable,
  options: { resolve: ResolveFunction; now: Date },
): Promise<Verification> {
  return dkimVerify(message, {
    resolver: asMailauth(options.resolve),
    minBitLength: minimumKeyBits,
    curTime: options.now,
    strict: true,
  });
}

/** Validates the ARC chain of a message that {@link verifySignatures} has read (RFC 8617 §5.2). */
export function validateChain(verification: Verification, resolve: ResolveFunction): Promise<ARCResult> {
  // No header section at all: no chain.
  const data = (verification.arc ?? { chain: false }) as ARCData;
  return arc(data, {
    resolver: asMailauth(resolve),
    minBitLength: minimumKeyBits,
    strict: true,
  });
}

/** RFC 7208 §4.6.4: "at least 20 seconds" are given to one evaluation. */
const spfTimeMs = 20_000;

/** check_host() of RFC 7208 §4. */
export function checkHost(options: {
  ip: string;
  helo: string | undefined;
  sender: string;
  hostname: string;
  resolve: ResolveFunction;
}): Promise<SPFResult> {
  return spf({
    ip: options.ip,
    ...(options.helo === undefined ? {} : { helo: options.helo }),
    sender: options.sender,
    mta: options.hostname,
    resolver: asMailauth(options.resolve),
    maxElapsedTime: spfTimeMs,
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
