// The Received field that Postern adds (RFC 5321 §4.4; protocol names of RFC 3848 and RFC 6531 §4.3).
import { isPrintableAscii } from '../smtp/ascii.ts';
import { isIPv6 } from '../smtp/networks.ts';

/** Protocol of the connection on which a message came: RFC 3848, RFC 6531 §4.3. */
export type ReceivedWith =
  | 'SMTP'
  | 'ESMTP'
  | 'ESMTPS'
  | 'LMTP'
  | 'LMTPS'
  | 'UTF8SMTP'
  | 'UTF8SMTPS'
  | 'UTF8LMTP'
  | 'UTF8LMTPS';

export interface ReceivedInput {
  /** The client as far as it is known; latin1 strings, one character per byte. */
  readonly client: {
    readonly helo?: string | undefined;
    readonly name?: string | undefined;
    readonly ip?: string | undefined;
  };
  /** Our own host name. */
  readonly by: string;
  readonly with: ReceivedWith;
  /** The transaction's id. */
  readonly id: string;
  /** The forward-path's address, only where there is exactly one recipient: others must not learn of it. */
  readonly for?: string | undefined;
  readonly date: Date;
}

/** RFC 5322 §2.1.1: lines should have no more characters than this. */
const lineLength = 78;

/**
 * A Received field, folded, that ends with CRLF.
 *
 * What a client says of itself comes as one word: whatever could end it, start a comment or end the
 * line becomes `?`. Non-ASCII text is kept only with one of the UTF8 protocols.
 *
 * @returns latin1 string, one character per byte
 * @example
 * Received: from mail.example.com (client.example.com [192.0.2.10])
 *  by mx.example.org with ESMTP id 1a2b3c for <kim@example.org>;
 *  Fri, 21 Nov 2025 14:31:00 +0000
 */
export function receivedField(input: ReceivedInput): string {
  const utf8 = input.with.startsWith('UTF8');
  const { helo, name, ip } = input.client;
  const recipient = input.for === undefined ? undefined : forClause(input.for, utf8);
  const trace = [`by ${word(input.by, utf8)}`, `with ${input.with}`, `id ${word(input.id, utf8)}`];
  if (recipient !== undefined) trace.push(recipient);
  const lines = [
    ...fold([`Received: from ${word(helo, utf8)}`, `(${word(name, utf8)}`, `[${address(ip)}])`]),
    ...fold([...trace.slice(0, -1), `${trace.at(-1)};`]),
    dateTime(input.date),
  ];
  const field = `${lines.join('\r\n ')}\r\n`;
  return utf8 ? Buffer.from(field, 'utf8').toString('latin1') : field;
}

/** Puts as many words into each line as it should have. */
function fold(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const next of words) {
    const line = lines.at(-1);
    // One for the space between the two, one for that which a folded line begins with.
    if (line !== undefined && line.length + next.length + 2 <= lineLength)
      lines[lines.length - 1] = `${line} ${next}`;
    else lines.push(next);
  }
  return lines;
}

/** The last one that was written: it changes once a second. */
let known = { second: Number.NaN, text: '' };

/** RFC 5322 §3.3, in UTC. */
function dateTime(date: Date): string {
  const second = Math.floor(date.getTime() / 1000);
  if (second !== known.second) known = { second, text: date.toUTCString().replace('GMT', '+0000') };
  return known.text;
}

/** What stands in the field as it is. */
const plainWord = /^[!#-'*+\--:=?-[\]-~]{1,255}$/;

function word(value: string | undefined, utf8: boolean): string {
  if (value === undefined || value === '') return 'unknown';
  if (plainWord.test(value)) return value;
  return text(value.slice(0, 255), utf8).replace(/[\p{C}\p{Z}()<>",;\\]/gu, '?');
}

function address(ip: string | undefined): string {
  if (ip === undefined) return 'unknown';
  return isIPv6(ip) ? `IPv6:${word(ip, false)}` : word(ip, false);
}

/** A mailbox whose quoted string or atoms hold nothing that could be read as the end of the clause. */
const mailbox =
  /^(?:"(?:[^"\\\p{C}]|\\[\x20-\x7e])*"|[^"(),:;<>@[\\\]\p{C}\p{Z}]+)(?:@[^"(),;<>@\\\p{C}\p{Z}]+)?$/u;

/** The clause, or undefined for an address that can't stand in a header field as it is. */
function forClause(value: string, utf8: boolean): string | undefined {
  const address = value.replace(/^<(.*)>$/s, '$1');
  if (address.length > 254 || (!utf8 && !isPrintableAscii(address))) return undefined;
  const decoded = text(address, utf8);
  return mailbox.test(decoded) ? `for <${decoded}>` : undefined;
}

/** Bytes as text: UTF-8 where the transaction speaks it, else `?` for each byte that is not ASCII. */
function text(bytes: string, utf8: boolean): string {
  return utf8 ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes.replace(/[^ -~]/g, '?');
}
