// One message on its way into the sink: its end is searched, its id read and what is below digested; nothing is kept.
import { createHash, hash } from 'node:crypto';
import { idField } from '../ledger.ts';

const lineEnd = Buffer.from('\r\n');
const dot = Buffer.from('.\r\n');
const end = Buffer.concat([lineEnd, dot]);
const first = Buffer.from(idField);
const field = Buffer.concat([lineEnd, first]);
const nothing = Buffer.alloc(0);
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
  #held: Buffer = nothing;
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
    const at = this.#findDot(data, known);
    const complete = at >= 0;
    const stop = complete ? at : Math.max(0, data.length - end.length + 1);
    const start = this.#id === undefined ? this.#readId(data.subarray(0, stop), complete) : 0;
    if (start === undefined) {
      this.#held = data;
      return undefined;
    }
    this.#take(data.subarray(start, stop), complete);
    this.#held = data.subarray(stop);
    return complete ? data.subarray(at + dot.length) : undefined;
  }

  /** @returns where the final dot's line begins, or -1 */
  #findDot(data: Buffer, known: number): number {
    // Until the id is found, data is all of the content, and that may begin with the dot that ends it.
    if (this.#id === undefined && beginsWith(data, dot)) return 0;
    const at = data.indexOf(end, Math.max(0, known - end.length + 1));
    return at < 0 ? -1 : at + lineEnd.length;
  }

  /** After {@link push} has found the end. */
  received(): Received {
    return { id: this.#id ?? noId, digest: this.#digest, bytes: this.#bytes, above: this.#above };
  }

  /** @returns where that begins which is to be digested, or undefined when the id is still to come */
  #readId(data: Buffer, complete: boolean): number | undefined {
    const at = findField(data);
    const idEnd = at < 0 ? -1 : data.indexOf(lineEnd, at + first.length);
    let start = 0;
    if (idEnd >= 0) {
      this.#id = data.toString('latin1', at + first.length, idEnd);
      this.#above = data.toString('latin1', 0, at);
      start = idEnd + lineEnd.length;
    } else if (complete || data.length > idLimit) this.#id = noId;
    else return undefined;
    this.#bytes += start;
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

/** @returns where the line with the id begins, or -1 */
function findField(data: Buffer): number {
  if (beginsWith(data, first)) return 0;
  const at = data.indexOf(field);
  return at < 0 ? -1 : at + lineEnd.length;
}

function beginsWith(data: Buffer, bytes: Buffer): boolean {
  return data.length >= bytes.length && data.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}
