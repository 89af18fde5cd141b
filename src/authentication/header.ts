// The Authentication-Results field of our own: RFC 8601 §2.2 syntax, folded, safe against what results hold.
import { domainToASCII } from 'node:url';
import type { AddedField } from './check.ts';
import type { Property, Result } from './result.ts';

/** RFC 5322 §2.1.1: lines should be, and must be, no longer. */
const foldAt = 78;
const maxValueOctets = 400;
/** Texts of ours are short; what is longer was made long by somebody else. */
const maxTextCharacters = 400;
const maxWordCharacters = 200;

/** RFC 2045 §5.1 token. */
const token = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/;
/** RFC 8601 §2.2: pvalue may also be `[[local-part] "@"] domain-name`. */
const identity = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]*@[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?$/;
/** RFC 5322 §3.2.3. */
const dotAtom = /^[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+(?:\.[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+)*$/;
/** RFC 8601 §2.2: methods, results and property names are Keywords (RFC 5321 §4.1.2). */
const keyword = /^[0-9A-Za-z](?:[0-9A-Za-z_-]*[0-9A-Za-z])?$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
const control = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/;

/**
 * The whole field.
 *
 * @param name of the field: Authentication-Results, or one that is read like it
 * @param smtputf8 whether the message may have UTF-8 in its header (RFC 6531); else all is ASCII
 * @returns latin1 string (one character per byte) of folded lines, the last with its CRLF
 */
export function formatAuthenticationResults(
  name: string,
  authservId: string,
  results: readonly Result[],
  smtputf8: boolean,
): string {
  return foldField(`${name}:`, authenticationResultsWords(authservId, results, smtputf8));
}

/** RFC 5322 §2.2: a field name is printable ASCII without colon. */
const fieldName = /^[!-9;-~]{1,70}$/;

/**
 * A field that a check adds: its text made safe and folded.
 *
 * @returns latin1 string with CRLF; undefined for a name that can't be one
 */
export function formatAddedField({ name, value }: AddedField, smtputf8: boolean): string | undefined {
  if (!fieldName.test(name)) return undefined;
  return foldField(`${name}:`, [safeText(value, smtputf8).split(' ')]);
}

/** The words of the field's body; a line may be folded between any two of them. */
function authenticationResultsWords(
  authservId: string,
  results: readonly Result[],
  smtputf8: boolean,
): string[][] {
  const groups = results.map((result) => resultWords(result, smtputf8)).filter((words) => words.length > 0);
  const id = formatValue(authservId, smtputf8) ?? 'invalid';
  // RFC 8601 §2.2: no-result.
  if (groups.length === 0) return [[`${id};`, 'none']];
  groups.unshift([id]);
  const last = groups.length - 1;
  return groups.map((words, i) => (i === last ? words : [...words.slice(0, -1), `${words.at(-1)};`]));
}

function resultWords(result: Result, smtputf8: boolean): string[] {
  if (!keyword.test(result.method) || !keyword.test(result.value)) return [];
  const words = [`${result.method}=${result.value}`];
  if (result.comment) words.push(...commentWords(result.comment, smtputf8));
  if (result.reason) words.push(`reason=${quote(safeText(result.reason, smtputf8))}`);
  for (const property of result.properties) words.push(...propertyWords(property, smtputf8));
  return words;
}

function propertyWords({ ptype, property, value, comment }: Property, smtputf8: boolean): string[] {
  const formatted = formatValue(value, smtputf8);
  if (formatted === undefined || !keyword.test(ptype) || !keyword.test(property)) return [];
  const words = [`${ptype}.${property}=${formatted}`];
  return comment ? [...words, ...commentWords(comment, smtputf8)] : words;
}

/**
 * A value as token, identity or quoted-string. One that can't be written without changing who it
 * names is left out, for a property is optional, but a wrong one is a lie.
 */
function formatValue(value: string, smtputf8: boolean): string | undefined {
  const text = writable(value, smtputf8);
  if (text === undefined) return undefined;
  return token.test(text) || identity.test(text) ? text : quote(text);
}

function writable(value: string, smtputf8: boolean): string | undefined {
  const text = smtputf8 ? value : asciiValue(value);
  if (text === undefined || text === '' || control.test(text) || !text.isWellFormed()) return undefined;
  return Buffer.byteLength(text) > maxValueOctets ? undefined : text;
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

/** Without SMTPUTF8 domains are A-labels (RFC 8616 §5), and a local part that is not ASCII is left out. */
function asciiValue(value: string): string | undefined {
  if (isAscii(value)) return value;
  const at = value.lastIndexOf('@');
  const domain = domainToASCII(value.slice(at + 1));
  if (domain === '') return undefined;
  const local = value.slice(0, at + 1);
  return isAscii(local) ? local + domain : domain;
}

/** A comment in parentheses, in words; what it holds can neither end it nor open another. */
export function commentWords(text: string, smtputf8: boolean): string[] {
  const words = safeText(text, smtputf8)
    .replace(/[\\()]/g, '\\$&')
    .split(' ');
  return `(${words.join(' ')})`.split(' ');
}

/** RFC 5322 §3.2.4 quoted-string. */
export function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** A text for people: control characters and line ends become spaces, long words and texts are cut. */
export function safeText(text: string, smtputf8: boolean): string {
  const printable = text
    .slice(0, 4 * maxTextCharacters)
    .toWellFormed()
    .replace(new RegExp(control.source, 'g'), ' ');
  const ascii = smtputf8 ? printable : printable.replace(/[^\x20-\x7e]/gu, '?');
  const words = ascii.split(' ').filter((word) => word !== '');
  const cut = words.map((word) =>
    word.length > maxWordCharacters ? `${word.slice(0, maxWordCharacters)}...` : word,
  );
  const whole = cut.join(' ');
  const short = whole.length > maxTextCharacters ? `${whole.slice(0, maxTextCharacters)}...` : whole;
  return short.toWellFormed();
}

/**
 * Folds a field's words (RFC 5322 §2.2.3): each group begins a line, and so does each word that
 * would pass column 78.
 *
 * @param groups never empty words, without line ends
 * @returns latin1 string with CRLF at the end
 */
export function foldField(name: string, groups: readonly (readonly string[])[]): string {
  const lines: string[] = [];
  let line = name;
  groups.forEach((words, i) => {
    words.forEach((word, j) => {
      const begins = i > 0 && j === 0;
      if (begins || (Buffer.byteLength(`${line} ${word}`) > foldAt && line !== name)) {
        lines.push(line);
        line = begins ? ` ${word}` : `  ${word}`;
      } else {
        line += ` ${word}`;
      }
    });
  });
  lines.push(line, '');
  return Buffer.from(lines.join('\r\n'), 'utf8').toString('latin1');
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
