// The message as it goes downstream: added fields, the header section without removed ones, the rest as it came.
import { Newlines } from '../smtp/newlines.ts';
import type { HeaderField, HeaderSection } from './header-section.ts';
import type { Spool } from './spool.ts';

export interface RelayedMessage {
  /** The bytes to send, without dot-stuffing; may be iterated once. */
  readonly chunks: AsyncIterable<Buffer>;
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
  const head = [...added.map((field) => Buffer.from(field, 'latin1')), ...kept];
  const newlines = new Newlines('pass');
  if (rewritten.length > 0) for (const piece of kept) newlines.push(piece);
  const chunks = headThenRest(head, spool.read(section.sizeBytes));
  return { chunks, rewritten, smuggling: newlines.smuggling };
}

async function* headThenRest(
  head: readonly Buffer[],
  rest: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  let first = [...head];
  let firstBytes = head.reduce((sum, field) => sum + field.length, 0);
  for await (const piece of rest) {
    if (first.length > 0 && firstBytes + piece.length <= firstChunkBytes) {
      first.push(piece);
      firstBytes += piece.length;
      continue;
    }
    if (first.length > 0) yield Buffer.concat(first);
    first = [];
    yield piece;
  }
  if (firstBytes > 0 && first.length > 0) yield Buffer.concat(first);
}
