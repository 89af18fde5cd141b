// Addresses of the envelope and of From, taken apart in one way, so that they can be compared.
import { isIP } from 'node:net';
import { getAddressDomains } from 'mailauth/lib/dmarc/author-domain.js';
import { readAuthors } from './dmarc/authors.ts';
import { headerRows } from './signatures/header-rows.ts';
import type { HeaderField } from './subject.ts';

/** `local-part@domain` of one mailbox. */
export interface MailAddress {
  /** Without the quotes that it may stand in. */
  readonly local: string;
  /** Lower case, A-labels, without a final dot; an address literal with its brackets. */
  readonly domain: string;
}

/** @returns undefined for what is no address, or has several domains */
export function parseMailAddress(text: string): MailAddress | undefined {
  // Without "@" there is no domain: a name alone is a local part.
  const at = text.lastIndexOf('@');
  if (at < 0) return undefined;
  const [first, second] = getAddressDomains(text);
  if (!first || second) return undefined;
  return { local: unquoted(text.slice(0, at)), domain: first.authorDomain };
}

/** Who a message says its authors are. */
export interface AuthorAddresses {
  /** From fields; RFC 5322 allows one. */
  readonly fromFields: number;
  /** The authors in all of them, each once; undefined for one whose address can't be read. */
  readonly authors: readonly (MailAddress | undefined)[];
  /** Why there is none although there may be a field. */
  readonly unreadable: string | undefined;
}

/** Reads From; that needs the header section alone. */
export function authorsIn(header: readonly HeaderField[]): AuthorAddresses {
  const { fromFields, headerFrom, unreadable } = readAuthors(
    headerRows(header).filter(({ key }) => key === 'from'),
  );
  return { fromFields, authors: [...new Set(headerFrom)].map(parseMailAddress), unreadable };
}

/** @returns whether there is a name that DNS may know, and not an address in its place */
export function isDomainName(domain: string): boolean {
  return !domain.startsWith('[') && isIP(domain) === 0;
}

/** RFC 5321 §4.1.2: a quoted-string means the same as what is quoted. */
function unquoted(local: string): string {
  const quoted = /^"(.*)"$/s.exec(local.trim())?.[1];
  return quoted === undefined ? local.trim() : quoted.replace(/\\(.)/gs, '$1');
}
