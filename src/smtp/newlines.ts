// CR and LF that do not stand together in a message: found, and made into line ends (RFC 5321 §2.3.8).

/** What is done about bare CR and bare LF in a message. */
export type BareNewlines = 'normalize' | 'reject' | 'pass';

const cr = 0x0d;
const lf = 0x0a;
const crlf = Buffer.from('\r\n');
const space = 0x20;
const nothing = Buffer.alloc(0);

/** A dot alone on a line whose beginning is a bare LF or a bare CR: there no dot is stuffed. */
const loneDot = /(?:[^\r]\n|\r)\.[\r\n]/;

/**
 * Watches a message for bare CR and bare LF, and for what a lax reader could take for its end.
 * With `normalize` they are replaced as Postfix ≥ 3.9 does (smtpd_forbid_bare_newline = normalize,
 * cleanup_replace_stray_cr_lf): LF alone becomes CRLF, CR alone becomes a space.
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
   * @returns it, or what it becomes; a CR at its end is held back until the next piece
   */
  push(chunk: Buffer): Buffer {
    let piece = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#held = nothing;
    if (piece.at(-1) === cr) {
      this.#held = piece.subarray(-1);
      piece = piece.subarray(0, -1);
    }
    return this.#take(piece);
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

/** Index of the first CR or LF that stands alone, or -1. The piece does not begin inside a CRLF. */
function firstBare(piece: Buffer): number {
  // Lines are short: to search for each of their ends would take longer than to look at every byte.
  const { length } = piece;
  for (let at = 0; at < length; at++) {
    const byte = piece[at];
    if (byte === lf) return at;
    if (byte !== cr) continue;
    at += 1;
    if (piece[at] !== lf) return at - 1;
  }
  return -1;
}

function replaceFrom(piece: Buffer, first: number): Buffer {
  // At most each byte becomes two: one allocation, however many line ends there are.
  const replaced = Buffer.allocUnsafe(2 * piece.length - first);
  piece.copy(replaced, 0, 0, first);
  let length = first;
  for (let at = first; at < piece.length; at++) {
    const byte = piece[at] ?? 0;
    const paired = byte === cr && piece[at + 1] === lf;
    if (paired) at += 1;
    if (paired || byte === lf) {
      replaced[length++] = cr;
      replaced[length++] = lf;
    } else {
      replaced[length++] = byte === cr ? space : byte;
    }
  }
  return replaced.subarray(0, length);
}
