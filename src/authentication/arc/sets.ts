// The ARC sets of a header section, put in order (RFC 8617 §4.2.1, §5.2 steps 1 to 3), within bounds.
import type { ARCChainEntry } from 'mailauth';
import { getARChain } from 'mailauth/lib/arc/index.js';
import { type HeaderRow, withoutRuns } from '../signatures/header-rows.ts';
import type { SignatureField } from '../signatures/mailauth-internals.ts';
import { maxFieldOctets } from '../signatures/signature-field.ts';

/** RFC 8617 §4.2.1: 50 sets of three fields. With one field more, one of them is wrong. */
const maxFields = 150;
/** Of all of them together; ordinary sets have one to three kilobytes. */
const maxOctets = 96 * 1024;
/** Ordinary sets have forty; an empty one takes as long to read as a word. */
const maxTags = 5000;
/** Each seal is over all sets before it: hashing grows with octets times sets. */
const maxOctetsTimesSets = 3 * 1024 * 1024;
const maxResultsOctets = 64 * 1024;
/** Of results, which only those of trusted sealers are ever read whole: their instance stands in front (RFC 8617 §4.1.1). */
const maxReadOctets = 1000;

const names: ReadonlySet<string> = new Set([
  'arc-seal',
  'arc-message-signature',
  'arc-authentication-results',
]);

/** What mailauth takes for the chain: either sets, an error, or neither. */
export interface ArcSets {
  /** In the order of their instances. */
  readonly chain: ARCChainEntry[] | false;
  readonly lastEntry?: ARCChainEntry;
  /** Why the sets are no chain; `message` is for people. */
  readonly error?: Error;
}

/** @param rows the header section */
export function readArcSets(rows: readonly HeaderRow[]): ArcSets {
  const fields = rows.filter(({ key }) => names.has(key)).slice(0, maxFields + 1);
  if (fields.length === 0) return { chain: false };
  const octets = fields.reduce((sum, { line }) => sum + line.length, 0);
  const sets = Math.ceil(fields.length / 3);
  if (
    octets > maxOctets ||
    octets * sets > maxOctetsTimesSets ||
    fields.some(isTooLarge) ||
    countTags(fields) > maxTags
  ) {
    return { chain: false, error: invalid('the ARC sets are too large') };
  }
  // Read without long runs of white space and results, but sealed with them.
  const originals = new Map(fields.map((row) => [withoutRuns(beginning(row)), row]));
  const read = [...originals].map(([line, row]) => ({ ...row, line }));
  try {
    const chain = getARChain({ parsed: read }, { strict: true });
    if (!chain) return { chain: false };
    for (const field of chain.flatMap((set) => [sealOf(set), messageSignatureOf(set), resultsOf(set)])) {
      if (field) field.original = originals.get(field.original)?.line ?? field.original;
    }
    const lastEntry = chain.at(-1);
    return { chain, ...(lastEntry && { lastEntry }) };
  } catch (error) {
    return { chain: false, error: error instanceof Error ? error : invalid(String(error)) };
  }
}

function beginning({ key, line }: HeaderRow): Buffer {
  return key === 'arc-authentication-results' ? line.subarray(0, maxReadOctets) : line;
}

function isTooLarge({ key, line }: HeaderRow): boolean {
  return line.length > (key === 'arc-authentication-results' ? maxResultsOctets : maxFieldOctets);
}

function countTags(fields: readonly HeaderRow[]): number {
  return fields.reduce((sum, { line }) => sum + line.toString('latin1').split(';').length, 0);
}

/** The ARC-Message-Signature of a set, which mailauth's type does not know as what it is. */
export function messageSignatureOf(set: ARCChainEntry): SignatureField | undefined {
  return set['arc-message-signature'] as unknown as SignatureField | undefined;
}

/** Its ARC-Seal. */
export function sealOf(set: ARCChainEntry): SignatureField | undefined {
  return set['arc-seal'] as unknown as SignatureField | undefined;
}

/** Its ARC-Authentication-Results. */
export function resultsOf(set: ARCChainEntry): SignatureField | undefined {
  return set['arc-authentication-results'] as unknown as SignatureField | undefined;
}

/** With a code whose message mailauth passes on as the reason of the failure. */
function invalid(message: string): Error {
  return Object.assign(new Error(message), { code: 'invalid_arc_tags' });
}
