// Asks for key and policy records as soon as the header section names them, while the body still arrives.
import { domainToASCII } from 'node:url';
import type { ResolveFunction } from '../../dns/resolver.ts';
import type { HeaderField } from '../subject.ts';

/** Only what most messages need: what is left out here is asked for later, as it would be anyway. */
const maxFieldOctets = 8192;
const maxKeys = 10;
const maxSignatures = 30;

const signatures: ReadonlySet<string> = new Set(['dkim-signature', 'arc-seal', 'arc-message-signature']);

/** Asks for what the checks of this message will ask for; the answers wait in the resolver's cache. */
export function prefetch(header: readonly HeaderField[], resolve: ResolveFunction): void {
  for (const name of recordNames(header)) {
    // Whoever needs the answer asks again, and hears of the failure then.
    resolve(name, 'TXT').catch(() => {});
  }
}

function recordNames(header: readonly HeaderField[]): ReadonlySet<string> {
  const names = new Set<string>();
  let author: string | undefined;
  let looked = 0;
  for (const { name, raw } of header) {
    const field = name.toLowerCase();
    if (signatures.has(field) && looked < maxSignatures && names.size < maxKeys) {
      looked++;
      const text = unfolded(raw);
      const tags = text.slice(text.indexOf(':') + 1);
      const domain = tag(tags, 'd');
      const selector = tag(tags, 's');
      if (domain && selector) names.add(`${selector}._domainkey.${domain}`);
    } else if (field === 'from') {
      author ??= lastDomain(unfolded(raw));
    }
  }
  if (author) names.add(`_dmarc.${domainToASCII(author) || author}`.toLowerCase());
  return names;
}

/** What follows the last `@`: the domain of the author, where there is one author. */
function lastDomain(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  return at < 0 ? undefined : /^[^\s<>(),;:"\\[\]]+/.exec(text.slice(at + 1))?.[0];
}

function unfolded(raw: Buffer): string {
  return raw.toString('latin1', 0, maxFieldOctets).replace(/\r?\n(?=[ \t])/g, '');
}

/** The value of a tag (RFC 6376 §3.2); names that are not ASCII are left to the verifier. */
function tag(tags: string, name: string): string | undefined {
  return new RegExp(`(?:^|;)[ \\t]*${name}[ \\t]*=[ \\t]*([!-:<-~]+)`).exec(tags)?.[1];
}
