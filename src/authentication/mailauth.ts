// mailauth's functions as we use them: strict, with our resolver, and with types that fit each other.

import type { ARCData, DKIMResult, DMARCOptions } from 'mailauth';
import { arc } from 'mailauth/lib/arc/index.js';
import { evaluateDmarc } from 'mailauth/lib/dmarc/index.js';
import type { ResolveFunction } from '../dns/resolver.ts';
import { brokenSeal } from './arc/seals.ts';
import { asMailauth } from './signatures/mailauth-internals.ts';
import type { Verification } from './signatures/verification.ts';

export type { Verification } from './signatures/verification.ts';

/** How the chain of a message validated. */
export interface ChainStatus {
  readonly value: 'pass' | 'fail';
  /** Why it fails; undefined where DNS did not give a key. */
  readonly reason?: string | undefined;
  /** The newest ARC-Message-Signature. */
  readonly signature?: DKIMResult | undefined;
}

/** Validates the ARC chain of a message that has one, its newest ARC-Message-Signature included (RFC 8617 §5.2). */
export async function validateChain(
  verification: Verification,
  resolve: ResolveFunction,
): Promise<ChainStatus> {
  const { chain, lastEntry, error } = verification.arc;
  const signature = lastEntry && (await verification.messageSignature(lastEntry.i, resolve));
  const broken = error ?? (await brokenSeal(chain || [], verification.arcKeys(resolve)));
  const failure = broken ?? (signature?.status.result === 'pass' ? undefined : noSignature(lastEntry?.i));
  if (!failure) return { value: 'pass', signature };
  // Its type does not know that there may be no chain; given a failure, it only finds words for it.
  const { status } = await arc({ chain, lastEntry, error: failure } as ARCData, { strict: true });
  return { value: 'fail', reason: status.comment, signature };
}

function noSignature(instance: number | undefined): Error {
  return Object.assign(new Error(`i=${instance} no valid signature`), { code: 'missing_valid_ams' });
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
