// Asks for key and policy records as soon as the header section names them, while the body still arrives.
import { domainToASCII } from 'node:url';
import type { ResolveFunction } from '../dns/resolver.ts';

/** Only what most messages need: what is left out here is asked for later, as it would be anyway. */
const maxHeaderOctets = 65_536;
const maxKeys = 10;

/** Looks at the beginning of one message; its answers wait in the resolver's cache. */
export class Prefetch {
  readonly #resolve: ResolveFunction;
  #header = '';
  #done = false;

  constructor(resolve: ResolveFunction) {
    this.#resolve = resolve;
  }

  /** Takes the next bytes of the message; does nothing once the header section is over. */
  push(chunk: Buffer): void {
    if (this.#done) return;
    const before = Math.max(0, this.#header.length - 3);
    this.#header += chunk.toString('latin1', 0, maxHeaderOctets);
    const end = this.#header.indexOf('\r\n\r\n', before);
    if (end < 0 && this.#header.length < maxHeaderOctets) return;
    this.#done = true;
    for (const name of recordNames(end < 0 ? this.#header : this.#header.slice(0, end))) {
      // Whoever needs the answer asks again, and hears of the failure then.
      this.#resolve(name, 'TXT').catch(() => {});
    }
    this.#header = '';
  }
}

/** @returns the names of the records that the checks will ask for */
function recordNames(header: string): ReadonlySet<string> {
  const names = new Set<string>();
  const unfolded = header.replace(/\r\n(?=[ \t])/g, '');
  for (const [, tags = ''] of unfolded.matchAll(
    /^(?:dkim-signature|arc-seal|arc-message-signature)[ \t]*:(.*)$/gim,
  )) {
    const domain = tag(tags, 'd');
    const selector = tag(tags, 's');
    if (domain && selector && names.size < maxKeys) names.add(`${selector}._domainkey.${domain}`);
  }
  const author = /^from[ \t]*:.*@([^\s@<>(),;:"\\[\]]+)/im.exec(unfolded)?.[1];
  if (author) names.add(`_dmarc.${domainToASCII(author) || author}`.toLowerCase());
  return names;
}

/** The value of a tag (RFC 6376 §3.2); names that are not ASCII are left to the verifier. */
function tag(tags: string, name: string): string | undefined {
  return new RegExp(`(?:^|;)[ \\t]*${name}[ \\t]*=[ \\t]*([!-:<-~]+)`).exec(tags)?.[1];
}
