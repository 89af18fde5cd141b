// x-return-mx: replies to the envelope sender and to the author have somewhere to go (MX, RFC 5321 §5.1, RFC 7505).
import { z } from 'zod';
import { authorsIn, isDomainName, parseMailAddress } from '../address.ts';
import { type Check, notForOwn } from '../check.ts';
import { findReturnPath, type Receiver, type ReturnPath } from '../client/return-mx.ts';
import { Note } from '../notes.ts';
import type { Property, Result } from '../result.ts';

/** From may name hundreds of domains, and each costs up to 14 questions. */
const maxAuthorDomains = 5;
/** What is on its way for the envelope sender. */
const senderPath = new Note<Promise<ReturnPath>>('x-return-mx.sender');
/** The rest are in the explanation. */
const maxShownExchanges = 5;

export const xReturnMx: Check<Record<never, never>> = {
  name: 'x-return-mx',
  schema: z.strictObject({}),
  skippedFor: notForOwn,

  mail({ reversePath, resolve, notes }) {
    const domain = senderDomain(reversePath);
    // Asked for as soon as it is known.
    if (domain !== undefined) senderPath.leave(notes, findReturnPath(domain, resolve));
    return undefined;
  },

  async endOfHeaders({ reversePath, resolve, header, explain, notes }) {
    const sender = senderDomain(reversePath);
    const authors = authorsIn(header).authors.flatMap((author) => (author ? [author.domain] : []));
    const authorDomains = [...new Set(authors)].filter(isDomainName).slice(0, maxAuthorDomains);
    const domains = [...new Set([...(sender === undefined ? [] : [sender]), ...authorDomains])];
    if (domains.length === 0) {
      const reason = 'neither the envelope sender nor an author has a domain';
      return [{ method: 'x-return-mx', value: 'none', reason, properties: [] }];
    }
    const begun = senderPath.read(notes);
    const found = await Promise.all(
      domains.map((domain) => (domain === sender && begun) || findReturnPath(domain, resolve)),
    );
    return found.map((path, i) => {
      const domain = domains[i] ?? '';
      explain(domain, path);
      const properties: Property[] = [];
      if (domain === sender) properties.push({ ptype: 'smtp', property: 'domain', value: domain });
      if (authorDomains.includes(domain)) {
        properties.push({ ptype: 'header', property: 'domain', value: domain });
      }
      return xReturnMxResult(path, properties);
    });
  },
};

function senderDomain(reversePath: string): string | undefined {
  const domain = parseMailAddress(reversePath)?.domain;
  return domain !== undefined && isDomainName(domain) ? domain : undefined;
}

function xReturnMxResult({ receiver, organisationalDomain }: ReturnPath, properties: Property[]): Result {
  if (organisationalDomain !== undefined) {
    properties.push({ ptype: 'policy', property: 'org-domain', value: organisationalDomain });
  }
  return { method: 'x-return-mx', ...judge(receiver), properties };
}

function judge(receiver: Receiver): Pick<Result, 'value' | 'reason' | 'comment'> {
  switch (receiver.kind) {
    case 'mx': {
      const shown = receiver.exchanges.slice(0, maxShownExchanges);
      return { value: 'pass', comment: `MX records found: ${shown.join(', ')}` };
    }
    case 'address':
      return { value: 'warn', comment: 'no MX record, but an address' };
    case 'null-mx':
      return { value: 'fail', reason: 'the domain takes no mail (null MX)' };
    case 'nothing':
      return { value: 'fail', reason: 'neither MX record nor address' };
    case 'trouble':
      return { value: 'temperror', reason: 'DNS could not tell' };
  }
}
