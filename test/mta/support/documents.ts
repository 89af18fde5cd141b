// The configuration lines that the documents show, for the tests to use the very same ones.
import { readFileSync } from 'node:fs';

/** The page of each use; what all of them have in common is in docs/postfix.md. */
const pages: readonly string[] = ['after-queue', 'before-queue', 'lmtp', 'several-listeners'];

/** The ports that the document uses, and what the test has in their place. */
export interface Ports {
  /** Where mail enters: `smtp inet`. */
  readonly smtp?: number;
  /** Where Postern listens: 10025. */
  readonly postern?: number;
  /** Where mail enters again: 10026. */
  readonly reinjection?: number;
  /** Where the mailbox store listens: 24. */
  readonly store?: number;
}

/**
 * The lines of one code block of the page of its use, ports replaced.
 *
 * @param label the words after the block's language, the use first, such as `after-queue main.cf`
 * @throws Error when the page has no such block
 */
export function documentedLines(label: string, ports: Ports): string {
  const page = `docs/${pages.find((use) => label.startsWith(`${use} `)) ?? 'postfix'}.md`;
  const lines = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8').split('\n');
  const start = lines.findIndex((line) => /^```\w+ /u.test(line) && line.endsWith(` ${label}`));
  const end = lines.indexOf('```', start + 1);
  if (start < 0 || end < 0) throw new Error(`${page} has no block "${label}"`);
  let text = lines.slice(start + 1, end).join('\n');
  if (ports.smtp !== undefined) text = text.replace(/^smtp(?= +inet )/mu, `127.0.0.1:${ports.smtp}`);
  if (ports.postern !== undefined) text = text.replaceAll('10025', String(ports.postern));
  if (ports.reinjection !== undefined) text = text.replaceAll('10026', String(ports.reinjection));
  if (ports.store !== undefined) text = text.replace(/127\.0\.0\.1:24$/mu, `127.0.0.1:${ports.store}`);
  return text;
}
