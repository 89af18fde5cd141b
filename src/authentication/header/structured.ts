// White space, comments and quoted-strings in structured fields that somebody else wrote (RFC 5322 §3.2).

/**
 * Goes over white space and comments (CFWS, RFC 5322 §3.2.2).
 *
 * @returns where they end; undefined when a comment does not
 */
export function afterBlank(text: string, start: number): number | undefined {
  let at: number | undefined = start;
  while (at !== undefined && at < text.length) {
    const character = text[at] ?? '';
    if (character === '(') at = afterComment(text, at);
    else if (isWhiteSpace(character)) at++;
    else return at;
  }
  return at;
}

/**
 * Comments nest (RFC 5322 §3.2.2).
 *
 * @param start where its parenthesis is
 * @returns what follows its end; undefined when it has none
 */
export function afterComment(text: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '(') depth++;
    else if (character === ')' && --depth === 0) return at + 1;
  }
  return undefined;
}

/**
 * RFC 5322 §3.2.4.
 *
 * @param start where its first quote is
 * @returns what follows its end; undefined when it has none
 */
export function afterQuoted(text: string, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '"') return at + 1;
  }
  return undefined;
}

/** @returns what a quoted-string stands for: without quotes, escapes and folding */
export function unquoted(quotedString: string): string {
  return quotedString
    .slice(1, -1)
    .replace(/[\r\n]/g, '')
    .replace(/\\(.)/gs, '$1');
}

function isWhiteSpace(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\r' || character === '\n';
}
