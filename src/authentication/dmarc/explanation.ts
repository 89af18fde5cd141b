// What DMARC found on its way, for whoever asks why.
import type { DMARCResult } from 'mailauth';
import type { Identifiers } from './identifiers.ts';
import type { DmarcOverride } from './outcome.ts';

/** All that is needed to tell the story. */
export interface DmarcStory {
  readonly response: DMARCResult;
  readonly passed: Identifiers;
  /** Of `passed`, those that belong to the author's domain. */
  readonly aligned: readonly string[];
  readonly override: DmarcOverride | undefined;
}

/** Tells the record, the organisational domain, the alignment of each identifier, and the policy with its reason. */
export function explainDmarc(explain: (fact: string, value: unknown) => void, story: DmarcStory): void {
  const { response, passed, aligned, override } = story;
  const author = response.status.header?.from ?? '';
  explain('author domain', author);
  if (response.rr === undefined) {
    explain('policy record', 'none');
    return;
  }
  explain('policy record', { name: `_dmarc.${response.policyDomain}`, text: response.rr });
  explain('organisational domain', response.domain);
  const identifiers = [
    ...passed.spf.map((domain) => ({ method: 'spf', domain, strict: response.alignment?.spf?.strict })),
    ...passed.dkim.map(({ domain }) => ({
      method: 'dkim',
      domain,
      strict: response.alignment?.dkim?.strict,
    })),
  ];
  for (const { method, domain, strict } of identifiers) {
    explain('identifier', {
      method,
      domain,
      alignment: strict ? 'strict' : 'relaxed',
      aligned: aligned.includes(domain.toLowerCase()),
    });
  }
  if (identifiers.length === 0) explain('identifier', 'none: neither SPF nor DKIM passed');
  explain('policy', { policy: response.policy, because: policyTag(response, author) });
  if (override) explain('override', override.text);
}

/** The tag that the policy comes from (RFC 9989 §4.10.1). */
function policyTag(response: DMARCResult, author: string): string {
  const { p, sp, np, policyDomain, policy, testMode } = response;
  const test = testMode ? ', one level lower for t=y' : '';
  if (policyDomain === author.replace(/\.$/, '')) return `p=${p} of the author domain's own record${test}`;
  const inherited = `in the record of ${policyDomain}`;
  if (np === undefined) return `sp=${sp} (p where there is no sp) ${inherited}${test}`;
  const lowered = { reject: 'quarantine', quarantine: 'none' }[np] ?? 'none';
  const isNp = np !== sp && policy === (testMode ? lowered : np);
  return `${isNp ? `np=${np}, for the author domain does not exist,` : `sp=${sp}`} ${inherited}${test}`;
}
