// The message to look at: read from a file or standard input, and brought into the form that SMTP carries.
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import {
  countReceived,
  HeaderCollector,
  type HeaderSection,
  maxReceived,
} from '../message/header-section.ts';
import { type BareNewlines, Newlines } from '../smtp/newlines.ts';
import { VerifyError } from './error.ts';

/** What a listener takes. */
export interface InputLimits {
  readonly messageBytes: number;
  readonly headerBytes: number;
  readonly bareNewlines: BareNewlines;
}

/** A message as it goes through the proxy. */
export interface Message {
  readonly header: HeaderSection;
  /** What follows the empty line. */
  readonly body: Buffer;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
};

/**
 * Reads a message.
 *
 * @param file its name; undefined: standard input
 * @throws {VerifyError}
 */
export async function readMessage(file: string | undefined, limits: InputLimits): Promise<Message> {
  const stream = file === undefined ? process.stdin : createReadStream(file);
  try {
    return parseMessage(await readAll(stream, limits.messageBytes), limits);
  } catch (error) {
    const name = file ?? 'standard input';
    if (error instanceof VerifyError) throw new VerifyError(error.kind, `${name}: ${error.message}`);
    if (!(error instanceof Error && 'code' in error)) throw error;
    const code = String(error.code);
    throw new VerifyError('noInput', `${name}: cannot be read: ${reasons[code] ?? error.message} (${code})`);
  } finally {
    stream.destroy();
  }
}

async function readAll(stream: Readable, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > limitBytes) throw tooLarge(limitBytes);
  }
  return Buffer.concat(chunks);
}

/**
 * Brings the bytes of a file into the form that SMTP carries. A first line "From ..." is a mailbox
 * file's and is left out; where the first line ends with LF alone, so do all, and they become CRLF.
 *
 * @throws {VerifyError}
 */
export function parseMessage(file: Buffer, limits: InputLimits): Message {
  const bytes = withoutMailboxLine(file);
  if (bytes.length === 0) throw new VerifyError('noInput', 'there is no message, it is empty');
  const firstEnd = bytes.indexOf('\n');
  const onDisk = firstEnd >= 0 && bytes[firstEnd - 1] !== 0x0d;
  const newlines = new Newlines(onDisk ? 'normalize' : limits.bareNewlines);
  const message = Buffer.concat([newlines.push(bytes), newlines.end()]);
  if (!onDisk && newlines.found && (limits.bareNewlines === 'reject' || newlines.smuggling)) {
    throw refused('it holds a bare CR or LF', '550 5.6.11');
  }
  if (message.length > limits.messageBytes) throw tooLarge(limits.messageBytes);
  const collector = new HeaderCollector(limits.headerBytes);
  const headerBytes = collector.push(message);
  if (collector.overLimit)
    throw refused(`its header section is over ${limits.headerBytes} bytes`, '552 5.3.4');
  const header = collector.section();
  if (countReceived(header) > maxReceived) {
    throw refused(`it has more than ${maxReceived} Received fields`, '554 5.4.6');
  }
  return { header, body: message.subarray(headerBytes) };
}

/** RFC 4155: a mailbox file has such a line before each message. */
function withoutMailboxLine(file: Buffer): Buffer {
  if (file.toString('latin1', 0, 5) !== 'From ') return file;
  const end = file.indexOf('\n');
  return end < 0 ? Buffer.alloc(0) : file.subarray(end + 1);
}

function tooLarge(limitBytes: number): VerifyError {
  return refused(`it is over ${limitBytes} bytes`, '552 5.3.4');
}

function refused(why: string, reply: string): VerifyError {
  return new VerifyError(
    'data',
    `the proxy would refuse the message with ${reply}, and not judge it: ${why}`,
  );
}
