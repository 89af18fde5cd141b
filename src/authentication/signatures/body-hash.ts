// Hashes of the body as signatures name them: canonicalized (RFC 6376 §3.4.3, §3.4.4), whole or up to l= octets.
import { createHash } from 'node:crypto';
import { firstBare, wordsOf } from '../../smtp/newlines.ts';

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
/** Where something has to change, so many octets are rewritten before it is looked again for what may stay. */
const rewrittenOctets = 4096;
/** What they become; one for all bodies, for nobody waits while it is in use. An octet becomes two at most (LF). */
const output = Buffer.allocUnsafeSlow(2 * rewrittenOctets + 2);
const lineEnds = Buffer.from('\r\n'.repeat(512), 'latin1');

/** One canonicalization of a body that comes in pieces; empty lines at its end are counted, not kept. */
class CanonicalBody {
  readonly #relaxed: boolean;
  readonly #hashes = new Map<HashAlgorithm, RunningHash>();
  /** Line ends that count only when something follows them. */
  #lines = 0;
  /** White space that counts only when something follows it on its line. */
  #space = false;
  /** A CR that may be half of a line end; behind that space. */
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
    for (let at = 0; at < chunk.length; ) {
      const changed = this.#space || this.#cr ? at : firstChanged(chunk, at, this.#relaxed);
      if (changed > at) this.#take(chunk.subarray(at, changed));
      at = Math.min(chunk.length, changed + rewrittenOctets);
      if (at > changed) this.#rewrite(chunk.subarray(changed, at));
    }
  }

  /** Each octet written as it would be if the body ended a line later; a space goes when its line ends. */
  #rewrite(bytes: Buffer): void {
    const relaxed = this.#relaxed;
    const last = bytes.length - 1;
    let length = 0;
    if (this.#space) output[length++] = space;
    // Before LF it is half of a line end, which LF alone makes as well.
    if (this.#cr && bytes[0] !== lf) output[length++] = cr;
    this.#cr = bytes[last] === cr;
    for (let i = 0; i <= last; i++) {
      const byte = bytes[i] ?? 0;
      if (byte > space) {
        output[length++] = byte;
      } else if (byte === lf) {
        if (relaxed && length > 0 && output[length - 1] === space) length -= 1;
        output[length++] = cr;
        output[length++] = lf;
      } else if (byte === cr) {
        if (i < last && bytes[i + 1] !== lf) output[length++] = cr;
      } else if (relaxed && (byte === space || byte === tab)) {
        if (length === 0 || output[length - 1] !== space) output[length++] = space;
      } else {
        output[length++] = byte;
      }
    }
    this.#space = relaxed && length > 0 && output[length - 1] === space;
    this.#take(output.subarray(0, this.#space ? length - 1 : length));
  }

  /** @param bytes canonicalized; what ends the last lines waits for something to follow */
  #take(bytes: Buffer): void {
    let { length } = bytes;
    while (length >= 2 && bytes[length - 1] === lf) length -= 2;
    if (length > 0) {
      this.#emitLines(this.#lines);
      this.#lines = 0;
      this.#emit(bytes.subarray(0, length));
    }
    this.#lines += (bytes.length - length) / 2;
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
 * @param from follows nothing that waits
 * @returns index of the first octet that may not stay as it is, or the length
 */
function firstChanged(bytes: Buffer, from: number, relaxed: boolean): number {
  const changed = relaxed ? firstRelaxed(bytes, from) : firstBare(bytes, from);
  return changed < 0 ? bytes.length : changed;
}

/**
 * Four octets at once, as {@link firstBare} does it: none of them below 14, and no two spaces side by side.
 *
 * @returns index of the first tab, bare CR or LF, or space that more white space follows; or -1
 */
function firstRelaxed(bytes: Buffer, from: number): number {
  const { length } = bytes;
  const { words, aligned } = wordsOf(bytes, from);
  let at = from;
  for (; at < aligned; at++) if (changes(bytes, at, from)) return at;
  for (const end = aligned + 4 * words.length; at < end; at += 4) {
    const word = words[(at - aligned) >> 2] ?? 0;
    const low = (word - 0x0e0e0e0e) & ~word & 0x80808080;
    const other = word ^ 0x20202020;
    const spaces = (other - 0x01010101) & ~other & 0x80808080;
    if ((spaces | low) === 0) continue;
    // The space before was not looked at, if nothing else stood beside it.
    if (at > from && bytes[at - 1] === space && (bytes[at] ?? 0) <= space) return at - 1;
    if ((low | (spaces & (spaces << 8))) === 0) continue;
    for (let each = at; each < at + 4; each++) if (changes(bytes, each, from)) return each;
  }
  for (; at < length; at++) {
    if (at > from && bytes[at - 1] === space && (bytes[at] ?? 0) <= space) return at - 1;
    if (changes(bytes, at, from)) return at;
  }
  return length > from && bytes[length - 1] === space ? length - 1 : -1;
}

/** Whether what stands there has to change, or may have to: a space with white space or nothing known behind it. */
function changes(bytes: Buffer, at: number, from: number): boolean {
  const byte = bytes[at] ?? 0;
  if (byte > space) return false;
  if (byte === cr) return bytes[at + 1] !== lf;
  if (byte === lf) return at === from || bytes[at - 1] !== cr;
  return byte === tab || (byte === space && (bytes[at + 1] ?? 0) <= space);
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
