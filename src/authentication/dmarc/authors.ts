// The authors that a message names: the mailboxes in its From fields (RFC 5322 §3.6.2, RFC 6854).
import addressparser from 'nodemailer/lib/addressparser';
import { toALabels } from '../../smtp/domains.ts';
import { afterComment, afterQuoted } from '../header/structured.ts';
import type { HeaderRow } from '../signatures/header-rows.ts';

/** Several hundred mailboxes; it takes time to read nested groups and comments. */
const maxFromOctets = 8 * 1024;

export interface Authors {
  /** From fields; RFC 5322 allows one. */
  readonly fromFields: number;
  /** Addresses without display names, in the order of the message; their domains are A-labels. */
  readonly headerFrom: string[];
  /** Why there is no address although there may be a field. */
  readonly unreadable?: string | undefined;
}

/** @param rows the From fields */
export function readAuthors(rows: readonly HeaderRow[]): Authors {
  const fromFields = rows.length;
  // A field has five octets at least: of more of them than fit nothing has to be looked at.
  const octets = rows.slice(0, maxFromOctets).reduce((sum, { line }) => sum + line.length, 0);
  if (octets > maxFromOctets) {
    return { fromFields, headerFrom: [], unreadable: `From of more than ${maxFromOctets} octets` };
  }
  const headerFrom = rows.flatMap(({ line }) => {
    const text = line.toString();
    return readings(text.slice(text.indexOf(':') + 1)).flatMap(addresses);
  });
  return { fromFields, headerFrom };
}

/** A NUL is passed over by some programs; for others the field ends there, and shows another author. */
function readings(body: string): readonly string[] {
  const nul = body.indexOf('\0');
  return nul < 0 ? [body] : [body, body.slice(0, nul)];
}

function addresses(body: string): string[] {
  // Nobody sees a DEL, and the parser takes it for a part of the domain.
  return addressparser(separated(body.replaceAll('\x7f', '').trim()), { flatten: true })
    .map(({ address }) => withALabels(address))
    .filter((address) => address !== '');
}

/** Ends an address without angle brackets for some programs, while others read on. */
const dividers = '>])\\:';

/**
 * Of two addresses that nothing separates, some programs show the first, others the last: each becomes an
 * author, where both are in angle brackets or something divides them that has no business there. Only
 * what stands before `<` without that is a display name: `a@example.com <b@example.net>` is honest mail as well.
 */
function separated(body: string): string {
  let text = '';
  let taken = 0;
  let inside = false;
  /** Behind the bracket of this mailbox that closed. */
  let closed: number | undefined;
  /** Whether there was an `@` of this mailbox outside of brackets. */
  let bare = false;
  for (let at = 0; at < body.length; ) {
    const character = body.charAt(at);
    if (inside) {
      if (character === '>') [inside, closed] = [false, at + 1];
    } else if (character === '<') {
      if (closed !== undefined) {
        text += `${body.slice(taken, closed)},`;
        taken = closed;
      }
      [inside, closed] = [true, undefined];
    } else if (character === ',' || character === ';') {
      [closed, bare] = [undefined, false];
    } else if (character === '@') {
      bare = true;
    } else if (character === ':' || (bare && dividers.includes(character))) {
      if (bare || closed !== undefined) {
        text += `${body.slice(taken, at)},`;
        taken = at + 1;
      }
      [closed, bare] = [undefined, false];
    }
    const next = afterUnit(body, at);
    if (next === undefined) break;
    at = next;
  }
  return text + body.slice(taken);
}

/**
 * Behind the comment, the quoted-string, the domain-literal (RFC 5322 §3.4.1) or the character at a place.
 *
 * @returns undefined where a comment or quoted-string has no end
 */
function afterUnit(body: string, at: number): number | undefined {
  if (body[at] === '(') return afterComment(body, at);
  if (body[at] === '"') return afterQuoted(body, at);
  if (body[at] === '[' && body[at - 1] === '@') return body.indexOf(']', at) + 1 || at + 1;
  return at + 1;
}

/**
 * As whoever looks the domain up does it (UTS 46): wide letters are letters, and what cannot be seen is
 * left out. What is no domain then leaves an address without one.
 */
function withALabels(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 0 ? address : `${address.slice(0, at + 1)}${toALabels(address.slice(at + 1).trim())}`;
}
