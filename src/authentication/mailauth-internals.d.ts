// Types of the parts of mailauth that have none of their own.
declare module 'mailauth/lib/parse-dkim-headers.js' {
  import type { ParsedHeader } from 'mailauth';

  /** A tag list (RFC 6376 §3.2) as mailauth reads it. */
  export interface ParsedTags {
    readonly parsed: NonNullable<ParsedHeader['parsed']>;
    original: Buffer;
    readonly syntaxErrors?: readonly string[];
  }

  export default function parseDkimHeaders(line: Buffer, options: { strict: boolean }): ParsedTags;
}

declare module 'mailauth/lib/dkim/dkim-verifier.js' {
  import type { DKIMResult, DNSResolver } from 'mailauth';
  import type { ParsedTags } from 'mailauth/lib/parse-dkim-headers.js';

  /** A signature field; `prepareSignature` fills in what follows `type`. */
  export interface SignatureField extends ParsedTags {
    type: 'DKIM' | 'ARC';
    /** Why it is not even looked at. */
    skip?: string;
    /** Why it can't be valid. */
    invalid?: string;
    hashAlgo?: string;
    bodyCanon?: string;
    /** '' for none. */
    maxBodyLength?: number | '';
    signingDomain?: string;
    selector?: string;
    identity?: string;
    /** The body hash that belongs to it. */
    bodyHashKey?: string;
  }

  /** A key as its record has it. */
  export interface PublicKey {
    /** PEM */
    readonly publicKey: string;
    readonly rr: string;
    readonly modulusLength?: number;
    readonly keyType: string;
    readonly testing: boolean;
  }

  export interface KeyCache {
    readonly resolver: DNSResolver;
    get(
      type: string,
      name: string,
      minBitLength: number,
      options: { strict: boolean; hashAlgo: string | undefined },
    ): Promise<PublicKey>;
  }

  /** The hash of a canonicalized body, up to a length. */
  export interface BodyHash {
    readonly hash: string;
    readonly bodyHashedBytes: number;
    readonly canonicalizedLength: number;
    readonly byteLength: number;
  }

  export class DkimVerifier {
    constructor(options: { resolver: DNSResolver; minBitLength: number; curTime: Date; strict: true });
    headers: {
      parsed: readonly { readonly key: string; readonly casedKey: string; readonly line: Buffer }[];
    };
    readonly minBitLength: number;
    bodyHashes: ReadonlyMap<string, BodyHash>;
    keyCache: KeyCache;
    prepareSignature(signature: SignatureField): void;
    verifySignature(signature: SignatureField): Promise<DKIMResult>;
    skippedSignatureResult(signature: SignatureField): DKIMResult;
  }
}
