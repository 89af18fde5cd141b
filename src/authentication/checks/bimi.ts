// bimi: the indicator that the author's domain wants to be shown beside its messages (draft-brand-indicators-for-message-identification).

import type { BIMIResult } from 'mailauth';
import { z } from 'zod';
import { withoutBadNames } from '../../dns/resolver.ts';
import { parseSize, parseTime, sizeForm, timeForm } from '../../units.ts';
import { allowedHost, type Download, DownloadError, httpsDownload } from '../bimi/download.ts';
import { BimiFiles } from '../bimi/files.ts';
import { type Indicator, IndicatorError, validateIndicator } from '../bimi/indicator.ts';
import { bimiFields, bimiProperties } from '../bimi/report.ts';
import { selectorFields } from '../bimi/selector.ts';
import { type Check, type EndOfMessageContext, type Finding, notForOwn } from '../check.ts';
import { dmarcOutcome, dmarcResponse } from '../dmarc/outcome.ts';
import { type Result, toValue } from '../result.ts';
import { asMailauth } from '../signatures/mailauth-internals.ts';

/** What may be fetched, and how long that may take. */
export interface FetchOptions {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly hosts: readonly string[];
}

export interface BimiOptions {
  readonly fetch: false | FetchOptions;
}

const name = 'bimi';
const hostName =
  /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

const fetchSchema = z.strictObject({
  size: z
    .string()
    .prefault('64KiB')
    .transform((text, context) => parsed(parseSize(text), 1, 2 ** 20, `${sizeForm}, at most 1MiB`, context))
    .describe('largest file that is fetched; an indicator of more than 48KiB is never added'),
  timeout: z
    .string()
    .prefault('3s')
    .transform((text, context) => parsed(parseTime(text), 1, 60_000, `${timeForm}, at most 60s`, context))
    .describe('for each file'),
  hosts: z
    .array(z.string().regex(hostName, { error: 'expected the name of a host' }))
    .prefault([])
    .describe(
      'hosts that files are fetched from, their subdomains included; without any, all with public addresses',
    ),
});

function parsed(
  value: number | undefined,
  least: number,
  most: number,
  form: string,
  context: z.RefinementCtx<string>,
): number {
  if (value !== undefined && value >= least && value <= most) return value;
  context.addIssue({ code: 'custom', message: `expected ${form}` });
  return z.NEVER;
}

/**
 * The check, with a way to fetch files.
 *
 * @param download for `fetch`
 */
export function bimiCheck(download: Download): Check<BimiOptions> {
  const files = new BimiFiles(download);
  return {
    name,
    schema: z.strictObject({
      fetch: z
        .union([z.literal(false), fetchSchema], {
          error: 'expected false or what may be fetched ({} for the defaults)',
        })
        .prefault(false)
        .describe('fetch the indicator and its certificate, and validate both'),
    }),
    skippedFor: notForOwn,
    ownFields: ['BIMI-Location', 'BIMI-Indicator', 'BIMI-Logo-Preference'],

    async endOfMessage(context, { fetch }) {
      const assertion = await findAssertion(context);
      const value = toValue(assertion.status.result);
      context.explain('assertion record', assertion.rr ?? 'none');
      if (value !== 'pass') return [withoutIndicator(assertion)];
      if (fetch === false) return passed(assertion, undefined);
      const limits = { size: fetch.size, timeoutMs: fetch.timeout, hosts: fetch.hosts };
      const urls = [assertion.location, assertion.authority].filter((url) => url !== undefined);
      const refused = urls.find((url) => allowedHost(url, limits) === undefined);
      if (refused !== undefined) {
        context.explain('not fetched', `${refused} is not on an allowed host`);
        return passed(assertion, undefined, 'not fetched: no allowed host');
      }
      try {
        const [location, authority] = await Promise.all(urls.map((url) => files.get(url, limits, context)));
        if (!location) throw new IndicatorError('no location', false);
        const fetched = authority ? { location, authority } : { location };
        const indicator = await validateIndicator(assertion, fetched, context.now());
        context.explain('indicator', {
          location: assertion.location,
          bytes: indicator.svg.length,
          certified: indicator.certified,
          issuer: indicator.issuer,
        });
        return passed(assertion, indicator);
      } catch (error) {
        if (!(error instanceof DownloadError || error instanceof IndicatorError)) throw error;
        context.explain('indicator', error.message);
        return [failed(assertion, error)];
      }
    },
  };
}

export const bimi: Check<BimiOptions> = bimiCheck(httpsDownload());

/** Conditions and record, by mailauth, which is loaded when first needed: most never switch this on. */
async function findAssertion(context: EndOfMessageContext): Promise<BIMIResult> {
  const { notes, header, verification, resolve } = context;
  const dmarc = dmarcResponse.read(notes);
  if (!dmarc) return { status: { result: 'skipped', comment: 'DMARC not evaluated' }, info: '' };
  const aligned = new Set(dmarcOutcome.read(notes)?.aligned);
  const { results } = await verification;
  const selectors = selectorFields(header, results, aligned);
  const rows = selectors.map((selector) => ({
    key: 'bimi-selector',
    line: Buffer.from(`BIMI-Selector: v=BIMI1; s=${selector}`),
  }));
  context.explain('selector', selectors.length > 0 ? selectors : 'default');
  const { bimi: lookUp } = await import('mailauth/lib/bimi/index.js');
  const found = await lookUp({
    dmarc,
    headers: { parsed: rows },
    resolver: asMailauth(withoutBadNames(resolve)),
    strict: true,
  });
  return found || { status: { result: 'skipped', comment: 'DMARC not evaluated' }, info: '' };
}

function withoutIndicator(assertion: BIMIResult): Result {
  const value = toValue(assertion.status.result);
  const text = assertion.status.comment;
  const isError = value === 'fail' || value === 'temperror';
  return {
    method: name,
    value,
    ...(text && (isError ? { reason: text } : { comment: text })),
    properties: bimiProperties(assertion, undefined),
  };
}

function passed(assertion: BIMIResult, indicator: Indicator | undefined, comment?: string): Finding {
  const authority = indicator?.certified ? 'pass' : 'none';
  return {
    results: [
      {
        method: name,
        value: 'pass',
        ...(comment && { comment }),
        properties: bimiProperties(assertion, authority, indicator),
      },
    ],
    fields: bimiFields(assertion, indicator),
  };
}

function failed(assertion: BIMIResult, error: DownloadError | IndicatorError): Result {
  const ofEvidence = error instanceof IndicatorError && error.ofEvidence;
  const temporary = error instanceof DownloadError && error.temporary;
  return {
    method: name,
    value: temporary ? 'temperror' : 'fail',
    reason: `${ofEvidence ? 'mark certificate' : 'indicator'}: ${error.message}`,
    properties: bimiProperties(assertion, ofEvidence ? 'fail' : 'none'),
  };
}
