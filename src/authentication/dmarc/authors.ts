// The authors that a message names: the mailboxes in its From fields (RFC 5322 §3.6.2, RFC 6854).
import addressparser from 'nodemailer/lib/addressparser';
import type { HeaderRow } from '../signatures/header-rows.ts';

/** Several hundred mailboxes; it takes time to read nested groups and comments. */
const maxFromOctets = 8 * 1024;

export interface Authors {
  /** From fields; RFC 5322 allows one. */
  readonly fromFields: number;
  /** Addresses without display names, in the order of the message. */
  readonly headerFrom: string[];
  /** Why there is no address although there may be a field. */
  readonly unreadable?: string | undefined;
}

/** @param rows the From fields */
export function readAuthors(rows: readonly HeaderRow[]): Authors {
  const octets = rows.reduce((sum, { line }) => sum + line.length, 0);
  const fromFields = rows.length;
  if (octets > maxFromOctets) {
    return { fromFields, headerFrom: [], unreadable: `From of more than ${maxFromOctets} octets` };
  }
  const headerFrom = rows.flatMap(({ line }) => {
    const text = line.toString();
    return addressparser(text.slice(text.indexOf(':') + 1).trim(), { flatten: true })
      .map(({ address }) => address)
      .filter((address) => address !== '');
  });
  return { fromFields, headerFrom };
}
