// The Authentication-Results field of our own (RFC 8601 §2.2), whatever its results hold.

import type { Property, Result } from '../result.ts';
import { commentWords, foldField, formatValue, quoted } from './fields.ts';

/** RFC 8601 §2.2: methods, results, ptypes and properties are Keywords (RFC 5321 §4.1.2: Ldh-str). */
const keyword = /^[0-9A-Za-z-]{1,60}(?<!-)$/;

/**
 * Mail servers cut fields that are very long (Postfix: `header_size_limit`, 100 KiB), and what decides stands
 * at the end. Other results have bounds of their own; signatures can be many, with names as strangers like.
 */
const maxOctets = 32 * 1024;
const signatureMethods: ReadonlySet<string> = new Set(['dkim', 'x-google-dkim']);

/**
 * The whole field. Where it would be too long, signatures lose their properties, all but `header.d` of those
 * that pass: from the bottom, and those that do not pass first.
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
  const id = formatValue(authservId, smtputf8) ?? 'invalid';
  const words = results.map((result) => resultWords(result, smtputf8));
  const field = fold(name, id, words);
  const excess = field.length - maxOctets;
  return excess <= 0 ? field : fold(name, id, shortened(words, excess, results, smtputf8));
}

function fold(name: string, id: string, results: readonly (readonly string[])[]): string {
  const groups = results.filter((words) => words.length > 0);
  // RFC 8601 §2.2: no-result.
  if (groups.length === 0) return foldField(`${name}:`, [[`${id};`, 'none']]);
  groups.unshift([id]);
  const last = groups.length - 1;
  return foldField(
    `${name}:`,
    groups.map((words, i) => (i === last ? words : [...words.slice(0, -1), `${words.at(-1)};`])),
  );
}

/** @param excess so many octets should go */
function shortened(
  words: readonly (readonly string[])[],
  excess: number,
  results: readonly Result[],
  smtputf8: boolean,
): readonly (readonly string[])[] {
  const signatures = [...results.entries()]
    .filter(([, { method }]) => signatureMethods.has(method))
    .reverse()
    .sort(([, one], [, other]) => Number(one.value === 'pass') - Number(other.value === 'pass'));
  const short = [...words];
  let left = excess;
  for (const [i, result] of signatures) {
    if (left <= 0) break;
    const kept = result.properties.filter(({ property }) => result.value === 'pass' && property === 'd');
    const instead = resultWords({ ...result, properties: kept }, smtputf8);
    left -= octetsOf(words[i] ?? []) - octetsOf(instead);
    short[i] = instead;
  }
  return short;
}

/** With the space before each. */
function octetsOf(words: readonly string[]): number {
  return Buffer.byteLength(words.join(' ')) + 1;
}

/** What is no keyword is left out together with what it names. */
function resultWords(result: Result, smtputf8: boolean): string[] {
  if (!keyword.test(result.method) || !keyword.test(result.value)) return [];
  const reason = result.reason && quoted(result.reason, smtputf8);
  return [
    `${result.method}=${result.value}`,
    ...(result.comment ? commentWords(result.comment, smtputf8) : []),
    ...(reason ? [`reason=${reason}`] : []),
    ...result.properties.flatMap((property) => propertyWords(property, smtputf8)),
  ];
}

function propertyWords({ ptype, property, value, comment }: Property, smtputf8: boolean): string[] {
  const formatted = formatValue(value, smtputf8);
  if (formatted === undefined || !keyword.test(ptype) || !keyword.test(property)) return [];
  return [`${ptype}.${property}=${formatted}`, ...(comment ? commentWords(comment, smtputf8) : [])];
}
