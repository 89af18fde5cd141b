// XFORWARD: what a trusted upstream says of the client it took the message from (Postfix XFORWARD_README).
import { isIP } from 'node:net';
import { inHexadecimal, isIPv6 } from './networks.ts';
import { decodeXtext, encodeXtext } from './xtext.ts';

/** The attributes, in the order in which they are sent. */
export const xforwardNames = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'IDENT', 'SOURCE'] as const;
export type XforwardName = (typeof xforwardNames)[number];

/**
 * What XFORWARD commands of one transaction said: the value, or undefined for `[UNAVAILABLE]`.
 * A name that is missing was never named. Values are decoded latin1 strings; ADDR is a plain address
 * without its `IPV6:` prefix.
 */
export type XforwardAttributes = ReadonlyMap<XforwardName, string | undefined>;

/** Limits of XFORWARD_README: a value, and a command with its CRLF. */
const maxXforwardValue = 255;
export const maxXforwardCommand = 512;

const unavailable = '[UNAVAILABLE]';

/**
 * Reads the arguments of an XFORWARD command.
 *
 * @param text what follows the verb, latin1
 * @returns the attributes it names, or a string that says what is wrong
 */
export function parseXforward(text: string): XforwardAttributes | string {
  const attributes = new Map<XforwardName, string | undefined>();
  // Not trim(): U+00A0 is the last byte of some characters in UTF-8, and no blank here.
  const words = text.split(/[ \t]+/).filter((word) => word !== '');
  if (words.length === 0) return 'no attribute';
  for (const word of words) {
    const equals = word.indexOf('=');
    const given = word.slice(0, equals).toUpperCase();
    const name = xforwardNames.find((known) => known === given);
    if (equals < 0 || name === undefined) return `unknown attribute ${word.split('=', 1)[0]}`;
    const value = decodeXtext(word.slice(equals + 1));
    if (value === undefined || value === '') return `bad value of ${name}`;
    if (value.length > maxXforwardValue) return `value of ${name} over ${maxXforwardValue} characters`;
    // Values end up in header fields and logs; nothing that ends a line belongs into one.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    if (/[\x00-\x1f\x7f]/.test(value)) return `control character in ${name}`;
    if (value.toUpperCase() === unavailable) {
      attributes.set(name, undefined);
      continue;
    }
    const checked = checkValue(name, value);
    if (checked === undefined) return `bad value of ${name}`;
    attributes.set(name, checked);
  }
  return attributes;
}

/** The value as it is kept, or undefined when it is none for this attribute. */
function checkValue(name: XforwardName, value: string): string | undefined {
  switch (name) {
    case 'ADDR': {
      // A zone (RFC 4007 §11) is the name of a network interface over there, and means nothing here.
      const v6 = /^IPV6:([^%]*)(?:%.*)?$/i.exec(value)?.[1];
      if (v6 !== undefined) return isIPv6(v6) ? inHexadecimal(v6) : undefined;
      return isIP(value) && !value.includes('%') ? inHexadecimal(value) : undefined;
    }
    case 'PORT':
      return /^[0-9]{1,5}$/.test(value) && Number(value) <= 65535 ? value : undefined;
    case 'SOURCE':
      return /^(?:LOCAL|REMOTE)$/i.test(value) ? value.toUpperCase() : undefined;
    default:
      return value;
  }
}

/**
 * The commands that pass attributes on, without CRLF, each within 512 octets.
 *
 * @param attributes what to send; a value that is too long for a command once it is encoded goes as
 *   `[UNAVAILABLE]`
 * @param offered names in the downstream's offer; others are left out
 */
export function formatXforward(attributes: XforwardAttributes, offered: ReadonlySet<string>): string[] {
  const commands: string[] = [];
  let command = 'XFORWARD';
  for (const name of xforwardNames) {
    if (!attributes.has(name) || !offered.has(name)) continue;
    const value = attributes.get(name);
    const word = ` ${name}=${encodeValue(name, value)}`;
    if (command.length + word.length + 2 > maxXforwardCommand) {
      commands.push(command);
      command = 'XFORWARD';
    }
    command += word;
  }
  if (command !== 'XFORWARD') commands.push(command);
  return commands;
}

function encodeValue(name: XforwardName, value: string | undefined): string {
  if (value === undefined) return unavailable;
  const text = encodeXtext(name === 'ADDR' && isIPv6(value) ? `IPV6:${value}` : value);
  return `XFORWARD ${name}=${text}\r\n`.length > maxXforwardCommand ? unavailable : text;
}
