// Hashes of the body as signatures name them: canonicalized (RFC 6376 §3.4.3, §3.4.4), whole or up to l= octets.
import { createHash } from 'node:crypto';

export type BodyCanonicalization = 'simple' | 'relaxed';
export type HashAlgorithm = 'sha1' | 'sha256';

/** What a signature covers of the body. */
export interface BodyCoverage {
  readonly canonicalization: BodyCanonicalization;
  readonly algorithm: HashAlgorithm;
  /** RFC 6376 §3.5 l=: octets of the canonicalized body; absent for all. */
  readonly limit?: number;
}

/** What came of it. */
export interface BodyHash {
  /** base64 */
  readonly hash: string;
  readonly bodyHashedBytes: number;
  readonly canonicalizedLength: number;
  /** Octets of the body as it came. */
  readonly byteLength: number;
}

/**
 * Hashes one body for any number of signatures: each canonicalization is done once, each algorithm runs
 * once over it, and a limit costs no more than a copy of the hash's state.
 */
export class BodyHasher {
  readonly #bodies = new Map<BodyCanonicalization, CanonicalBody>();
  #byteLength = 0;

  constructor(wanted: Iterable<BodyCoverage>) {
    for (const coverage of wanted) {
      const { canonicalization } = coverage;
      const body = this.#bodies.get(canonicalization) ?? new CanonicalBody(canonicalization === 'relaxed');
      this.#bodies.set(canonicalization, body);
      body.want(coverage);
    }
  }

  /** @param chunk the next bytes; a bare LF is a line end */
  update(chunk: Buffer): void {
    this.#byteLength += chunk.length;
    for (const body of this.#bodies.values()) body.update(chunk);
  }

  /** @returns the hash of each coverage that was wanted, by {@link coverageKey} */
  finish(): ReadonlyMap<string, BodyHash> {
    const hashes = new Map<string, BodyHash>();
    for (const [canonicalization, body] of this.#bodies) {
      for (const { algorithm, limit, hash, length } of body.finish()) {
        hashes.set(coverageKey({ canonicalization, algorithm, ...(limit !== undefined && { limit }) }), {
          hash,
          bodyHashedBytes: Math.min(length, limit ?? length),
          canonicalizedLength: length,
          byteLength: this.#byteLength,
        });
      }
    }
    return hashes;
  }
}

export function coverageKey({ canonicalization, algorithm, limit }: BodyCoverage): string {
  return `${canonicalization}:${algorithm}:${limit ?? ''}`;
}

const [cr, lf, space, tab] = [0x0d, 0x0a, 0x20, 0x09];
const sliceOctets = 16 * 1024;
/** This many line ends that wait for what follows them fit into the output beside a slice. */
const fewLines = 8;
/**
 * What a slice becomes where it does not stay as it is; one for all bodies, for nobody waits while it is in use.
 * A byte becomes two at most (LF), beside what waits from before.
 */
const output = Buffer.allocUnsafeSlow(2 * sliceOctets + 2 * fewLines + 8);
const lineEnds = Buffer.from('\r\n'.repeat(512), 'latin1');

/** One canonicalization of a body that comes in pieces; empty lines at its end are counted, not kept. */
class CanonicalBody {
  readonly #relaxed: boolean;
  readonly #hashes = new Map<HashAlgorithm, RunningHash>();
  /** Line ends that count only when something follows them. */
  #lines = 0;
  /** White space that counts only when something follows it on its line. */
  #space = false;
  /** A CR that may be half of a line end. */
  #cr = false;
  #length = 0;

  constructor(relaxed: boolean) {
    this.#relaxed = relaxed;
  }

  want({ algorithm, limit }: BodyCoverage): void {
    const hash = this.#hashes.get(algorithm) ?? new RunningHash(algorithm);
    this.#hashes.set(algorithm, hash);
    hash.want(limit);
  }

  update(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += sliceOctets) this.#slice(chunk.subarray(at, at + sliceOctets));
  }

