// The authserv-id of an Authentication-Results field that somebody else wrote (RFC 8601 §2.2, §5).
import { domainToASCII } from 'node:url';
import { afterBlank, afterComment, afterQuoted, unquoted } from './structured.ts';

/** RFC 2045 §5.1 token, with bytes of UTF-8 (RFC 6532). */
const token = /[!#$%&'*+\-.0-9A-Z^_`a-z{|}~\x80-\xff]+/y;
/** RFC 8601 §2.2; the only version there is. */
const version = /0*1(?![0-9])/y;
/** White space that folds is CR and LF together; all other control characters have no business here. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const control = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)/;

/** What separates labels (UTS 46 §2.3). */
const dots = '.\u3002\uff0e\uff61';

/** RFC 1035 §2.3.4: no domain is longer, and none of its labels; what is, is nobody's name. */
const maxDomainCharacters = 255;
const maxLabelCharacters = 63;

/**
 * Reads who says that it wrote a field. Of what follows only the lexical structure counts: comments
 * and quoted-strings end, and nothing is a control character; many a field has results that are odd.
 *
 * @param body the field's body, latin1 string
 * @returns in the form that {@link normalizeAuthservId} gives; undefined for a field that can't be
 *   read, so that each reader may take it for something else
 */
export function readAuthservId(body: string): string | undefined {
  if (control.test(body) || !isWhole(body)) return undefined;
  const start = afterBlank(body, 0) ?? body.length;
  const end = body[start] === '"' ? afterQuoted(body, start) : afterMatch(token, body, start);
  if (end === undefined || !isEndOfName(body, end)) return undefined;
  const word = body.slice(start, end);
  const bytes = body[start] === '"' ? unquoted(word) : word;
  const id = Buffer.from(bytes, 'latin1').toString('utf8');
  // Bytes that are no UTF-8: a lone A0, for one, is white space to some.
  if (id.includes('\ufffd')) return undefined;
  return normalizeAuthservId(id) || undefined;
}

/** The form that is compared: lower case, domains as A-labels, no final dots, nothing that cannot be seen. */
export function normalizeAuthservId(authservId: string): string {
  const id = withoutFinalDots(authservId.replace(/[\s\p{C}\p{Z}]/gu, '').toLowerCase());
  return mayBeInternational(id) ? domainToASCII(id) || id : id;
}

/** One after the other: a pattern would take time that grows with the square of dots that are not at the end. */
function withoutFinalDots(id: string): string {
  let end = id.length;
  while (end > 0 && dots.includes(id.charAt(end - 1))) end--;
  return id.slice(0, end);
}

/** Names of others are converted only where they are short: the time that takes grows with the square. */
function mayBeInternational(id: string): boolean {
  if (/^[\x20-\x7e]*$/.test(id) || id.length > maxDomainCharacters) return false;
  return id.split(new RegExp(`[${dots}]`)).every((label) => label.length <= maxLabelCharacters);
}

/** Whether each comment and each quoted-string in it has an end. */
function isWhole(body: string): boolean {
  let at: number | undefined = 0;
  while (at !== undefined && at < body.length) {
    if (body[at] === '(') at = afterComment(body, at);
    else if (body[at] === '"') at = afterQuoted(body, at);
    else at++;
  }
  return at !== undefined;
}

/** After the name: a version or none, and then `;` or nothing. */
function isEndOfName(body: string, nameEnd: number): boolean {
  const next = afterBlank(body, nameEnd) ?? nameEnd;
  const versionEnd = next > nameEnd ? afterMatch(version, body, next) : undefined;
  const end = versionEnd === undefined ? next : (afterBlank(body, versionEnd) ?? versionEnd);
  return end === body.length || body[end] === ';';
}

function afterMatch(pattern: RegExp, text: string, start: number): number | undefined {
  pattern.lastIndex = start;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
