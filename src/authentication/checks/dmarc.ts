// dmarc: whether what was authenticated is the domain that the reader sees (RFC 9989).

import type { DMARCResult } from 'mailauth';
import { z } from 'zod';
import { type Check, type EndOfMessageContext, notForOwn } from '../check.ts';
import { explainDmarc } from '../dmarc/explanation.ts';
import { type Identifiers, identifiers } from '../dmarc/identifiers.ts';
import { isListMail } from '../dmarc/mailing-list.ts';
import { type DmarcOverride, dmarcOutcome, dmarcResponse, isDmarcPolicy } from '../dmarc/outcome.ts';
import { findOverride, type OverrideOptions, overrideTypes } from '../dmarc/override.ts';
import { checkAlignment } from '../mailauth.ts';
import { type Property, type ResultValue, toValue } from '../result.ts';

/** RFC 9989 §5.3.1: without exactly one author domain there is nothing that could be validated. */
const noAuthorDomain: Readonly<Record<string, string>> = {
  'no-author-domain': 'no author domain in From',
  'multiple-author-domains': 'several author domains in From',
  'invalid-author-domain': 'an author in From without a valid domain',
  'multiple-from-fields': 'several From fields',
};

const notEvaluated = 'SPF or DKIM could not be evaluated for an aligned domain';

/** Options of the check. */
export interface DmarcOptions {
  readonly overrides: OverrideOptions;
}

const flag = (initially: boolean, description: string) =>
  z.boolean().prefault(initially).describe(description);

export const dmarc: Check<DmarcOptions> = {
  name: 'dmarc',
  schema: z.strictObject({
    overrides: z
      .strictObject({
        trustedArc: flag(true, 'a trusted ARC sealer saw the message pass'),
        mailingList: flag(
          false,
          'the message says that it came through a mailing list, which anybody can write',
        ),
      })
      .prefault({})
      .describe('reasons to do nothing about a message that fails; the result stays `fail`'),
  }),
  // With an unknown client it goes by DKIM alone.
  skippedFor: notForOwn,

  async endOfMessage(context, options) {
    const { verification, results, resolve, reversePath, notes, header, explain } = context;
    const from = await verification;
    const passed = identifiers(results, ['pass'], reversePath, from.results);
    const { response, reason, dkimAligned } = await checkAlignment({ from, ...passed, resolve });
    if (response === false) {
      const text = from.unreadable ?? noAuthorDomain[reason ?? ''] ?? 'no author domain';
      explain('author domain', text);
      return [{ method: 'dmarc', value: 'permerror', reason: text, properties: [] }];
    }
    const verdict = await judge(context, response);
    const spf = response.alignment?.spf?.result;
    const aligned = [...new Set([...(typeof spf === 'string' ? [spf] : []), ...(dkimAligned ?? [])])];
    const failed = verdict.value === 'fail';
    const override = failed ? findOverride(notes, header, options.overrides) : undefined;
    if (context.explained) explainDmarc(explain, { response, passed, aligned, override });

    const domain = response.status.header?.from;
    const policy = verdict.value === 'temperror' ? undefined : response.status.policy?.dmarc;
    if (verdict.value !== 'temperror') dmarcResponse.leave(notes, response);
    if (domain && isDmarcPolicy(policy)) {
      const outcome = { domain, policy, result: verdict.value, aligned };
      dmarcOutcome.leave(notes, override ? { ...outcome, override } : outcome);
    }
    const remark = override?.text ?? (failed && isListMail(header) ? 'list mail' : undefined);
    const comment = [published(response), remark].filter((text) => text !== undefined).join(', ');
    return [
      {
        method: 'dmarc',
        ...verdict,
        ...(comment && { comment }),
        properties: properties(verdict.value, response, override),
      },
    ];
  },
};

interface Verdict {
  readonly value: ResultValue;
  readonly reason?: string;
}

async function judge(context: EndOfMessageContext, response: DMARCResult): Promise<Verdict> {
  const value = toValue(response.status.result);
  if (value !== 'fail') return response.error ? { value, reason: response.error } : { value };
  // A signature whose key could not be had, or an SPF record, might have been aligned: then it is
  // not known that the message fails, and nobody should be refused for somebody's name server.
  const { results, reversePath, verification } = context;
  const from = await verification;
  const possible = identifiers(results, ['pass', 'temperror'], reversePath, from.results);
  if (!possible.unnamed && !(await mayPass(context, from, possible))) return { value };
  return { value: 'temperror', reason: notEvaluated };
}

async function mayPass(
  { resolve }: EndOfMessageContext,
  from: Parameters<typeof checkAlignment>[0]['from'],
  possible: Identifiers,
): Promise<boolean> {
  const { response } = await checkAlignment({ from, ...possible, resolve });
  return response !== false && response.status.result !== 'fail';
}

/** What the domain published, for people. */
function published({ p, sp, np, testMode }: DMARCResult): string | undefined {
  if (p === undefined) return undefined;
  return `p=${p} sp=${sp}${np === undefined ? '' : ` np=${np}`}${testMode ? ' t=y' : ''}`;
}

function properties(
  value: ResultValue,
  { status, p }: DMARCResult,
  override: DmarcOverride | undefined,
): readonly Property[] {
  const policy = value === 'temperror' ? undefined : status.policy?.dmarc;
  const all: readonly (readonly [string, string, string | undefined])[] = [
    ['header', 'from', status.header?.from],
    // RFC 9989 §9.1: "the evaluated DMARC policy ... after policy options have been processed".
    ['policy', 'dmarc', policy],
    // Nothing is applied to a message that passes: these would only make its header longer.
    ['policy', 'published-domain-policy', value === 'fail' ? p : undefined],
    ['policy', 'applied-disposition', value === 'fail' ? (override ? 'none' : policy) : undefined],
    ['policy', 'override-reason', override && overrideTypes[override.kind]],
  ];
  return all.flatMap(([ptype, property, text]) => (text ? [{ ptype, property, value: text }] : []));
}
