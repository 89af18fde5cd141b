// CR and LF that do not stand together in a message: found, and made into line ends (RFC 5321 §2.3.8).

/** What is done about bare CR and bare LF in a message. */
export type BareNewlines = 'normalize' | 'reject' | 'pass';

const cr = 0x0d;
const lf = 0x0a;
const crlf = Buffer.from('\r\n');
const space = 0x20;
const nothing = Buffer.alloc(0);
const noWords = new Int32Array(0);

/** So many CRs before a line end are taken for a part of it; a bound, since they are held back until it comes. */
const mostHeld = 8;

/** A dot alone on a line whose beginning is a bare LF or a bare CR: there no dot is stuffed. */
const loneDot = /(?:[^\r]\n|\r)\.[\r\n]/;

/**
 * Watches a message for bare CR and bare LF, and for what a lax reader could take for its end.
 * With `normalize` they are replaced as Postfix ≥ 3.9 does (smtpd_forbid_bare_newline = normalize,
 * cleanup_replace_stray_cr_lf): LF alone becomes CRLF, CR alone becomes a space. CRs before a line end go, as in
 * Postfix: with a space instead, the empty line below the header section of who writes CRCRLF would be none.
 */
export class Newlines {
  readonly #normalize: boolean;
  #held: Buffer = nothing;
  #found = false;
  #smuggling = false;
  /** The last three bytes, for a lone dot that spans two pieces. */
  #before: Buffer = crlf;

  constructor(mode: BareNewlines) {
    this.#normalize = mode === 'normalize';
  }

  /** Whether a bare CR or LF has been seen. */
  get found(): boolean {
    return this.#found;
  }

  /**
   * Whether a dot has been seen alone on a line that begins after a bare CR or LF: a lax reader's end
   * of data, with somebody's second message behind it. Never so in what `normalize` gives.
   */
  get smuggling(): boolean {
    return this.#smuggling;
  }

  /**
   * Takes the next piece of content.
   *
   * @returns it, or what it becomes; CRs at its end are held back until the next piece
   */
  push(chunk: Buffer): Buffer {
    const piece = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    let end = piece.length;
    while (end > 0 && piece.length - end < mostHeld && piece[end - 1] === cr) end--;
    this.#held = end < piece.length ? piece.subarray(end) : nothing;
    return this.#take(piece.subarray(0, end));
  }

  /** What was held back when the message has ended. */
  end(): Buffer {
    const held = this.#held;
    this.#held = nothing;
    return this.#take(held);
  }

  #take(piece: Buffer): Buffer {
    const bare = firstBare(piece);
    if (bare >= 0) this.#found = true;
    if (this.#normalize) return bare < 0 ? piece : replaceFrom(piece, bare);
    if (this.#found) {
      const edge = Buffer.concat([this.#before, piece.subarray(0, 3)]).toString('latin1');
      if (loneDot.test(edge) || (bare >= 0 && loneDot.test(piece.toString('latin1')))) this.#smuggling = true;
    }
    this.#before = Buffer.concat([this.#before, piece.subarray(-3)]).subarray(-3);
    return piece;
  }
}

/**
 * Eight bytes at once: most of them hold no byte below 14, and need no closer look. (A byte below 14 has its highest
 * bit set after the subtraction and not before; others only where such a one stands beside them.)
 *
 * @param from follows no CR
 * @returns index of the first CR or LF that stands alone, or -1
 */
export function firstBare(bytes: Buffer, from = 0): number {
  const { words, aligned } = wordsOf(bytes, from);
  let at = from;
  for (; at < aligned; at++) if (isBare(bytes, at, from)) return at;
  const even = words.length & ~1;
  for (let i = 0; i < even; i += 2) {
    const word = words[i] ?? 0;
    const next = words[i + 1] ?? 0;
    if (((((word - 0x0e0e0e0e) & ~word) | ((next - 0x0e0e0e0e) & ~next)) & 0x80808080) === 0) continue;
    at = aligned + 4 * i;
    for (const end = at + 8; at < end; at++) if (isBare(bytes, at, from)) return at;
  }
  for (at = aligned + 4 * even; at < bytes.length; at++) if (isBare(bytes, at, from)) return at;
  return -1;
}

/** The bytes four by four, from the first that is aligned for it. */
export function wordsOf(
  bytes: Buffer,
  from: number,
): { readonly words: Int32Array; readonly aligned: number } {
  const aligned = from + (-(bytes.byteOffset + from) & 3);
  const count = (bytes.length - aligned) >> 2;
  if (count <= 0) return { words: noWords, aligned: from };
  return { words: new Int32Array(bytes.buffer, bytes.byteOffset + aligned, count), aligned };
}

/** Whether a CR or LF stands alone; the byte at `from` follows no CR. */
function isBare(bytes: Buffer, at: number, from: number): boolean {
  const byte = bytes[at] ?? 0;
  if (byte > cr) return false;
  if (byte === lf) return at === from || bytes[at - 1] !== cr;
  return byte === cr && bytes[at + 1] !== lf;
}

function replaceFrom(piece: Buffer, first: number): Buffer {
  // At most each byte becomes two: one allocation, however many line ends there are.
  const replaced = Buffer.allocUnsafe(2 * piece.length - first);
  piece.copy(replaced, 0, 0, first);
  let length = first;
  for (let at = first; at < piece.length; at++) {
    const from = at;
    while (piece[at] === cr) at++;
    const ends = piece[at] === lf;
    const spaces = Math.max(0, at - from - (ends ? mostHeld : 0));
    if (spaces > 0) replaced.fill(space, length, length + spaces);
    length += spaces;
    if (ends) replaced[length++] = cr;
    if (at < piece.length) replaced[length++] = piece[at] ?? 0;
  }
  return replaced.subarray(0, length);
}
