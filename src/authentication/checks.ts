// All checks: their place in the configuration, and the order of their results.
import { z } from 'zod';
import type { Check, CommonOptions, Found, Stages } from './check.ts';
import { arc } from './checks/arc.ts';
import { auth } from './checks/auth.ts';
import { bimi } from './checks/bimi.ts';
import { dkim } from './checks/dkim.ts';
import { dmarc } from './checks/dmarc.ts';
import { dnsbl } from './checks/dnsbl.ts';
import { dnswl } from './checks/dnswl.ts';
import { iprev } from './checks/iprev.ts';
import { spf } from './checks/spf.ts';
import { xAlignedFrom } from './checks/x-aligned-from.ts';
import { xGoogleDkim } from './checks/x-google-dkim.ts';
import { xPtr } from './checks/x-ptr.ts';
import { xReturnMx } from './checks/x-return-mx.ts';
import { xTls } from './checks/x-tls.ts';
import { isResultsName, resultsNameForm } from './header/results-name.ts';

/** Options that every check has. */
export const commonOptions = {
  hideNone: z
    .boolean()
    .prefault(false)
    .describe('keep results of value `none` out of the header; they stay in the log'),
  header: z
    .string()
    .refine(isResultsName, { error: `expected ${resultsNameForm}` })
    .prefault('Authentication-Results')
    .describe('name of the field that the results go into; checks with the same name share one'),
};

/** `false`, or the check's options; `initially` is what holds without a word about it. */
function setting<Options>(
  check: Check<Options>,
  initially: false | 'on',
  description: string,
): z.ZodPrefault<z.ZodType<false | (Options & CommonOptions)>> {
  // The schema is a strict object's; what extending it adds is known here, and not to the type.
  const schema = check.schema.extend(commonOptions) as unknown as z.ZodType<Options & CommonOptions>;
  const either: z.ZodType<false | (Options & CommonOptions)> = z.union([z.literal(false), schema], {
    error: `expected false or the options of ${check.name} ({} for none)`,
  });
  return either.prefault(initially === 'on' ? {} : false).describe(description);
}

/** The `checks` section of the configuration. */
export const checksSchema = z.strictObject({
  iprev: setting(iprev, 'on', 'the client’s address has a name that has the address (RFC 8601 §3)'),
  'x-ptr': setting(xPtr, false, 'the name in HELO is a confirmed name of the client’s address'),
  auth: setting(auth, 'on', 'the client logged in at the upstream, whose Received says so (RFC 8601 §2.7.4)'),
  'x-tls': setting(xTls, 'on', 'the TLS of the client, as the upstream’s Received tells it'),
  spf: setting(spf, 'on', 'the envelope sender’s domain lets the client send for it (RFC 7208)'),
  dkim: setting(dkim, 'on', 'signatures of the message (RFC 6376)'),
  'x-google-dkim': setting(xGoogleDkim, false, 'signatures in X-Google-DKIM-Signature, verified like DKIM'),
  arc: setting(arc, 'on', 'what those found who handled the message before (RFC 8617)'),
  dmarc: setting(dmarc, 'on', 'the author’s domain is one that was authenticated (RFC 9989)'),
  bimi: setting(bimi, false, 'the author’s domain has an indicator to show (BIMI)'),
  'x-return-mx': setting(xReturnMx, false, 'replies to sender and author have somewhere to go (MX)'),
  'x-aligned-from': setting(xAlignedFrom, false, 'what the envelope sender and the author have in common'),
  dnswl: setting(dnswl, false, 'lists of good clients in DNS (RFC 8904)'),
  dnsbl: setting(dnsbl, false, 'lists of bad clients in DNS (RFC 5782)'),
  custom: z
    .array(
      z.union(
        [
          z
            .string()
            .min(1)
            .meta({ file: true })
            .transform((module) => ({
              module,
              options: {},
              hideNone: false,
              header: 'Authentication-Results',
            })),
          z.strictObject({
            module: z.string().min(1).meta({ file: true }).describe('path, relative to this file'),
            options: z
              .record(z.string(), z.unknown())
              .prefault({})
              .describe('what the module’s own schema asks for'),
            ...commonOptions,
          }),
        ],
        { error: 'expected the path of a module, or a mapping with `module` and `options`' },
      ),
    )
    .prefault([])
    .describe('modules with checks of your own (custom-checks.md)'),
});

/** For each check its options, or false. */
export type CheckConfiguration = z.output<typeof checksSchema>;

/** A check together with its options. */
export interface ConfiguredCheck extends Partial<CommonOptions>, Pick<Check<unknown>, 'name' | 'skippedFor'> {
  readonly ownFields?: readonly string[];
  /** Whether it may propose a disposition, and so has to be heard before MAIL and RCPT are answered. */
  readonly proposes?: boolean;
  readonly stages: { readonly [Stage in keyof Stages]?: (context: Stages[Stage]) => Promise<Found> | Found };
}

/** @returns the checks that are switched on, in the order of their results in the header */
export function configuredChecks(configuration: CheckConfiguration): ConfiguredCheck[] {
  return [
    ...configure(iprev, configuration.iprev),
    ...configure(xPtr, configuration['x-ptr']),
    ...configure(auth, configuration.auth),
    ...configure(xTls, configuration['x-tls']),
    ...configure(spf, configuration.spf),
    ...configure(dkim, configuration.dkim),
    ...configure(xGoogleDkim, configuration['x-google-dkim']),
    ...configure(arc, configuration.arc),
    ...configure(dmarc, configuration.dmarc),
    ...configure(bimi, configuration.bimi),
    ...configure(xReturnMx, configuration['x-return-mx']),
    ...configure(xAlignedFrom, configuration['x-aligned-from']),
    ...configure(dnswl, configuration.dnswl),
    ...configure(dnsbl, configuration.dnsbl),
  ];
}

function configure<Options>(
  check: Check<Options>,
  options: (Options & CommonOptions) | false,
): ConfiguredCheck[] {
  if (options === false) return [];
  const { connect, helo, mail, rcpt, header, endOfHeaders, body, endOfMessage } = check;
  const ownFields = typeof check.ownFields === 'function' ? check.ownFields(options) : check.ownFields;
  return [
    {
      name: check.name,
      skippedFor: check.skippedFor,
      ...(ownFields && { ownFields }),
      hideNone: options.hideNone,
      header: options.header,
      stages: {
        ...(connect && { connect: (context) => connect(context, options) }),
        ...(helo && { helo: (context) => helo(context, options) }),
        ...(mail && { mail: (context) => mail(context, options) }),
        ...(rcpt && { rcpt: (context) => rcpt(context, options) }),
        ...(header && { header: (context) => header(context, options) }),
        ...(endOfHeaders && { endOfHeaders: (context) => endOfHeaders(context, options) }),
        ...(body && { body: (context) => body(context, options) }),
        ...(endOfMessage && { endOfMessage: (context) => endOfMessage(context, options) }),
      },
    },
  ];
}
