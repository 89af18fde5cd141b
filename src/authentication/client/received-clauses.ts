// Reads the clauses of a Received field (RFC 5321 §4.4) so strictly that no text of a stranger's can pass for one.

/** What stands after a clause's name. */
export interface Clause {
  readonly value: string;
  /** The comments that follow the value, without the outer parentheses, quoted pairs resolved. */
  readonly comments: readonly string[];
}

/** By name, in lower case. */
export type Clauses = ReadonlyMap<string, Clause>;

type Token = { readonly kind: 'word' | 'comment' | 'semicolon'; readonly text: string };

/** RFC 5321 §4.4 has this order; `tls` (RFC 8314 §4.3) stands before `id` where Exim writes it. */
const names = ['from', 'by', 'via', 'with', 'tls', 'id', 'for'];

/** A word, quoted strings in it: their alternatives begin with different characters, so this is linear. */
const word = /(?:[^\s()";\\]|"(?:[^"\\]|\\.)*")+/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
const control = /[\x00-\x08\x0a-\x1f\x7f]/;
/** RFC 5322 §3.3, comments removed. */
const date =
  /^(?:[A-Z][a-z]{2} ?, )?[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}(?::[0-9]{2})? (?:[+-][0-9]{4}|[A-Z]{1,5})$/;

/**
 * Each clause may be there once, in order, and each is a name with one value; a date ends the field.
 * So a HELO name with blanks, quotes, parentheses or semicolons, in a field of an upstream that does
 * not mind them, makes the whole field unreadable.
 *
 * @param body of the field, unfolded
 * @returns undefined when it is anything else
 */
export function readClauses(body: string): Clauses | undefined {
  const tokens = control.test(body) ? undefined : tokenize(body);
  const end = tokens?.findIndex(({ kind }) => kind === 'semicolon') ?? -1;
  if (!tokens || end < 0) return undefined;
  const rest = tokens.slice(end + 1).filter(({ kind }) => kind !== 'comment');
  // A semicolon among them would not be part of a date.
  if (!date.test(rest.map(({ text }) => text).join(' '))) return undefined;
  const clauses = new Map<string, { readonly value: string; readonly comments: string[] }>();
  let last = -1;
  for (let i = 0; i < end; ) {
    const [name, value] = [tokens[i], tokens[i + 1]];
    const place = name?.kind === 'word' ? names.indexOf(name.text.toLowerCase()) : -1;
    if (place <= last || value?.kind !== 'word') return undefined;
    last = place;
    const comments: string[] = [];
    for (i += 2; tokens[i]?.kind === 'comment'; i++) comments.push(tokens[i]?.text ?? '');
    clauses.set(names[place] ?? '', { value: value.text, comments });
  }
  return clauses;
}

function tokenize(text: string): readonly Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    const character = text.charAt(at);
    if (character === ' ' || character === '\t') {
      at++;
    } else if (character === ';') {
      tokens.push({ kind: 'semicolon', text: character });
      at++;
    } else if (character === '(') {
      const comment = readComment(text, at);
      if (!comment) return undefined;
      tokens.push({ kind: 'comment', text: comment.text });
      at = comment.end;
    } else {
      word.lastIndex = at;
      const [found] = word.exec(text) ?? [];
      if (found === undefined) return undefined;
      tokens.push({ kind: 'word', text: found });
      at += found.length;
    }
  }
  return tokens;
}

const [opening, closing, backslash] = [0x28, 0x29, 0x5c];

/** RFC 5322 §3.2.2: comments nest. */
function readComment(
  text: string,
  start: number,
): { readonly text: string; readonly end: number } | undefined {
  let content = '';
  let depth = 0;
  /** What follows it is taken as it is, up to the next quoted pair or the end. */
  let taken = start + 1;
  for (let at = start; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === backslash) {
      content += text.slice(taken, at);
      taken = ++at;
    } else if (character === opening) {
      depth++;
    } else if (character === closing && --depth === 0) {
      return { text: content + text.slice(taken, at), end: at + 1 };
    }
  }
  return undefined;
}
