// Whose word about a message counts: sealers that are trusted, and what they found (RFC 8617 §7.2.1).

import type { DomainPatterns } from '../../smtp/domains.ts';
import { Note } from '../notes.ts';
import type { ArcSet, SealerFindings } from './chain.ts';

/** The word of the sealer that vouches for a message: its chain is whole, and trusted from there to us. */
export interface TrustedArc {
  /** Its domain (`d=` of its ARC-Seal). */
  readonly sealer: string;
  /** Of its ARC set. */
  readonly instance: number;
  /** Whether its ARC-Authentication-Results say that DMARC passed for the author's domain. */
  readonly dmarc: boolean;
}

/** For later checks; none when nobody who is trusted vouches for the message. */
export const trustedArc = new Note<TrustedArc>('arc.trusted');

/**
 * Looks for the sealer that vouches, in a chain that passed. Whoever handled the message after it could
 * have changed it and said so to nobody: so all of them must be trusted too, the newest first.
 *
 * @param chain oldest first
 * @param sealers who is trusted
 * @param author the domain of the message's author; undefined: there is not exactly one
 * @returns the newest trusted sealer that saw the author authenticated, else the newest; undefined
 *   when the newest is not trusted
 */
export function whoVouches(
  chain: readonly ArcSet[],
  sealers: DomainPatterns,
  author: string | undefined,
): TrustedArc | undefined {
  const newestFirst = chain.toReversed();
  const stranger = newestFirst.findIndex(({ seal }) => !sealers.includes(seal.domain));
  const vouching = newestFirst
    .slice(0, stranger < 0 ? undefined : stranger)
    .map(({ instance, seal, findings }) => {
      return { sealer: seal.domain, instance, dmarc: author !== undefined && passed(findings(), author) };
    });
  return vouching.find(({ dmarc }) => dmarc) ?? vouching[0];
}

/**
 * Whether the author's domain was authenticated. A sealer that does not know DMARC says so with DKIM or SPF
 * for just that domain, which is always aligned; what DMARC said, where it was asked, counts alone.
 */
function passed({ dmarc, dkim, spf }: SealerFindings, author: string): boolean {
  if (dmarc) return dmarc.value === 'pass' && dmarc.from === author;
  return dkim.includes(author) || spf === author;
}
