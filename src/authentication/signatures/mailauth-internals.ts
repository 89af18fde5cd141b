// The parts of mailauth that it has no types for: how signatures are read and verified (RFC 6376 §6.1).
import type { KeyObject } from 'node:crypto';
import { createRequire } from 'node:module';
import type { DKIMResult, DNSResolver, ParsedHeader } from 'mailauth';
import type { ResolveFunction } from '../../dns/resolver.ts';
import type { BodyHash } from './body-hash.ts';
import type { HeaderRow } from './header-rows.ts';

/** A tag list (RFC 6376 §3.2) as mailauth reads it. */
interface ParsedTags {
  readonly parsed: NonNullable<ParsedHeader['parsed']>;
  original: Buffer;
  readonly syntaxErrors?: readonly string[];
}

/** A signature field; `prepareSignature` fills in what follows `type`, we what it leaves open. */
export interface SignatureField extends ParsedTags {
  type: 'DKIM' | 'ARC';
  /** Why it is not even looked at. */
  readonly skip?: string;
  /** Why it can't be valid. */
  invalid?: string;
  readonly hashAlgo?: string;
  readonly bodyCanon?: string;
  /** '' for none. */
  readonly maxBodyLength?: number | '';
  readonly signingDomain?: string;
  readonly selector?: string;
  /** The body hash that belongs to it; ours to set. */
  bodyHashKey?: string;
}

/** A key as its record has it; its text is PEM. */
export interface PublicKey<Key = KeyObject> {
  readonly publicKey: Key;
  /** The record. */
  readonly rr: string;
  readonly modulusLength?: number;
  readonly keyType: string;
  readonly testing: boolean;
}

/** Fetches keys; the same question has the same promise. */
export interface KeyCache {
  readonly resolver: DNSResolver;
  get(
    type: string,
    name: string,
    minBitLength: number,
    options: { readonly strict: boolean; readonly hashAlgo: string | undefined },
  ): Promise<PublicKey>;
}

/** Judges the syntax of signatures. */
export interface SignatureSyntax {
  prepareSignature(signature: SignatureField): void;
}

/** What a verifier is told of the message that it is for. */
interface Message {
  readonly minBitLength: number;
  readonly curTime: Date;
  readonly bodyHashes: ReadonlyMap<string, BodyHash>;
  readonly keyCache: KeyCache;
}

export interface DkimVerifier extends Message {
  headers: { readonly parsed: readonly HeaderRow[] };
  /** Reads `headers` before it first waits. */
  verifySignature(signature: SignatureField): Promise<DKIMResult>;
  skippedSignatureResult(signature: SignatureField): DKIMResult;
}

/** A resolver for mailauth, which reads objects for MX; its type does not say so. */
export function asMailauth(resolve: ResolveFunction): DNSResolver {
  return resolve as DNSResolver;
}

const require = createRequire(import.meta.url);
const tools = require('mailauth/lib/tools.js') as {
  getPublicKey(
    type: string,
    name: string,
    minBitLength: number,
    resolver: DNSResolver,
    options: { readonly strict: boolean; readonly hashAlgo: string | undefined },
  ): Promise<PublicKey<string>>;
  toALabel(domain: string): string;
  formatRelaxedLine(line: Buffer, suffix?: string): Buffer;
  stripSignatureValue(line: Buffer, strict: true): Buffer;
};

/** Asks for a key record and reads it (RFC 6376 §3.6.1), `toALabel` the name for it (RFC 8616 §3). */
export const { getPublicKey, toALabel } = tools;
/** Canonicalizes a field as `relaxed` (RFC 6376 §3.4.2); then empties its `b=` as it is hashed (§3.7). */
export const { formatRelaxedLine, stripSignatureValue } = tools;

const { DkimVerifier: Verifier } = require('mailauth/lib/dkim/dkim-verifier.js') as {
  readonly DkimVerifier: new (options: { readonly strict: true }) => SignatureSyntax;
};

/** A verifier that is told nothing of a message: it can only judge the syntax. */
export const signatureSyntax = new Verifier({ strict: true });

/**
 * A verifier for one message. It has all that is the same for each from the one above: the constructor makes a stream,
 * of which nothing is used, and Node.js's streams are held until old objects are collected, with all that they hold.
 */
export function dkimVerifier(message: Message): DkimVerifier {
  const verifier = Object.create(signatureSyntax) as DkimVerifier;
  return Object.assign(verifier, message);
}

/** Reads the tags of a field, its name included; with `strict`, their names as they are written. */
export const parseSignatureTags = require('mailauth/lib/parse-dkim-headers.js') as (
  line: Buffer,
  options: { readonly strict: true },
) => ParsedTags;
