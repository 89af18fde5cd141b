// What goes into header fields of ours, made safe against what strangers put into it: values, texts, folding.
import { domainToASCII, domainToUnicode } from 'node:url';
import { isPrintableAscii } from '../../smtp/ascii.ts';
import type { AddedField } from '../check.ts';

/** RFC 5322 §2.1.1: how long a line should be at most. It must not pass 998: the limits below see to that. */
const foldAt = 78;
const maxValueOctets = 400;
/** Texts of ours are short; what is longer was made long by somebody else. */
const maxTextCharacters = 400;
const maxWordCharacters = 200;
const maxAddedWordOctets = 800;
/** The largest there is: an indicator of BIMI has 32 kB at most, a third more in base64. */
const maxAddedOctets = 65_536;

/** RFC 2045 §5.1. */
const token = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/;
/**
 * RFC 8601 §2.2: what may stand without quotes besides tokens, `[local-part] "@" domain-name`; such
 * with `/`, `=` or a domain of one label are quoted, which is right for each of them too.
 */
const identity =
  /^(?:[!#$%&'*+\-0-9A-Z^_`a-z{|}~]+(?:\.[!#$%&'*+\-0-9A-Z^_`a-z{|}~]+)*)?@(?!-)[0-9A-Za-z-]+(?<!-)(?:\.(?!-)[0-9A-Za-z-]+(?<!-))+$/;
/** RFC 5322 §3.2.3. */
const dotAtom = /^[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+(?:\.[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+)*$/;
/** RFC 5322 §2.2: a field name is printable ASCII without colon. */
export const fieldName = /^[!-9;-~]{1,70}$/;
/** What ends lines, is invisible, or turns the order of what is read (UAX #9). */
const control = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]/u;
const controls = new RegExp(control, 'gu');

/**
 * A field that a check adds: its text made safe and folded. White space in it may become other white space.
 *
 * @returns latin1 string with CRLF; undefined for a name that can't be one, and for a value that is
 *   empty or over 64 KiB
 */
export function formatAddedField({ name, value }: AddedField, smtputf8: boolean): string | undefined {
  if (!fieldName.test(name) || Buffer.byteLength(value) > maxAddedOctets) return undefined;
  const words = wordsOf(value, smtputf8).flatMap((word) =>
    // White space in it is the lesser harm than a line that is too long, and none at all to base64.
    Buffer.byteLength(word) > maxAddedWordOctets ? (word.match(/.{1,76}/gu) ?? []) : [word],
  );
  return words.length === 0 ? undefined : foldField(`${name}:`, [words]);
}

/**
 * A value as token, identity or quoted-string (RFC 8601 §2.2). One that can't be written without
 * changing who it names is left out, for a property is optional, but a wrong one is a lie.
 *
 * @returns undefined when the value can't be written as it is
 */
export function formatValue(value: string, smtputf8: boolean): string | undefined {
  const text = writable(value, smtputf8);
  if (text === undefined) return undefined;
  return token.test(text) || identity.test(text) ? text : quote(text);
}

/**
 * `key=value` of Received-SPF (RFC 7208 §9.1): a dot-atom or a quoted-string.
 *
 * @returns undefined when the value can't be written as it is
 */
export function formatKeyValue(key: string, value: string, smtputf8: boolean): string | undefined {
  const text = writable(value, smtputf8);
  if (text === undefined) return undefined;
  return `${key}=${dotAtom.test(text) ? text : quote(text)}`;
}

function writable(value: string, smtputf8: boolean): string | undefined {
  if (value === '' || value.length > maxValueOctets) return undefined;
  if (isPrintableAscii(value)) return value;
  if (control.test(value) || !value.isWellFormed()) return undefined;
  const text = smtputf8 ? value : asciiValue(value);
  return text !== undefined && Buffer.byteLength(text) <= maxValueOctets ? text : undefined;
}

/**
 * Without SMTPUTF8 domains are A-labels (RFC 8616 §5), and a local part that is not ASCII is left out: an
 * address without one begins with its "@" (RFC 8601 §2.2).
 */
function asciiValue(value: string): string | undefined {
  if (isPrintableAscii(value)) return value;
  const at = value.lastIndexOf('@');
  const domain = asciiDomain(value.slice(at + 1));
  const local = value.slice(0, at + 1);
  return domain && (isPrintableAscii(local) ? local : '@') + domain;
}

/** @returns undefined for what is no domain, of which the conversion would take the part that looks like one */
function asciiDomain(domain: string): string | undefined {
  const ascii = isPrintableAscii(domain) ? domain : domainToASCII(domain);
  const same = ascii === domain || domainToUnicode(ascii) === domain.normalize('NFC').toLowerCase();
  return same && domain.includes('.') ? ascii : undefined;
}

/** A comment in parentheses, in words; what it holds can neither end it nor open another. None for no text. */
export function commentWords(text: string, smtputf8: boolean): string[] {
  const safe = safeText(text, smtputf8).replace(/[\\()]/g, '\\$&');
  return safe === '' ? [] : `(${safe})`.split(' ');
}

/** A text for people as a quoted-string; '' for none. */
export function quoted(text: string, smtputf8: boolean): string {
  const safe = safeText(text, smtputf8);
  return safe === '' ? '' : quote(safe);
}

/** RFC 5322 §3.2.4. */
function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** A text for people: control characters and line ends become spaces, long words and texts are cut. */
export function safeText(text: string, smtputf8: boolean): string {
  const cut = wordsOf(text.slice(0, 4 * maxTextCharacters), smtputf8).map((word) =>
    word.length > maxWordCharacters ? `${word.slice(0, maxWordCharacters)}...` : word,
  );
  const whole = cut.join(' ');
  const short = whole.length > maxTextCharacters ? `${whole.slice(0, maxTextCharacters)}...` : whole;
  return short.toWellFormed();
}

/** What is left of a text when only what is visible counts, and without SMTPUTF8 only ASCII. */
function wordsOf(text: string, smtputf8: boolean): string[] {
  const visible = isPrintableAscii(text) ? text : visibleOf(text, smtputf8);
  return visible.split(' ').filter((word) => word !== '');
}

function visibleOf(text: string, smtputf8: boolean): string {
  const printable = text.toWellFormed().replace(controls, ' ');
  return smtputf8 ? printable : printable.replace(/[^\x20-\x7e]/gu, '?');
}

/**
 * Folds a field's words (RFC 5322 §2.2.3): each group begins a line, and so does each word that
 * would pass column 78. A word that is longer by itself is a quoted-string with spaces, if it has
 * any: it is folded at these, so that unfolding gives exactly what it was.
 *
 * @param name with its colon
 * @param groups never empty words, without line ends
 * @returns latin1 string with CRLF at the end
 */
export function foldField(name: string, groups: readonly (readonly string[])[]): string {
  const lines: string[] = [];
  let line = name;
  let octets = Buffer.byteLength(name);
  const place = (word: string, wordOctets: number, indent: string, begins: boolean) => {
    if (begins || octets + 1 + wordOctets > foldAt) {
      lines.push(line);
      line = indent + word;
      octets = indent.length + wordOctets;
    } else {
      line += ` ${word}`;
      octets += 1 + wordOctets;
    }
  };
  groups.forEach((words, i) => {
    words.forEach((word, j) => {
      const begins = i > 0 && j === 0;
      const indent = begins ? ' ' : '  ';
      const wordOctets = Buffer.byteLength(word);
      if (indent.length + wordOctets <= foldAt) {
        place(word, wordOctets, indent, begins);
        return;
      }
      const [first = '', ...rest] = word.split(/(?<=\S) (?=\S)/);
      place(first, Buffer.byteLength(first), indent, begins);
      for (const piece of rest) place(piece, Buffer.byteLength(piece), ' ', false);
    });
  });
  lines.push(line, '');
  const field = lines.join('\r\n');
  return Buffer.byteLength(field) === field.length ? field : Buffer.from(field, 'utf8').toString('latin1');
}
