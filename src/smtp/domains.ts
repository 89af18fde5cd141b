// Domains in the form in which they are compared, and patterns of them: one domain, or one with all below it.
import { domainToASCII } from 'node:url';
import { isAscii } from './ascii.ts';

/** What a pattern looks like, for the text of a mistake. */
export const domainPatternForm = 'a domain such as example.com, or .example.com for it and its subdomains';

/** RFC 1035 §2.3.4. */
const maxDomainCharacters = 253;

/**
 * A domain in the form that is compared (RFC 5890 §2.3.2.1).
 *
 * @returns lower case, A-labels for what is not ASCII, without a final dot; '' for what can't be a domain.
 *   ASCII is taken as it is: a URL's host, for which node has its function, may be written in other ways too
 */
export function toALabels(domain: string): string {
  const lower = domain.toLowerCase().replace(/\.$/, '');
  return isAscii(lower) ? lower : domainToASCII(lower);
}

/** The domain of an address, in the form that is compared; '' for an address without one. */
export function domainOf(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 0 ? '' : toALabels(address.slice(at + 1));
}

/** @returns the pattern in the form that is compared, or undefined when it is none */
export function parseDomainPattern(text: string): string | undefined {
  const below = text.startsWith('.') ? '.' : '';
  const domain = toALabels(text.slice(below.length));
  const known =
    domain.length <= maxDomainCharacters && /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(domain);
  return known ? below + domain : undefined;
}

/** A list of patterns: `example.com` is that domain alone, `.example.com` it and all its subdomains. */
export class DomainPatterns {
  readonly #patterns: ReadonlySet<string>;

  /** @param patterns as {@link parseDomainPattern} gives them */
  constructor(patterns: readonly string[]) {
    this.#patterns = new Set(patterns);
  }

  /** @param domain in the form that is compared */
  includes(domain: string): boolean {
    if (this.#patterns.has(domain)) return true;
    // No pattern is longer, and whoever sends a longer one must not make us look at all its dots.
    if (domain.length > maxDomainCharacters) return false;
    for (let top = `.${domain}`; top !== ''; top = top.slice(dotAfter(top))) {
      if (this.#patterns.has(top)) return true;
    }
    return false;
  }
}

/** Where the next label begins, with its dot. */
function dotAfter(top: string): number {
  const next = top.indexOf('.', 1);
  return next < 0 ? top.length : next;
}
