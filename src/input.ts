// What a command is given to read: a file or standard input, whole, up to a limit.
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { Progress } from './progress.ts';

/** Nothing could be read, or too much of it; the message names no file. */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly kind: 'unreadable' | 'tooLarge';

  constructor(kind: InputError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
};

/** What a file is called in a message to whoever gave it. */
export function inputName(file: string | undefined): string {
  return file ?? 'standard input';
}

/**
 * Reads everything; a terminal is told how far it is when that takes long.
 *
 * @param file its name; undefined: standard input
 * @throws {InputError}
 */
export async function readInput(file: string | undefined, limitBytes: number): Promise<Buffer> {
  const stream = file === undefined ? process.stdin : createReadStream(file);
  const progress = new Progress(`reading ${inputName(file)}`, process.stderr);
  try {
    return await readAll(stream, limitBytes, progress);
  } catch (error) {
    if (error instanceof InputError || !(error instanceof Error && 'code' in error)) throw error;
    const code = String(error.code);
    throw new InputError('unreadable', `cannot be read: ${reasons[code] ?? error.message} (${code})`);
  } finally {
    progress.end();
    stream.destroy();
  }
}

async function readAll(stream: Readable, limitBytes: number, progress: Progress): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > limitBytes) throw new InputError('tooLarge', `it is over ${limitBytes} bytes`);
    progress.at(bytes);
  }
  return Buffer.concat(chunks);
}

/** RFC 4155: a mailbox file has a line `From ...` before each message, which is no part of it. */
export function withoutMailboxLine(file: Buffer): Buffer {
  if (file.toString('latin1', 0, 5) !== 'From ') return file;
  const end = file.indexOf('\n');
  return end < 0 ? Buffer.alloc(0) : file.subarray(end + 1);
}
