// What is known of a message that has arrived, and its signatures, each verified when a check asks for it.
import type { DKIMResult } from 'mailauth';
import type { ResolveFunction } from '../../dns/resolver.ts';
import type { ArcSets } from '../arc/sets.ts';
import type { Authors } from '../dmarc/authors.ts';
import type { BodyHash } from './body-hash.ts';

import type { HeaderRow } from './header-rows.ts';
import { messageKeys } from './keys.ts';
import { type DkimVerifier, dkimVerifier, type KeyCache, type SignatureField } from './mailauth-internals.ts';
import {
  type RefusedSignature,
  readSignatureField,
  type Signature,
  signedOctets,
  signedRows,
} from './signature-field.ts';

/** RFC 8301 §3.2: verifiers must not take RSA keys with fewer bits. */
export const leastKeyBits = 1024;

/** Signatures beyond those that are verified: so many are named. */
const mostUnverified = 20;
/**
 * Octets of signed fields that are canonicalized for the signatures of one name, the first aside:
 * more than enough for headers as they are, and far from 50 times a header section of a megabyte.
 */
const maxSignedOctets = 512 * 1024;

/** The field names of signatures that are verified as RFC 6376 says. */
export type SignatureName = 'dkim-signature' | 'x-google-dkim-signature';

export interface SignatureOptions {
  readonly resolve: ResolveFunction;
  /** How many are verified, from the top. */
  readonly maximum: number;
  readonly minimumKeyBits: number;
}

/** What is known of one signature. */
export type SignatureFinding = VerifiedSignature | UnverifiedSignature;

export interface VerifiedSignature {
  readonly kind: 'verified';
  readonly field: SignatureField;
  readonly result: DKIMResult;
}

export interface UnverifiedSignature {
  readonly kind: 'unverified';
  /** Why. */
  readonly reason: string;
  /** Absent where the field is too large to be read. */
  readonly field?: SignatureField;
}

/** What is known of a message when all of it has been read. */
export interface Verification extends Authors {
  /** The whole header section in mailauth's form. */
  readonly headers: { readonly parsed: readonly HeaderRow[] };
  /** The ARC sets, or what is wrong with them; no signature of theirs is verified by that. */
  readonly arc: ArcSets;
  /** base64 SHA-256 of the whole body, canonicalized as `relaxed`. */
  readonly bodyHash: string;
  /** The DKIM signatures that the dkim check had verified. */
  readonly results: readonly DKIMResult[];
  /**
   * Verifies signatures.
   *
   * @returns one finding for each from the top, and how many more there are
   */
  verify(
    name: SignatureName,
    options: SignatureOptions,
  ): Promise<{ readonly findings: readonly SignatureFinding[]; readonly more: number }>;
  /**
   * Verifies the ARC-Message-Signature of a set (RFC 8617 §5.2 steps 4 and 5).
   *
   * @param instance from 1
   * @param resolve who asks for the key; default: whoever reads the message
   * @returns undefined when there is no such set, or its field can't be a signature
   */
  messageSignature(instance: number, resolve?: ResolveFunction): Promise<DKIMResult | undefined>;
  /** Whether that signature is valid. */
  messageSignatureValid(instance: number, resolve?: ResolveFunction): Promise<boolean>;
  /** The keys that ARC asks for, each once. */
  arcKeys(resolve: ResolveFunction): KeyCache;
}

type Prepared = Signature | RefusedSignature;

/** What was read of the message. */
export interface ReadMessage {
  readonly now: Date;
  readonly resolve: ResolveFunction;
  readonly rows: readonly HeaderRow[];
  readonly rowsByName: ReadonlyMap<string, readonly HeaderRow[]>;
  readonly authors: Authors;
  /** The first of each name. */
  readonly signatures: Readonly<Record<SignatureName, readonly Prepared[]>>;
  readonly arc: ArcSets;
  /** One for each ARC set. */
  readonly messageSignatures: readonly Prepared[];
  readonly bodyHashes: ReadonlyMap<string, BodyHash>;
  readonly bodyHash: string;
}

export class MessageVerification implements Verification {
  readonly #message: ReadMessage;
  readonly #arcSessions = new Map<ResolveFunction, DkimVerifier>();
  #results: readonly DKIMResult[] = [];
  /** Canonicalized so far for signatures of older ARC sets. */
  #olderOctets = 0;
  readonly headerFrom: string[];
  readonly fromFields: number;
  readonly unreadable: string | undefined;
  readonly headers: { readonly parsed: readonly HeaderRow[] };
  readonly arc: ArcSets;
  readonly bodyHash: string;

  constructor(message: ReadMessage) {
    this.#message = message;
    const { headerFrom, fromFields, unreadable } = message.authors;
    this.headerFrom = headerFrom;
    this.fromFields = fromFields;
    this.unreadable = unreadable;
    this.headers = { parsed: message.rows };
    this.arc = message.arc;
    this.bodyHash = message.bodyHash;
  }

