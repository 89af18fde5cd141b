// The extensions that a server offers in its reply to EHLO or LHLO (RFC 5321 §4.1.1.1).
import { withoutFinalBlanks } from './blanks.ts';
import type { Reply } from './reply.ts';

/** Keyword in upper case → its parameters as sent ('' for none), e.g. `SIZE` → `10240000`. */
export type Extensions = ReadonlyMap<string, string>;

/**
 * Reads what was offered: every line but the first, keyword then parameters.
 *
 * @param reply the 250 to EHLO or LHLO
 */
export function parseExtensions(reply: Reply): Extensions {
  const extensions = new Map<string, string>();
  for (const line of reply.lines.slice(1)) {
    const [keyword = '', ...parameters] = withoutFinalBlanks(line)
      .replace(/^[ \t]+/, '')
      .split(/[ \t]+/);
    // AUTH=LOGIN and its like are an old misreading of the syntax; the keyword ends there.
    const name = keyword.split('=', 1)[0]?.toUpperCase() ?? '';
    if (name !== '') extensions.set(name, parameters.join(' '));
  }
  return extensions;
}
