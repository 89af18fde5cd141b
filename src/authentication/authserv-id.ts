// The authserv-id of an Authentication-Results field that somebody else wrote (RFC 8601 §2.2, §5).
import { domainToASCII } from 'node:url';

/** Longer ones are nobody's. */
const maxCharacters = 1024;

/**
 * Reads the authserv-id as the most lenient of all readers would: comments, folding and quotes
 * removed, ended by `;`, `/`, or white space. A field that any reader could take for ours is ours.
 *
 * @param body the field's body, latin1 string
 * @returns in the form that {@link normalizeAuthservId} gives; '' for none
 */
export function readAuthservId(body: string): string {
  let id = '';
  let at = 0;
  while (at < body.length && id.length <= maxCharacters) {
    const character = body[at] ?? '';
    if (character === '(') {
      at = afterComment(body, at);
    } else if (character === '"') {
      const { content, next } = readQuoted(body, at);
      id += content;
      at = next;
    } else if (/[ \t\r\n\v\f]/.test(character)) {
      if (id !== '') break;
      at++;
    } else if (character === ';' || character === '/') {
      break;
    } else {
      id += character;
      at++;
    }
  }
  return normalizeAuthservId(Buffer.from(id, 'latin1').toString('utf8'));
}

/** The form that is compared: lower case, domains as A-labels, no final dot. */
export function normalizeAuthservId(authservId: string): string {
  const id = authservId.trim().toLowerCase().replace(/\.$/, '');
  return domainToASCII(id) || id;
}

/** RFC 5322 §3.2.2: comments nest. An unclosed one lasts to the end. */
function afterComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '(') depth++;
    else if (character === ')' && --depth === 0) return at + 1;
  }
  return text.length;
}

function readQuoted(text: string, start: number): { content: string; next: number } {
  let content = '';
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at] ?? '';
    if (character === '"') return { content, next: at + 1 };
    if (character === '\\') content += text[++at] ?? '';
    else if (character !== '\r' && character !== '\n') content += character;
  }
  return { content, next: text.length };
}
