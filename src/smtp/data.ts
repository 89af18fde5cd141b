// The content after DATA on its way in: where it ends, and the dots that are not part of it (RFC 5321 §4.5.2).

/** What a piece of a connection's bytes held. */
export interface Decoded {
  /** Content without stuffed dots, in order; views of the piece, not copies. */
  readonly content: readonly Buffer[];
  /** What follows the end of data, or undefined while there is more to come. */
  readonly rest: Buffer | undefined;
}

const lineStartDot = Buffer.from('\r\n.');
const cr = 0x0d;
const lf = 0x0a;
const dot = 0x2e;
const bareCr = Buffer.from('\r');

/**
 * Where the bytes so far have left us: inside a line; after its CR; at the start of a line; after a
 * dot there; after a dot and CR there.
 */
type Position = 'line' | 'cr' | 'start' | 'dot' | 'dot-cr';

/**
 * Takes the content out of the bytes after 354, however they are cut.
 *
 * Only CRLF ends a line: data ends at CRLF.CRLF and nothing else, and a dot is removed only after a
 * CRLF. Any other reading opens the door to smuggled messages (CVE-2023-51764 and its siblings).
 */
export class DataDecoder {
  #position: Position = 'start';

  /** Takes bytes as they arrived; not to be called again once `rest` was given. */
  push(chunk: Buffer): Decoded {
    const content: Buffer[] = [];
    let from = 0;
    let at = 0;
    while (at < chunk.length) {
      const byte = chunk[at];
      switch (this.#position) {
        case 'line': {
          const found = chunk.indexOf(lineStartDot, at);
          if (found < 0) {
            this.#position = endOf(chunk);
            at = chunk.length;
          } else {
            at = found + 2;
            this.#position = 'start';
          }
          break;
        }
        case 'cr':
          if (byte === lf) {
            this.#position = 'start';
            at += 1;
          } else if (byte === cr) {
            at += 1;
          } else {
            this.#position = 'line';
          }
          break;
        case 'start':
          if (byte === dot) {
            if (at > from) content.push(chunk.subarray(from, at));
            at += 1;
            from = at;
            this.#position = 'dot';
          } else {
            this.#position = byte === cr ? 'cr' : 'line';
            if (byte === cr) at += 1;
          }
          break;
        case 'dot':
          // The dot is gone whatever follows; it was the only thing that hid this byte from us.
          if (byte === cr) {
            at += 1;
            from = at;
            this.#position = 'dot-cr';
          } else {
            from = at;
            this.#position = 'line';
          }
          break;
        case 'dot-cr':
          if (byte === lf) {
            this.#position = 'start';
            return { content, rest: chunk.subarray(at + 1) };
          }
          content.push(bareCr);
          from = at;
          this.#position = 'cr';
          break;
      }
    }
    if (from < chunk.length && this.#position !== 'dot' && this.#position !== 'dot-cr') {
      content.push(chunk.subarray(from));
    }
    return { content, rest: undefined };
  }
}

/** Where a piece that held no line start with a dot leaves us. */
function endOf(chunk: Buffer): Position {
  if (chunk.at(-1) === cr) return 'cr';
  return chunk.at(-1) === lf && chunk.at(-2) === cr ? 'start' : 'line';
}