  #slice(bytes: Buffer): void {
    const relaxed = this.#relaxed;
    let waitingCr = this.#cr;
    let waitingSpace = this.#space;
    let lines = this.#lines;
    let length = 0;
    for (let i = 0; i < bytes.length; i++) {
      if (lines === 0 && !waitingCr && !waitingSpace) {
        const until = unchanged(bytes, i, relaxed);
        if (until - i === bytes.length) {
          this.#emit(bytes);
          return;
        }
        length += bytes.copy(output, length, i, until);
        i = until;
        if (i === bytes.length) break;
      }
      const byte = bytes[i] ?? 0;
      if (byte === lf) {
        lines++;
        waitingCr = false;
        waitingSpace = false;
        continue;
      }
      const isSpace = relaxed && (byte === space || byte === tab);
      if (!waitingCr && (isSpace || byte === cr)) {
        if (isSpace) waitingSpace = true;
        else waitingCr = true;
        continue;
      }
      // Something follows what waits.
      if (lines > fewLines) {
        this.#emit(output.subarray(0, length));
        this.#emitLines(lines);
        length = 0;
        lines = 0;
      }
      for (; lines > 0; lines--) {
        output[length++] = cr;
        output[length++] = lf;
      }
      if (waitingSpace) output[length++] = space;
      waitingSpace = false;
      if (waitingCr) {
        output[length++] = cr;
        waitingCr = byte === cr;
        if (isSpace) waitingSpace = true;
        if (isSpace || byte === cr) continue;
      }
      output[length++] = byte;
    }
    this.#cr = waitingCr;
    this.#space = waitingSpace;
    this.#lines = lines;
    this.#emit(output.subarray(0, length));
  }

  /** Ends the body: §3.4.3 an empty one is CRLF, §3.4.4 an empty one stays empty. */
  finish(): (Coverage & { readonly hash: string; readonly length: number })[] {
    if (this.#cr) {
      this.#emitLines(this.#lines);
      this.#emit(Buffer.from(this.#space ? ' \r' : '\r'));
    }
    if (this.#length > 0 || !this.#relaxed) this.#emitLines(1);
    const length = this.#length;
    return [...this.#hashes].flatMap(([algorithm, hash]) =>
      hash.finish().map((digest) => ({ algorithm, length, ...digest })),
    );
  }

  #emitLines(count: number): void {
    for (let left = 2 * count; left > 0; left -= lineEnds.length) {
      this.#emit(lineEnds.subarray(0, Math.min(left, lineEnds.length)));
    }
  }

  #emit(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#length += bytes.length;
    for (const hash of this.#hashes.values()) hash.update(bytes);
  }
}

/**
 * Most bytes stay as they are, and so do most line ends and spaces: those with something else on both sides.
 *
 * @param from what stands there follows nothing that waits
 * @returns where the first byte stands of which more has to be known
 */
function unchanged(bytes: Buffer, from: number, relaxed: boolean): number {
  const { length } = bytes;
  for (let i = from; i < length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte > space) continue;
    if (byte === cr) {
      const next = bytes[i + 2] ?? cr;
      const isPlain = next > space || (!relaxed && (next === space || next === tab));
      if (bytes[i + 1] !== lf || !isPlain) return i;
      i += 1;
    } else if (byte === lf || (relaxed && byte === tab)) {
      return i;
    } else if (relaxed && byte === space && (bytes[i + 1] ?? cr) <= space) {
      return i;
    }
  }
  return length;
}

type Coverage = Omit<BodyCoverage, 'canonicalization'>;

/** A hash, with its values at several lengths. */
class RunningHash {
  readonly #hash;
  /** Those still to come; Infinity for all. */
  #limits: number[] = [];
  readonly #digests: { limit?: number; hash: string }[] = [];
  #length = 0;

  constructor(algorithm: HashAlgorithm) {
    this.#hash = createHash(algorithm);
  }

  want(limit = Number.POSITIVE_INFINITY): void {
    if (this.#limits.includes(limit)) return;
    this.#limits = [...this.#limits, limit].sort((a, b) => a - b);
  }

  update(bytes: Buffer): void {
    let at = 0;
    for (let [limit] = this.#limits; limit !== undefined; [limit] = this.#limits) {
      const until = limit - this.#length;
      if (until > bytes.length) break;
      this.#hash.update(bytes.subarray(at, until));
      at = until;
      this.#digest(limit);
    }
    // After the last limit only the length is of interest.
    if (this.#limits.length > 0) this.#hash.update(bytes.subarray(at));
    this.#length += bytes.length;
  }

  finish(): readonly { readonly limit?: number; readonly hash: string }[] {
    for (const limit of [...this.#limits]) this.#digest(limit);
    return this.#digests;
  }

  #digest(limit: number): void {
    this.#limits.shift();
    // The last one needs no state to go on with.
    const state = this.#limits.length > 0 ? this.#hash.copy() : this.#hash;
    const hash = state.digest('base64');
    this.#digests.push(Number.isFinite(limit) ? { limit, hash } : { hash });
  }
}
