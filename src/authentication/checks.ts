// All checks: their place in the configuration, and the order of their results.
import { z } from 'zod';
import type {
  Check,
  ConnectContext,
  Findings,
  MailContext,
  MessageContext,
  VerdictContext,
} from './check.ts';
import { arc } from './checks/arc.ts';
import { dkim } from './checks/dkim.ts';
import { dmarc } from './checks/dmarc.ts';
import { iprev } from './checks/iprev.ts';
import { spf } from './checks/spf.ts';

/** `false`, or the check's options. */
function setting<Options>(check: Check<Options>): z.ZodUnion<[z.ZodLiteral<false>, z.ZodType<Options>]> {
  return z.union([z.literal(false), check.schema], {
    error: `expected false or the options of ${check.name} ({} for none)`,
  });
}

/** The `checks` section of the configuration. */
export const checksSchema = z.strictObject({
  iprev: setting(iprev)
    .prefault({})
    .describe('the client’s address has a name that has the address (RFC 8601 §3)'),
  spf: setting(spf)
    .prefault({})
    .describe('the envelope sender’s domain lets the client send for it (RFC 7208)'),
  dkim: setting(dkim).prefault({}).describe('signatures of the message (RFC 6376)'),
  arc: setting(arc).prefault({}).describe('what those found who handled the message before (RFC 8617)'),
  dmarc: setting(dmarc).prefault({}).describe('the author’s domain is one that was authenticated (RFC 9989)'),
  bimi: z
    .literal(false, { error: 'there is no BIMI yet; expected false' })
    .prefault(false)
    .describe('not there yet; only false, which is the default'),
});

/** For each check its options, or false. */
export type CheckConfiguration = z.output<typeof checksSchema>;

/** A check together with its options. */
export interface ConfiguredCheck {
  readonly name: string;
  readonly skippedFor: Check<unknown>['skippedFor'];
  readonly connect?: (context: ConnectContext) => Findings;
  readonly mail?: (context: MailContext) => Findings;
  readonly message?: (context: MessageContext) => Findings;
  readonly verdict?: (context: VerdictContext) => Findings;
}

/** @returns the checks that are switched on, in the order of their results in the header */
export function configuredChecks(configuration: CheckConfiguration): ConfiguredCheck[] {
  return [
    ...configure(iprev, configuration.iprev),
    ...configure(spf, configuration.spf),
    ...configure(dkim, configuration.dkim),
    ...configure(arc, configuration.arc),
    ...configure(dmarc, configuration.dmarc),
  ];
}

function configure<Options>(check: Check<Options>, options: Options | false): ConfiguredCheck[] {
  if (options === false) return [];
  const { name, skippedFor, connect, mail, message, verdict } = check;
  return [
    {
      name,
      skippedFor,
      ...(connect && { connect: (context: ConnectContext) => connect(context, options) }),
      ...(mail && { mail: (context: MailContext) => mail(context, options) }),
      ...(message && { message: (context: MessageContext) => message(context, options) }),
      ...(verdict && { verdict: (context: VerdictContext) => verdict(context, options) }),
    },
  ];
}
