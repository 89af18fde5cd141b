// Whether a message came through a mailing list: by what lists write into the header (RFC 2919, RFC 2369).
import type { HeaderField } from './check.ts';

/** RFC 2919, RFC 2369 §3.4; Precedence is older than any standard, and lists still write it. */
export function isListMail(header: readonly HeaderField[]): boolean {
  return header.some(({ name, raw }) => {
    const field = name.toLowerCase();
    if (field === 'list-id' || field === 'list-post') return true;
    return field === 'precedence' && /^precedence[ \t]*:\s*list\s*$/i.test(raw.toString('latin1', 0, 200));
  });
}
