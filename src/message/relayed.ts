// The message as it goes downstream: added fields, the header section without removed ones, the rest as it came.
import { Newlines } from '../smtp/newlines.ts';
import type { HeaderField, HeaderSection } from './header-section.ts';
import type { Spool } from './spool.ts';

export interface RelayedMessage {
  /** The bytes to send, without dot-stuffing; may be iterated once. Asynchronous ones are good until the next are asked for. */
  readonly chunks: Iterable<Buffer> | AsyncIterable<Buffer>;
  /** The fields that are left out, or have something else in their place. */
  readonly rewritten: readonly HeaderField[];
  /** Whether a lone dot stands behind a bare LF now, where a field stood between them: see {@link Newlines}. */
  readonly smuggling: boolean;
}

/** What is gathered into the first chunk: a message of usual size leaves in one write. */
const firstChunkBytes = 64 * 1024;

/**
 * Puts together what downstream gets.
 *
 * @param section the header section of the message in `spool`
 * @param added fields for the top, each folded and ended with CRLF; latin1 strings, one character per
 *   byte. The last should be a Received: a message whose first line is folded, which no field may be,
 *   continues it then, and not a field that somebody believes
 * @param rewrite gives what stands in a field's place: undefined, the field itself; empty, nothing
 * @throws {SpoolError} while the chunks are read
 */
export function relayed(
  spool: Spool,
  section: HeaderSection,
  added: readonly string[],
  rewrite: (name: string, raw: Buffer) => Buffer | undefined,
): RelayedMessage {
  const kept: Buffer[] = [];
  const rewritten: HeaderField[] = [];
  for (const field of section.fields) {
    const instead = rewrite(field.name, field.raw);
    if (instead !== undefined) rewritten.push(field);
    kept.push(instead ?? field.raw);
  }
  const newlines = new Newlines('pass');
  if (rewritten.length > 0) for (const piece of kept) newlines.push(piece);
  const top = Buffer.from(added.join(''), 'latin1');
  const head = [top, ...(rewritten.length > 0 ? kept : [section.raw])].filter(({ length }) => length > 0);
  const rest = spool.read(section.sizeBytes);
  const chunks = Symbol.iterator in rest ? together(head, rest) : inTurn(head, rest);
  return { chunks, rewritten, smuggling: newlines.smuggling };
}

/** What is in memory; as much as there is room for in the first chunk. */
function* together(head: readonly Buffer[], rest: Iterable<Buffer>): Generator<Buffer, void, undefined> {
  const first = [...head];
  let roomBytes = firstChunkBytes - head.reduce((sum, field) => sum + field.length, 0);
  for (const piece of rest) {
    roomBytes -= piece.length;
    if (roomBytes < 0 && first.length > 0) yield Buffer.concat(first.splice(0));
    if (roomBytes < 0) yield piece;
    else first.push(piece);
  }
  if (first.length > 0) yield Buffer.concat(first);
}

/** The same from a file. */
async function* inTurn(
  head: readonly Buffer[],
  rest: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  const first = [...head];
  for await (const piece of rest) yield first.length > 0 ? Buffer.concat([...first.splice(0), piece]) : piece;
  if (first.length > 0) yield Buffer.concat(first);
}
