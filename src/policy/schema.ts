// The `policy` section of the configuration.
import { z } from 'zod';
import { domainPattern, network } from './fields.ts';
import { rulesSchema } from './rule-schema.ts';

const temperror = z.enum(['annotate', 'tempfail']);

const dmarcExempt = z.strictObject({
  networks: z.array(network).prefault([]).describe('addresses and networks of clients'),
  dkim: z
    .array(domainPattern)
    .prefault([])
    .describe(
      'domains with a signature that passed; `example.com` is it alone, `.example.com` also its subdomains',
    ),
  lists: z
    .boolean()
    .prefault(false)
    .describe('mail that came through a mailing list, which anybody can pretend'),
});

export const policySchema = z.strictObject({
  rules: rulesSchema.prefault([]).describe('what is done when, the first that applies; at most 1000'),
  rulesFile: z
    .string()
    .min(1, { error: 'is empty; expected the name of a file with rules' })
    .meta({ file: true })
    .optional()
    .describe(
      'file (YAML) with a list of more rules, at most 1000, after these; read again when it changes. Default: none',
    ),
  dmarc: z
    .enum(['annotate', 'quarantine', 'reject'])
    .prefault('annotate')
    .describe(
      'what is done when DMARC fails and the author’s domain asks for it; at most what is named here',
    ),
  dmarcExempt: dmarcExempt.prefault({}).describe('mail for which `dmarc` does nothing'),
  temperror: z
    .union([
      temperror,
      z.strictObject({
        authenticated: temperror.optional().describe('clients that logged in. Default: `annotate`'),
        trusted: temperror.optional().describe('clients on `networks.trusted`. Default: `annotate`'),
        local: temperror.optional().describe('clients on `networks.local`. Default: `annotate`'),
        unknown: temperror.optional().describe('clients without an address. Default: `annotate`'),
        stranger: temperror.optional().describe('all others. Default: `annotate`'),
      }),
    ])
    .prefault('annotate')
    .describe(
      'before the queue, whether a message is put off while iprev, spf, dkim, arc or dmarc can’t be carried out: `annotate`, `tempfail`, or one of them for each class of clients',
    ),
  rejectAfterQueue: z
    .boolean()
    .prefault(false)
    .describe('reject after the queue too, where the sender, often forged, gets a bounce from the upstream'),
  dryRun: z
    .boolean()
    .prefault(false)
    .describe('decide and log, but accept every message; results are written as always'),
});

/** The section as it was read. */
export type PolicyOptions = z.output<typeof policySchema>;
