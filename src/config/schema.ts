// The configuration file's keys: each with its type, its default and the reason for it.
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { checksSchema } from '../authentication/checks.ts';
import { isResultsName, resultsNameForm } from '../authentication/header/results-name.ts';
import type { DnsOptions } from '../dns/resolver.ts';
import { policySchema } from '../policy/schema.ts';
import { logFormats, logLevels } from '../telemetry/log-options.ts';
import { privacies } from '../telemetry/privacy.ts';
import type { SpoolConfiguration } from './configuration.ts';
import {
  account,
  address,
  authservId,
  count,
  hostName,
  hostNameOrOwn,
  logOutput,
  nameServer,
  network,
  size,
  time,
} from './fields.ts';
import { httpSchema } from './http.ts';
import { listenerSchema } from './listener.ts';
import { wrong } from './mistakes.ts';

const networks = z.strictObject({
  local: z
    .array(network)
    .prefault(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8', 'fc00::/7', '::1'])
    .describe('the private ranges: SPF, DMARC and iprev say nothing about one’s own machines'),
  trusted: z
    .array(network)
    .prefault([])
    .describe(
      'forwarders and backup MX of one’s own: SPF, DMARC and iprev are skipped for them too, and their Authentication-Results stay',
    ),
  map: z
    .array(
      z
        .strictObject({
          client: z.array(network).min(1).optional().describe('addresses and networks. Default: any'),
          helo: z
            .array(hostName)
            .min(1)
            .optional()
            .describe('HELO names; alone they fit whoever says one, so name `client` too. Default: any'),
          as: z
            .strictObject({
              ip: address.optional().describe('the address that is judged. Default: the client’s'),
              helo: hostName.optional().describe('the HELO name that is judged. Default: the client’s'),
            })
            .refine(({ ip, helo }) => ip !== undefined || helo !== undefined, {
              error: 'changes nothing; expected ip, helo or both',
            })
            .describe('who it is for the checks'),
        })
        .refine(({ client, helo }) => client !== undefined || helo !== undefined, {
          error: 'fits every client; expected client, helo or both',
        }),
    )
    .prefault([])
    .describe('clients inside that the outside world knows by another address and name; the first that fits'),
});

const header = z.strictObject({
  remove: z
    .array(
      authservId.refine((id) => /^[^.*]/.test(id), {
        error: ({ input }) =>
          wrong(input, 'an authserv-id', 'a name such as example.com, without . or * before it'),
      }),
    )
    .prefault([])
    .describe(
      'authserv-ids of others whose Authentication-Results go too, those of their subdomains as well',
    ),
  alsoIn: z
    .array(z.string().refine(isResultsName, { error: `expected ${resultsNameForm}` }))
    .prefault(['X-Authentication-Results'])
    .describe(
      'names of fields that are read like Authentication-Results, besides those that checks have as their `header`; ARC-Authentication-Results never is',
    ),
  keepRemoved: z
    .boolean()
    .prefault(false)
    .describe(
      'each removed one stays as X-Received-Authentication-Results; those that a message comes with go then',
    ),
});

const trace = z.strictObject({
  keep: count(0, 100_000)
    .prefault(0)
    .describe(
      'transactions whose whole story (checks, DNS, verdicts) is kept in memory; some kB each, at most 64 MiB together',
    ),
});

/** The `dns` section before its zone file is read. */
type Dns = Omit<DnsOptions, 'zone'> & {
  readonly zoneFile: string | undefined;
};

const dns = z
  .strictObject({
    servers: z
      .array(nameServer)
      .min(1)
      .optional()
      .describe('name servers: addresses, with `:port` when it is not 53. Default: those of the system'),
    timeout: time().prefault('5s').describe('one try of one question, as resolvers usually wait'),
    tries: count(1, 10)
      .prefault(2)
      .describe(
        'times a question is asked with that patience before it counts as failed; a server that is usually quick is asked a few times before',
      ),
    zone: z
      .string()
      .min(1, { error: 'is empty; expected the name of a zone file' })
      .meta({ file: true })
      .optional()
      .describe('zone file (YAML) that answers before the network is asked. Default: none'),
    zoneOnly: z
      .boolean()
      .prefault(false)
      .describe('a name that the zone lacks does not exist (NXDOMAIN), and the network is never asked'),
    cache: z
      .strictObject({
        entries: count(1, 10_000_000)
          .prefault(10_000)
          .describe('answers kept; a bound for memory, some MB at most'),
        maxAge: time(0).prefault('1h').describe('how long an answer is kept at most, whatever its TTL says'),
        failureAge: time(0)
          .prefault('30s')
          .describe('how long a failure is kept: short, since it may be over soon'),
      })
      .prefault({})
      .describe('answers that need not be asked for again'),
    transaction: time()
      .prefault('20s')
      .describe(
        'all DNS of one check of a message together, and about as long for all checks after its last byte (RFC 7208 §4.6.4 suggests at least 20 seconds for SPF)',
      ),
  })
  .transform(
    ({ servers, timeout, tries, zone, zoneOnly, cache, transaction }): Dns => ({
      ...(servers && { servers }),
      timeoutMs: timeout,
      tries,
      zoneFile: zone,
      zoneOnly,
      cache: { entries: cache.entries, maxAgeMs: cache.maxAge, failureAgeMs: cache.failureAge },
      transactionMs: transaction,
    }),
  );

/** The `spool` section before its default directory is known. */
type Spool = Omit<SpoolConfiguration, 'directory'> & {
  readonly directory: string | undefined;
};

const spool = z
  .strictObject({
    memory: size(4096, 2 ** 30)
      .prefault('1MiB')
      .describe('what of a message is held in memory; nearly all mail is smaller, and never sees the disk'),
    directory: z
      .string()
      .min(1, { error: 'is empty; expected a directory' })
      .meta({ file: true })
      .optional()
      .describe(
        'where the rest of a larger message goes, in an unlinked file. Default: /var/spool/postern when it is there and can be written, else the system’s directory for temporary files',
      ),
    messageLimit: size()
      .prefault('50MiB')
      .describe('largest message; also what SIZE says in EHLO when the downstream has no smaller limit'),
    limit: size()
      .prefault('4GiB')
      .describe(
        'all messages at work together, in memory and on disk; what would be more gets 452 4.3.1. Each process may always hold one message',
      ),
  })
  .transform(
    ({ memory, directory, messageLimit, limit }): Spool => ({
      memoryBytes: memory,
      directory,
      messageLimitBytes: messageLimit,
      limitBytes: limit,
    }),
  );

const mostWorkers = 1024;
const workersForm = `auto or a whole number from 1 to ${mostWorkers}`;
const workers = z
  .union([z.literal('auto'), count(1, mostWorkers)], {
    error: (issue) => wrong(issue.input, 'a number of processes', workersForm),
  })
  .prefault('auto')
  .describe('processes; `auto`: one per core. Limits, pools and the spool are shared out among them')
  .transform((value) => (value === 'auto' ? availableParallelism() : value));

const log = z.strictObject({
  level: z
    .enum(logLevels)
    .prefault('info')
    .describe('`info`: one line for each message, and what goes wrong; `debug`: each connection too'),
  format: z
    .enum(logFormats)
    .prefault('json')
    .describe('for machines, for people, or for people with a priority before each line (`<6>`, journald)'),
  output: logOutput
    .prefault('stdout')
    .describe(
      '`stdout`, `stderr`, the absolute path of a file (it may be rotated at any time), or `syslog://address:514` (RFC 5424 over UDP)',
    ),
  privacy: z
    .enum(privacies)
    .prefault('none')
    .describe(
      'what is masked, in the log, the stories and the status page: nothing; local parts of mail `addresses`; or `all`, clients’ addresses and names too',
    ),
});

/** A configuration as it stands in the file. */
export const configurationSchema = z.strictObject({
  hostname: hostNameOrOwn.describe(
    'the name for EHLO and LHLO, the greeting and Received. Default: the host’s name',
  ),
  authservId: authservId
    .optional()
    .describe('the name that Authentication-Results bears (RFC 8601 §2.5). Default: `hostname`'),
  listeners: z.array(listenerSchema).min(1).describe('front doors, each with the back door behind it'),
  networks: networks.prefault({}).describe('whose mail is not judged like a stranger’s'),
  dns: dns.prefault({}).describe('how names are looked up'),
  checks: checksSchema.prefault({}).describe('what is checked; `false` switches a check off'),
  header: header.prefault({}).describe('which fields of a message are not passed on'),
  trace: trace.prefault({}).describe('what is kept for whoever asks why'),
  receivedSpf: z
    .boolean()
    .prefault(false)
    .describe('whether Received-SPF (RFC 7208 §9.1) is added besides Authentication-Results'),
  policy: policySchema.prefault({}).describe('what is done about the results'),
  spool: spool.prefault({}).describe('where messages stay while they are judged'),
  http: httpSchema,
  workers,
  user: account
    .optional()
    .describe(
      'who the workers and the HTTP process run as, a name or a number; only root can become somebody else. Default: who starts Postern',
    ),
  group: account.optional().describe('their group. Default: that of `user`'),
  stopTimeout: time()
    .prefault('30s')
    .describe('how long open transactions may take when Postern stops; below the 90 s of systemd'),
  log: log.prefault({}).describe('what is told of each message and of what goes wrong'),
});

/** What the schema makes of a file, before names of files in it are followed. */
export type ParsedConfiguration = z.output<typeof configurationSchema>;
