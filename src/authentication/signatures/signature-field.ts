// A signature field before anything is verified: its tags, what it covers, and whether it is worth the work.

import { type BodyCoverage, coverageKey } from './body-hash.ts';
import { type HeaderRow, lowerCase, withoutRuns } from './header-rows.ts';
import { parseSignatureTags, type SignatureField, signatureSyntax } from './mailauth-internals.ts';

/** RSA-4096 signatures over every field that there is a name for take 4 KiB. */
export const maxFieldOctets = 16 * 1024;
/** RFC 6376 §3.5 has 14. */
const maxTags = 100;
/** Names in h=; those who sign absent fields too come to a hundred. */
const maxSignedNames = 300;

/** A field that was read. */
export interface Signature {
  readonly kind: 'signature';
  readonly field: SignatureField;
  /** Undefined where the tags are such that it can't be valid. */
  readonly coverage: BodyCoverage | undefined;
  /** Names in h=, in lower case. */
  readonly names: readonly string[];
}

/** A field that is not looked at any further. */
export interface RefusedSignature {
  readonly kind: 'refused';
  readonly reason: string;
  /** Absent where the field was not read at all. */
  readonly field?: SignatureField;
}

/** @returns a row's tags; undefined where it would take too long to read them */
export function readSignatureField(row: HeaderRow): SignatureField | undefined {
  if (row.line.length > maxFieldOctets || hasManyTags(row.line)) return undefined;
  const tags = parseSignatureTags(withoutRuns(row.line), { strict: true });
  return { ...tags, type: 'DKIM', original: row.line };
}

/** Has mailauth judge the syntax (RFC 6376 §6.1.1), and finds what is to be hashed for it. */
export function prepareDkim(row: HeaderRow): Signature | RefusedSignature {
  const field = readSignatureField(row);
  if (!field) return { kind: 'refused', reason: 'too large to be read' };
  return prepare(field);
}

/** The same for an ARC-Message-Signature, which is no DKIM-Signature in its tags `v` and `i` (RFC 8617 §4.1.2). */
export function prepareArc(field: SignatureField | undefined): Signature | RefusedSignature {
  if (!field || field.original.length > maxFieldOctets || (field.syntaxErrors?.length ?? 0) > 0) {
    return { kind: 'refused', reason: 'syntax' };
  }
  field.type = 'ARC';
  return prepare(field);
}

function prepare(field: SignatureField): Signature | RefusedSignature {
  const names = signedNames(field);
  if (names.length > maxSignedNames) {
    return { kind: 'refused', reason: `more than ${maxSignedNames} names in h=`, field };
  }
  signatureSyntax.prepareSignature(field);
  if (!field.skip && !field.invalid && !isBase64(field.parsed.b?.value)) {
    field.invalid = 'signature syntax error';
  }
  const coverage = field.skip || field.invalid ? undefined : coverageOf(field);
  if (coverage) field.bodyHashKey = coverageKey(coverage);
  return { kind: 'signature', field, coverage, names };
}

/** RFC 6376 §2.10, its white space gone already. Who decodes it would pass over what is none. */
function isBase64(value: unknown): boolean {
  return typeof value === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(value);
}

function hasManyTags(line: Buffer): boolean {
  let count = 0;
  for (let at = line.indexOf(';'); at >= 0 && count <= maxTags; at = line.indexOf(';', at + 1)) count++;
  return count > maxTags;
}

/** As mailauth takes the names from h=, so that nobody sees other fields signed than the verifier does. */
function signedNames({ parsed }: SignatureField): string[] {
  const value = parsed.h?.value;
  if (typeof value !== 'string') return [];
  // White space is gone from the value already.
  return lowerCase(value)
    .split(':')
    .filter((name) => name !== '');
}

function coverageOf({ bodyCanon, hashAlgo, maxBodyLength }: SignatureField): BodyCoverage | undefined {
  if (bodyCanon !== 'simple' && bodyCanon !== 'relaxed') return undefined;
  if (hashAlgo !== 'sha1' && hashAlgo !== 'sha256') return undefined;
  const coverage = { canonicalization: bodyCanon, algorithm: hashAlgo } as const;
  if (typeof maxBodyLength !== 'number') return coverage;
  return Number.isInteger(maxBodyLength) && maxBodyLength >= 0
    ? { ...coverage, limit: maxBodyLength }
    : undefined;
}

/**
 * The rows that h= selects (RFC 6376 §5.4.2: each name takes the lowest field that is left), and no
 * others: mailauth compares each name with each row that it is given.
 */
export function signedRows(
  signature: Signature,
  rows: ReadonlyMap<string, readonly HeaderRow[]>,
): HeaderRow[] {
  const wanted = new Map<string, number>();
  for (const name of signature.names) wanted.set(name, (wanted.get(name) ?? 0) + 1);
  return [...wanted].flatMap(([name, count]) => rows.get(name)?.slice(-count) ?? []);
}

/** What has to be canonicalized for it. */
export function signedOctets(rows: readonly HeaderRow[]): number {
  return rows.reduce((sum, { line }) => sum + line.length, 0);
}
