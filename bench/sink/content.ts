// One message on its way into the sink: its end is searched, its id read and what is below digested; nothing is kept.
import { createHash, hash } from 'node:crypto';
import { idField } from '../ledger.ts';

const end = Buffer.from('\r\n.\r\n');
const field = Buffer.from(`\r\n${idField}`);
/** Content may begin with the dot that ends it: the line end before that belongs to the command. */
const before = Buffer.from('\r\n');
/** A message without an id within this many bytes has none. */
const idLimit = 4 * 1024 * 1024;
const noId = '?';

export interface Received {
  readonly id: string;
  readonly digest: string;
  /** All bytes of the content, without the final dot's line. */
  readonly bytes: number;
  /** What stands above the id: the fields that were added on the way. */
  readonly above: string;
}

export class Content {
  /** What was read and is not yet digested: what may belong to the final dot, or all until the id is found. */
  #held: Buffer = before;
  #bytes = 0;
  #id: string | undefined;
  #above = '';
  /** Of a message in several pieces; one in a single piece is digested in one go. */
  #hash: ReturnType<typeof createHash> | undefined;
  #digest = '';

  /** @returns what follows the final dot's line, or undefined while more content is to come */
  push(chunk: Buffer): Buffer | undefined {
    const known = this.#held.length;
    const data = known === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const at = data.indexOf(end, Math.max(0, known - end.length + 1));
    const complete = at >= 0;
    const stop = complete ? at + before.length : Math.max(0, data.length - end.length + 1);
    const start = this.#id === undefined ? this.#readId(data.subarray(0, stop), complete) : 0;
    if (start === undefined) {
      this.#held = data;
      return undefined;
    }
    this.#take(data.subarray(start, stop), complete);
    this.#held = data.subarray(stop);
    return complete ? data.subarray(at + end.length) : undefined;
  }

  /** After {@link push} has found the end. */
  received(): Received {
    return { id: this.#id ?? noId, digest: this.#digest, bytes: this.#bytes, above: this.#above };
  }

  /** @returns where that begins which is to be digested, or undefined when the id is still to come */
  #readId(data: Buffer, complete: boolean): number | undefined {
    const at = data.indexOf(field);
    const lineEnd = at < 0 ? -1 : data.indexOf('\r\n', at + field.length);
    let start = before.length;
    if (lineEnd >= 0) {
      this.#id = data.toString('latin1', at + field.length, lineEnd);
      this.#above = data.toString('latin1', before.length, at + before.length);
      start = lineEnd + before.length;
    } else if (complete || data.length > idLimit) this.#id = noId;
    else return undefined;
    this.#bytes += start - before.length;
    return start;
  }

  #take(piece: Buffer, last: boolean): void {
    this.#bytes += piece.length;
    if (last && !this.#hash) this.#digest = hash('sha256', piece);
    else {
      this.#hash ??= createHash('sha256');
      this.#hash.update(piece);
      if (last) this.#digest = this.#hash.digest('hex');
    }
  }
}
