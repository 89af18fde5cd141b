// dmarc: whether what was authenticated is the domain that the reader sees (RFC 9989).

import type { DMARCResult } from 'mailauth';
import { z } from 'zod';
import { type Check, type Notes, notForOwn } from '../check.ts';
import { noteDmarcOutcome } from '../dmarc-outcome.ts';
import { checkAlignment } from '../mailauth.ts';
import { propertyOf, type Result, toValue } from '../result.ts';

/** RFC 9989 §5.3.1: without exactly one author domain there is nothing that could be validated. */
const noAuthorDomain: Readonly<Record<string, string>> = {
  'no-author-domain': 'no author domain in From',
  'multiple-author-domains': 'several author domains in From',
  'invalid-author-domain': 'an author in From without a valid domain',
  'multiple-from-fields': 'several From fields',
};

export const dmarc: Check<Record<never, never>> = {
  name: 'dmarc',
  schema: z.strictObject({}),
  // With an unknown client it goes by DKIM alone.
  skippedFor: notForOwn,

  async endOfMessage({ verification, results, resolve, notes }) {
    const from = await verification;
    const { spfDomains, dkimDomains } = identifiers(results, ['pass']);
    const { response, reason } = await checkAlignment({ from, spfDomains, dkimDomains, resolve });
    if (response === false) {
      const text = noAuthorDomain[reason ?? ''] ?? 'no author domain';
      return [{ method: 'dmarc', value: 'permerror', reason: text, properties: [] }];
    }
    const value = toValue(response.status.result);
    if (value !== 'fail') {
      keepOutcome(notes, value, response);
      return [dmarcResult(value, response, response.error)];
    }

    // A signature whose key could not be had, or an SPF record, might have been aligned: then it is
    // not known that the message fails, and nobody should be refused for somebody's name server.
    const possible = identifiers(results, ['pass', 'temperror']);
    const perhaps = possible.unnamed ? 'pass' : await valueWith(possible);
    if (perhaps === 'fail') {
      keepOutcome(notes, 'fail', response);
      return [dmarcResult('fail', response)];
    }
    return [dmarcResult('temperror', response, 'SPF or DKIM could not be evaluated for an aligned domain')];

    async function valueWith(domains: Identifiers): Promise<string> {
      const again = await checkAlignment({ from, ...domains, resolve });
      return again.response === false ? 'fail' : again.response.status.result;
    }
  },
};

interface Identifiers {
  readonly spfDomains: readonly string[];
  readonly dkimDomains: readonly string[];
  /** A result that does not say whom it is about. */
  readonly unnamed: boolean;
}

/** The domains that SPF and DKIM results of these values are about. */
function identifiers(results: readonly Result[], values: readonly Result['value'][]): Identifiers {
  const chosen = results.filter(({ value }) => values.includes(value));
  const spf = chosen.filter(({ method }) => method === 'spf').map(spfDomain);
  const dkim = chosen
    .filter(({ method }) => method === 'dkim')
    .map((result) => propertyOf(result, 'header', 'd'));
  return {
    spfDomains: spf.filter((domain) => domain !== undefined),
    dkimDomains: dkim.filter((domain) => domain !== undefined),
    unnamed: [...spf, ...dkim].includes(undefined),
  };
}

function spfDomain(result: Result): string | undefined {
  const identity = propertyOf(result, 'smtp', 'mailfrom') ?? propertyOf(result, 'smtp', 'helo');
  return identity?.slice(identity.lastIndexOf('@') + 1);
}

function keepOutcome(notes: Notes, value: Result['value'], { status, alignment }: DMARCResult): void {
  const policy = status.policy?.dmarc;
  const domain = status.header?.from;
  if (!domain || !(policy === 'none' || policy === 'quarantine' || policy === 'reject')) return;
  const aligned = [alignment?.spf?.result, alignment?.dkim?.result].filter(
    (each) => typeof each === 'string',
  );
  noteDmarcOutcome(notes, { domain, policy, result: value, aligned });
}

function dmarcResult(value: Result['value'], response: DMARCResult, reason?: string): Result {
  const published = response.p === undefined ? undefined : `p=${response.p} sp=${response.sp}`;
  const comment = response.testMode ? `${published} t=y` : published;
  const from = response.status.header?.from;
  const policy = value === 'temperror' ? undefined : response.status.policy?.dmarc;
  return {
    method: 'dmarc',
    value,
    ...(reason && { reason }),
    ...(comment && { comment }),
    properties: [
      ...(from ? [{ ptype: 'header', property: 'from', value: from }] : []),
      ...(policy ? [{ ptype: 'policy', property: 'dmarc', value: policy }] : []),
    ],
  };
}
