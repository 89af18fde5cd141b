// Dot-stuffing: how a message's bytes travel between 354 and the final dot (RFC 5321 §4.5.2).

const cr = 0x0d;
const lf = 0x0a;
const dot = 0x2e;

/**
 * Stuffs a message, however its bytes are cut. Only CRLF begins a new line: behind a bare LF or CR a
 * dot stays as it is, since a receiver that follows RFC 5321 takes no dot away there.
 */
export class DotStuffer {
  /** What the last byte was: the next one starts a line, follows a CR, or is inside a line. */
  #position: 'start' | 'cr' | 'inside' = 'start';

  /**
   * @param chunk the next bytes of the message
   * @returns what goes on the wire: `chunk` itself where it needs no dot
   */
  stuff(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const dots = this.#findDots(chunk);
    this.#advance(chunk);
    if (dots.length === 0) return chunk;
    const stuffed = Buffer.allocUnsafe(chunk.length + dots.length);
    let from = 0;
    let written = 0;
    for (const at of dots) {
      written += chunk.copy(stuffed, written, from, at);
      stuffed[written] = dot;
      written += 1;
      from = at;
    }
    chunk.copy(stuffed, written, from);
    return stuffed;
  }

  /** What ends the message: the final dot, after a CRLF where the last line lacks one. */
  end(): Buffer {
    return Buffer.from(this.#position === 'start' ? '.\r\n' : '\r\n.\r\n', 'latin1');
  }

  /** Where dots stand at the start of a line. */
  #findDots(chunk: Buffer): number[] {
    const dots: number[] = [];
    if (this.#position === 'start' && chunk[0] === dot) dots.push(0);
    if (this.#position === 'cr' && chunk[0] === lf && chunk[1] === dot) dots.push(1);
    for (
      let at = chunk.indexOf('\r\n.', 0, 'latin1');
      at >= 0;
      at = chunk.indexOf('\r\n.', at + 2, 'latin1')
    ) {
      dots.push(at + 2);
    }
    return dots;
  }

  #advance(chunk: Buffer): void {
    const last = chunk[chunk.length - 1];
    const afterCr = chunk.length > 1 ? chunk[chunk.length - 2] === cr : this.#position === 'cr';
    if (last === cr) this.#position = 'cr';
    else this.#position = last === lf && afterCr ? 'start' : 'inside';
  }
}
