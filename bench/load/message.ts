// A message as it goes on the wire below its id: CRLF line ends, dots stuffed, digested once.
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface WireMessage {
  /** Everything below the id's field, and the final dot's line. */
  readonly rest: Buffer;
  readonly digest: string;
}

const known = new Map<string, WireMessage>();

/** @param file a message, read once in a process's life; bare LF becomes CRLF */
export function readMessage(file: string): WireMessage {
  const message = known.get(file) ?? read(file);
  known.set(file, message);
  return message;
}

function read(file: string): WireMessage {
  const text = readFileSync(file, 'latin1');
  const lines = text.replace(/\r?\n/g, '\r\n').replace(/(^|\r\n)\./g, '$1..');
  const content = Buffer.from(lines.endsWith('\r\n') ? lines : `${lines}\r\n`, 'latin1');
  return { rest: Buffer.concat([content, Buffer.from('.\r\n')]), digest: hash('sha256', content) };
}
