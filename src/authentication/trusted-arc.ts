// What a trusted ARC sealer says it found, as the checks leave it for each other (RFC 8617 §7.2.1).
import type { Notes } from './check.ts';

/** The word of the sealer that vouches for a message: its chain is whole, and trusted from there to us. */
export interface TrustedArc {
  /** Its domain (`d=` of its ARC-Seal). */
  readonly sealer: string;
  /** Of its ARC set. */
  readonly instance: number;
  /** Whether its ARC-Authentication-Results say that DMARC passed for the author's domain. */
  readonly dmarc: boolean;
}

const key = 'arc.trusted';

/** Leaves it for later checks. */
export function noteTrustedArc(notes: Notes, trusted: TrustedArc): void {
  notes.set(key, trusted);
}

/** @returns undefined when nobody who is trusted vouches for the message */
export function trustedArc(notes: Notes): TrustedArc | undefined {
  return notes.get(key) as TrustedArc | undefined;
}
