// From what is known of signatures to results: what dkim and x-google-dkim have in common (RFC 8601 §2.7.1, RFC 6008).
import type { DKIMResult } from 'mailauth';
import { z } from 'zod';
import type { EndOfHeadersContext } from '../check.ts';
import { type Property, type Result, type ResultValue, toValue } from '../result.ts';
import type { SignatureField } from './mailauth-internals.ts';
import {
  leastKeyBits,
  type SignatureFinding,
  type SignatureName,
  type UnverifiedSignature,
} from './verification.ts';
import { mostSignatures } from './verifier.ts';

export interface SignatureCheckOptions {
  readonly maxSignatures: number;
  readonly minimumKeyBits: number;
}

/** @param signatures how many are verified by default */
export function signatureOptions(signatures: number) {
  return z.strictObject({
    maxSignatures: z
      .int()
      .min(1)
      .max(mostSignatures)
      .prefault(signatures)
      .describe('how many signatures are verified, from the top; those below are `policy`, unverified'),
    minimumKeyBits: z
      .int()
      .min(leastKeyBits)
      .max(4096)
      .prefault(leastKeyBits)
      .describe('signatures by shorter RSA keys are `policy`; RFC 8301 demands at least 1024'),
  });
}

/** Verifies the signatures of one field name; each is a result of its own. */
export async function signatureResults(
  { verification, resolve, now, explained, explain }: EndOfHeadersContext,
  { maxSignatures, minimumKeyBits }: SignatureCheckOptions,
  { method, field }: { readonly method: string; readonly field: SignatureName },
): Promise<Result[]> {
  const message = await verification;
  const options = { resolve, maximum: maxSignatures, minimumKeyBits };
  const { findings, more } = await message.verify(field, options);
  if (findings.length === 0) {
    return [{ method, value: 'none', comment: 'message not signed', properties: [] }];
  }
  const signatures = findings.map(signatureValue);
  const { fromFields } = message;
  const results = findings.map((finding, i): Result => {
    const judged = judge(finding, { minimumKeyBits, now: now(), fromFields });
    if (explained) explain(`signature ${i + 1}`, story(finding, judged));
    return { method, ...judged, properties: properties(finding, beginning(i, signatures)) };
  });
  if (more > 0) {
    results.push({
      method,
      value: 'policy',
      reason: `${more} more signatures, not verified`,
      properties: [],
    });
  }
  return results;
}

type Judgement = Pick<Result, 'value' | 'reason' | 'comment'>;

function judge(
  finding: SignatureFinding,
  about: { readonly minimumKeyBits: number; readonly now: Date; readonly fromFields: number },
): Judgement {
  if (finding.kind === 'unverified') return { value: 'policy', reason: `not verified: ${finding.reason}` };
  const { result } = finding;
  const { status } = result;
  const found = toValue(status.result);
  // RFC 6376 §3.6.1 t=y: a message with a signature that fails is not to be treated worse than an unsigned one.
  const value: ResultValue = found === 'fail' && status.testing ? 'neutral' : found;
  const comment = remarks(result, about.now).join(', ');
  if (value === 'pass' && signedFrom(finding.field) < about.fromFields) {
    return { value: 'policy', reason: 'not all From fields are signed', ...(comment && { comment }) };
  }
  const reason = value === 'pass' ? undefined : reasonOf(result, about.minimumKeyBits);
  return { value, ...(reason && { reason }), ...(comment && { comment }) };
}

/** How many From fields it can cover. One more, that readers may show instead, is an attack (RFC 6376 §8.15). */
function signedFrom({ parsed }: SignatureField): number {
  const names = String(parsed.h?.value ?? '').split(':');
  return names.filter((name) => name.toLowerCase() === 'from').length;
}

function reasonOf({ status, expiresAfter }: DKIMResult, minimumKeyBits: number): string | undefined {
  if (status.policy?.['dkim-rules'] === 'weak-key') return `RSA key of less than ${minimumKeyBits} bits`;
  if (status.comment === 'expired' && expiresAfter) return `expired at ${expiresAfter}`;
  return status.comment;
}

/** What an administrator wants to see beside the value: the key, and what the signature leaves open. */
function remarks({ publicKey, modulusLength, status, signTime }: DKIMResult, now: Date): string[] {
  // Not as `a=` says: the key may be of the other type. Only RSA keys come in sizes.
  const key = modulusLength ? `${modulusLength}-bit rsa key` : 'ed25519 key';
  return [
    ...(publicKey === undefined ? [] : [key]),
    ...(status.testing ? ['testing'] : []),
    ...(status.underSized ? [`${status.underSized} octets of the body not signed`] : []),
    ...(signTime && Date.parse(signTime) > now.getTime() ? ['signed in the future'] : []),
  ];
}

/** In the order in which readers know them from elsewhere. */
function properties(finding: SignatureFinding, b: string | undefined): Property[] {
  const header = finding.kind === 'verified' ? finding.result.status.header : named(finding);
  const names = finding.kind === 'verified' ? ['d', 'i', 's', 'a'] : ['d', 's'];
  const found = names.flatMap((property): Property[] => {
    const value: unknown = header?.[property];
    return typeof value === 'string' && value !== '' ? [{ ptype: 'header', property, value }] : [];
  });
  if (b !== undefined) found.push({ ptype: 'header', property: 'b', value: b });
  const rules = finding.kind === 'verified' ? finding.result.status.policy?.['dkim-rules'] : undefined;
  return rules === undefined ? found : [...found, { ptype: 'policy', property: 'dkim-rules', value: rules }];
}

function named({ field }: UnverifiedSignature): Readonly<Record<string, unknown>> {
  return { d: field?.parsed.d?.value, s: field?.parsed.s?.value };
}

function signatureValue({ field }: SignatureFinding): string {
  const value = field?.parsed.b?.value;
  return typeof value === 'string' ? value : '';
}

/** RFC 6008 §4: at least eight characters, and as many more as it takes to tell signatures apart. */
function beginning(index: number, signatures: readonly string[]): string | undefined {
  const own = signatures[index] ?? '';
  const others = signatures.filter((each) => each !== own);
  let length = 8;
  while (length < 40 && others.some((each) => each.slice(0, length) === own.slice(0, length))) length += 4;
  return own === '' ? undefined : own.slice(0, length);
}

/** What whoever asks why wants to see. */
function story(finding: SignatureFinding, judged: Judgement): Readonly<Record<string, unknown>> {
  const domain = finding.field?.parsed.d?.value;
  const selector = finding.field?.parsed.s?.value;
  if (finding.kind === 'unverified') return { domain, selector, ...judged };
  const { result } = finding;
  return {
    domain: result.signingDomain,
    selector: result.selector,
    algorithm: result.algo,
    canonicalization: result.format ?? 'simple/simple',
    signedFields: result.signingHeaders?.keys,
    bodyHash: { expected: result.bodyHashExpecting, computed: result.bodyHash },
    body: {
      octets: result.canonBodyLengthTotal,
      signed: result.canonBodyLength,
      ...(result.canonBodyLengthLimited && { limit: result.canonBodyLengthLimit }),
    },
    signed: result.signTime,
    expires: result.expiresAfter,
    key: { name: `${result.selector}._domainkey.${result.signingDomain}`, record: result.rr },
    ...judged,
  };
}
