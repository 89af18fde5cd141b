// x-aligned-from: how much the envelope sender and the author have in common.
import { z } from 'zod';
import { authorsIn, type MailAddress, parseMailAddress } from '../address.ts';
import { type Check, type EndOfHeadersContext, notForOwn } from '../check.ts';
import { organisationalDomain } from '../dmarc/organisational-domain.ts';
import type { Result } from '../result.ts';

export const xAlignedFrom: Check<Record<never, never>> = {
  name: 'x-aligned-from',
  schema: z.strictObject({}),
  skippedFor: notForOwn,

  async endOfHeaders(context) {
    const { reversePath, header } = context;
    const { fromFields, authors, unreadable } = authorsIn(header);
    if (fromFields > 1) return [xAlignedFromResult('permerror', 'several From fields')];
    if (authors.length > 1) return [xAlignedFromResult('permerror', 'several authors in From')];
    if (unreadable !== undefined) return [xAlignedFromResult('permerror', unreadable)];
    if (reversePath === '') return [xAlignedFromResult('none', 'null sender')];
    if (authors.length === 0) return [xAlignedFromResult('none', 'no author in From')];
    const [author] = authors;
    if (!author) return [xAlignedFromResult('permerror', 'the address in From can not be read')];
    const sender = parseMailAddress(reversePath);
    if (!sender) return [xAlignedFromResult('none', 'the envelope sender has no domain')];
    return [await compare(sender, author, context)];
  },
};

async function compare(
  sender: MailAddress,
  author: MailAddress,
  { resolve, explain }: EndOfHeadersContext,
): Promise<Result> {
  explain('domains', { sender: sender.domain, author: author.domain });
  if (sender.domain === author.domain) {
    // RFC 5321 §2.4 lets hosts tell cases apart in local parts; next to none does.
    const same = sender.local.toLowerCase() === author.local.toLowerCase();
    return same ? aligned('address', 'same address') : aligned('domain', 'same domain');
  }
  try {
    const [senderAbove, authorAbove] = await Promise.all([
      organisationalDomain(sender.domain, resolve),
      organisationalDomain(author.domain, resolve),
    ]);
    explain('organisational domains', { sender: senderAbove, author: authorAbove });
    if (senderAbove === authorAbove) return aligned('org-domain', `both belong to ${authorAbove}`);
    return xAlignedFromResult('fail', 'envelope sender and author have no domain in common');
  } catch {
    return xAlignedFromResult('temperror', 'DNS could not tell the organisational domains');
  }
}

function aligned(how: 'address' | 'domain' | 'org-domain', comment: string): Result {
  return {
    method: 'x-aligned-from',
    value: 'pass',
    comment,
    properties: [{ ptype: 'policy', property: 'aligned-from', value: how }],
  };
}

function xAlignedFromResult(value: Result['value'], reason: string): Result {
  return { method: 'x-aligned-from', value, reason, properties: [] };
}
