// Whether a message came through a mailing list: by what lists write into the header (RFC 2919, RFC 2369).

import { afterBlank } from '../header/structured.ts';
import type { HeaderField } from '../subject.ts';

/** RFC 2919, RFC 2369 §3.4; Precedence is older than any standard, and lists still write it. */
export function isListMail(header: readonly HeaderField[]): boolean {
  return header.some(({ name, raw }) => {
    const field = name.toLowerCase();
    if (field === 'list-id' || field === 'list-post') return true;
    return field === 'precedence' && isList(raw.toString('latin1', raw.indexOf(0x3a) + 1));
  });
}

/** RFC 2076 §3.9: the other values, `bulk` and `junk`, say nothing about lists. */
function isList(body: string): boolean {
  const start = afterBlank(body, 0) ?? body.length;
  const end = start + 'list'.length;
  return body.slice(start, end).toLowerCase() === 'list' && afterBlank(body, end) === body.length;
}
