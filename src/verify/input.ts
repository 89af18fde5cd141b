// The message to look at: read from a file or standard input, and brought into the form that SMTP carries.
import { InputError, inputName, readInput, withoutMailboxLine } from '../input.ts';
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

/**
 * Reads a message.
 *
 * @param file its name; undefined: standard input
 * @throws {VerifyError}
 */
export async function readMessage(file: string | undefined, limits: InputLimits): Promise<Message> {
  try {
    return parseMessage(await read(file, limits.messageBytes), limits);
  } catch (error) {
    if (error instanceof VerifyError)
      throw new VerifyError(error.kind, `${inputName(file)}: ${error.message}`);
    throw error;
  }
}

async function read(file: string | undefined, limitBytes: number): Promise<Buffer> {
  try {
    return await readInput(file, limitBytes);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw error.kind === 'tooLarge' ? tooLarge(limitBytes) : new VerifyError('noInput', error.message);
  }
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
  if (collector.overLimit) throw refused(`its header section is over ${collector.overLimit}`, '552 5.3.4');
  const header = collector.section();
  if (countReceived(header) > maxReceived) {
    throw refused(`it has more than ${maxReceived} Received fields`, '554 5.4.6');
  }
  return { header, body: message.subarray(headerBytes) };
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