  get results(): readonly DKIMResult[] {
    return this.#results;
  }

  async verify(
    name: SignatureName,
    { resolve, maximum, minimumKeyBits }: SignatureOptions,
  ): Promise<{ readonly findings: readonly SignatureFinding[]; readonly more: number }> {
    const { signatures, rowsByName } = this.#message;
    const rows = rowsByName.get(name) ?? [];
    const session = this.#session(resolve, minimumKeyBits);
    const prepared = signatures[name].slice(0, maximum);
    let octets = 0;
    const findings = prepared.map(async (each, i): Promise<SignatureFinding> => {
      if (each.kind === 'refused') return { ...each, kind: 'unverified' };
      const signed = signedRows(each, rowsByName);
      if (i > 0) octets += signedOctets(signed);
      if (octets > maxSignedOctets) {
        return { kind: 'unverified', reason: 'the signed fields are too large', field: each.field };
      }
      return { kind: 'verified', field: each.field, result: await verifyOne(session, each, signed) };
    });
    const reason = `beyond the first ${prepared.length}`;
    const unverified = rows
      .slice(prepared.length, prepared.length + mostUnverified)
      .map((row): UnverifiedSignature => {
        const field = readSignatureField(row);
        return { kind: 'unverified', reason, ...(field && { field }) };
      });
    const told = [...(await Promise.all(findings)), ...unverified];
    if (name === 'dkim-signature') {
      this.#results = told.flatMap((each) => (each.kind === 'verified' ? [each.result] : []));
    }
    return { findings: told, more: rows.length - told.length };
  }

  async messageSignature(
    instance: number,
    resolve: ResolveFunction = this.#message.resolve,
  ): Promise<DKIMResult | undefined> {
    const { messageSignatures, rowsByName } = this.#message;
    const prepared = messageSignatures[instance - 1];
    if (prepared?.kind !== 'signature' || !prepared.coverage) return undefined;
    const signed = signedRows(prepared, rowsByName);
    // The newest is always verified: the chain hangs on it.
    const olderOctets = instance < messageSignatures.length ? signedOctets(signed) : 0;
    if (this.#olderOctets + olderOctets > maxSignedOctets) return undefined;
    this.#olderOctets += olderOctets;
    return verifyOne(this.#arcSession(resolve), prepared, signed);
  }

  async messageSignatureValid(instance: number, resolve?: ResolveFunction): Promise<boolean> {
    return (await this.messageSignature(instance, resolve))?.status.result === 'pass';
  }

  arcKeys(resolve: ResolveFunction): KeyCache {
    return this.#arcSession(resolve).keyCache;
  }

  /** One for each who asks: the signatures of a chain often have one key. */
  #arcSession(resolve: ResolveFunction): DkimVerifier {
    const session = this.#arcSessions.get(resolve) ?? this.#session(resolve, leastKeyBits);
    this.#arcSessions.set(resolve, session);
    return session;
  }

  #session(resolve: ResolveFunction, minimumKeyBits: number): DkimVerifier {
    return dkimVerifier({
      minBitLength: minimumKeyBits,
      curTime: this.#message.now,
      bodyHashes: this.#message.bodyHashes,
      keyCache: messageKeys(resolve),
    });
  }
}

/** @param signed the rows that the signature covers */
async function verifyOne(
  session: DkimVerifier,
  { field }: Signature,
  signed: readonly HeaderRow[],
): Promise<DKIMResult> {
  if (field.skip !== undefined) return session.skippedSignatureResult(field);
  const body = session.bodyHashes.get(field.bodyHashKey ?? '');
  // RFC 6376 §3.5: it must not be larger than the body. mailauth takes it for the whole body.
  if (body && Number(field.maxBodyLength) > body.canonicalizedLength) field.invalid ??= 'l= exceeds the body';
  // Read at once, before the first wait.
  session.headers = { parsed: signed };
  const found = await session.verifySignature(field);
  // As everywhere else, an A-label (RFC 8616 §4).
  const domain: unknown = found.status.header?.d;
  const result = typeof domain === 'string' ? { ...found, signingDomain: domain } : found;
  // After a wrong body hash the key was not asked for; what it says belongs to the answer (RFC 6376 §3.6.1 t=y).
  if (result.status.result !== 'fail' || result.rr !== undefined) return result;
  const keyName = `${field.selector}._domainkey.${field.signingDomain}`;
  const { keyCache, minBitLength } = session;
  const options = { strict: true, hashAlgo: field.hashAlgo };
  const key = await keyCache.get(field.type, keyName, minBitLength, options).catch(() => undefined);
  if (!key) return result;
  const { rr, modulusLength, testing } = key;
  const publicKey = key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const status = { ...result.status, ...(testing && { testing }) };
  return { ...result, rr, publicKey, ...(modulusLength !== undefined && { modulusLength }), status };
}
