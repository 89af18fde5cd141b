// A listener's keys: each with its default and the reason for it.
import { z } from 'zod';
import type { LimitConfiguration, PoolConfiguration, TimeoutConfiguration } from './configuration.ts';
import {
  account,
  authservId,
  count,
  destination,
  destinationForm,
  fileMode,
  network,
  size,
  socketAddress,
  time,
} from './fields.ts';
import { wrong } from './mistakes.ts';

const pool = z
  .strictObject({
    size: count(1, 10_000)
      .prefault(50)
      .describe(
        'connections open downstream at the same time. Below the 100 processes that a Postfix service has by default, so that others still get in',
      ),
    idle: time()
      .prefault('60s')
      .describe('how long an unused connection is kept; servers close one after some minutes anyway'),
    age: time()
      .prefault('10m')
      .describe('how long any connection is used, so that a changed address or certificate is noticed'),
    transactions: count(1, 1_000_000)
      .prefault(100)
      .describe('messages on one connection; Postfix too ends a connection after some time of reuse'),
    wait: time()
      .prefault('30s')
      .describe('how long a message waits for a connection before 451 4.4.1; well below what upstream waits'),
    waiting: count(0, 100_000)
      .prefault(1000)
      .describe('messages that wait for a connection at the same time; one more gets 451 4.4.1 at once'),
    backoff: time()
      .prefault('1s')
      .describe('pause after a destination could not be reached; doubled each time'),
    backoffMax: time()
      .prefault('60s')
      .describe('the longest such pause, so that a destination that is back is used within a minute'),
    checkAfter: time(0)
      .prefault('5s')
      .describe('a connection unused for longer is checked before it carries a message; 0s: always'),
  })
  .transform(
    ({ idle, age, wait, backoff, backoffMax, checkAfter, ...counts }): PoolConfiguration => ({
      ...counts,
      idleMs: idle,
      ageMs: age,
      waitMs: wait,
      backoffMs: backoff,
      backoffMaxMs: backoffMax,
      checkAfterMs: checkAfter,
    }),
  );

const timeouts = z
  .strictObject({
    connect: time()
      .prefault('30s')
      .describe('TCP and TLS until connected; the next destination is tried after it'),
    greeting: time()
      .prefault('60s')
      .describe('the greeting. RFC 5321 §4.5.3.2.1 has 5 minutes, for strangers; this server is our own'),
    hello: time().prefault('60s').describe('the reply to EHLO or LHLO, which looks nothing up'),
    mail: time().prefault('5m').describe('the reply to MAIL (RFC 5321 §4.5.3.2.2)'),
    rcpt: time().prefault('5m').describe('the reply to RCPT (RFC 5321 §4.5.3.2.3)'),
    data: time().prefault('2m').describe('the 354 to DATA (RFC 5321 §4.5.3.2.4)'),
    content: time().prefault('3m').describe('each piece of the message to be taken (RFC 5321 §4.5.3.2.5)'),
    final: time().prefault('10m').describe('the final reply to the message (RFC 5321 §4.5.3.2.6)'),
  })
  .transform(
    (times): TimeoutConfiguration => ({
      connectMs: times.connect,
      greetingMs: times.greeting,
      helloMs: times.hello,
      mailMs: times.mail,
      rcptMs: times.rcpt,
      dataMs: times.data,
      contentMs: times.content,
      finalMs: times.final,
    }),
  );

/** The limits of a listener; `answerMs` is undefined where the mode has to say it. */
type Limits = Omit<LimitConfiguration, 'answerMs'> & {
  readonly answerMs: number | undefined;
};

const limits = z
  .strictObject({
    connections: count(1, 1_000_000)
      .prefault(1000)
      .describe('connections from upstream at the same time; ten times what a Postfix opens by default'),
    recipients: count(1, 1_000_000)
      .prefault(1000)
      .describe('recipients of a message, as in Postfix; RFC 5321 §4.5.3.1.8 demands at least 100'),
    command: size(512, 65_536)
      .prefault('2KiB')
      .describe(
        'length of a command line; RFC 5321 §4.5.3.1.4 demands 512, and parameters and UTF-8 addresses need more',
      ),
    header: size(1024)
      .prefault('1MiB')
      .describe(
        'size of the header section, the part of a message that is always in memory; it has 10,000 fields at most, whatever their size',
      ),
    idle: time()
      .prefault('5m')
      .describe(
        'silence from upstream, and the time for one command line, before 421 (RFC 5321 §4.5.3.2.7 demands 5 minutes)',
      ),
    transaction: time()
      .prefault('1h')
      .describe('MAIL until the end of data, so that a trickle cannot hold a connection for ever'),
    answer: time()
      .optional()
      .describe(
        'longest time until a command or the end of data gets its answer; after it, 451. Default: 90s in before-queue mode, below the 100 s of Postfix (smtpd_proxy_timeout); 10m in after-queue mode (RFC 5321 §4.5.3.2.6)',
      ),
  })
  .transform(
    ({ connections, recipients, command, header, idle, transaction, answer }): Limits => ({
      connections,
      recipients,
      commandBytes: command,
      headerBytes: header,
      idleMs: idle,
      transactionMs: transaction,
      answerMs: answer,
    }),
  );

const tls = z.strictObject({
  certificate: z.string().meta({ file: true }).describe('file with the certificate and its chain (PEM)'),
  key: z.string().meta({ file: true }).describe('file with the private key (PEM)'),
  mode: z
    .enum(['starttls', 'implicit'])
    .prefault('starttls')
    .describe('`starttls`: offered in EHLO; `implicit`: TLS from the first byte'),
});

const socket = z.strictObject({
  mode: fileMode
    .optional()
    .describe(
      'permissions such as `"0660"`; who may write may connect. Default: `"0660"` with a group, else the umask’s',
    ),
  owner: account.optional().describe('its user: a name or a number. Default: who starts Postern'),
  group: account.optional().describe('its group: a name or a number. Default: that of who starts Postern'),
});

const nameForm = 'letters, digits, ".", "_" and "-", at most 64';
const nameError = (issue: { readonly input?: unknown }) => wrong(issue.input, 'a name', nameForm);

/** A listener as it stands in the file. */
export const listenerSchema = z.strictObject({
  name: z
    .string({ error: nameError })
    .regex(/^[A-Za-z0-9._-]{1,64}$/, { error: nameError })
    .describe('its name in logs and metrics'),
  listen: socketAddress.describe('`host:port`, `"[v6]:port"` or `unix:/path`; port 0 is any free port'),
  socket: socket.optional().describe('who may connect to a UNIX socket. Default: as the system makes it'),
  mode: z
    .enum(['before-queue', 'after-queue'])
    .describe(
      '`before-queue` behind smtpd_proxy_filter: a reject reaches the sender; `after-queue` behind content_filter',
    ),
  clients: z
    .array(network)
    .prefault(['127.0.0.0/8', '::1'])
    .describe('networks that may connect, and whose XFORWARD is believed; a UNIX socket needs none'),
  destinations: z
    .array(destination, { error: (issue) => wrong(issue.input, `a list of ${destinationForm}`) })
    .min(1)
    .describe(
      'where mail goes on to, in order of failover, all SMTP or all LMTP: `smtp://host:port`, `smtps://`, `lmtp://`, `smtp+unix:/path`, `lmtp+unix:/path`',
    ),
  authservId: authservId
    .optional()
    .describe('the authserv-id of this listener. Default: the one above the listeners'),
  pool: pool.prefault({}).describe('connections downstream'),
  timeouts: timeouts.prefault({}).describe('how long the downstream may take'),
  envelope: z
    .enum(['passthrough', 'deferred'])
    .prefault('passthrough')
    .describe(
      '`passthrough`: MAIL and each RCPT go downstream at once; `deferred`: after the message was received and judged, for a downstream that must not be held meanwhile; in SMTP one recipient that it refuses then refuses the message',
    ),
  bareNewlines: z
    .enum(['normalize', 'reject', 'pass'])
    .prefault('normalize')
    .describe(
      'CR or LF alone inside a message: LF made CRLF, CR a space, and CRs before a line end taken away, as Postfix does; refused with 550 5.6.11; or passed as it is, but for a dot alone between such line ends, which a lax server takes for the end: that is refused too',
    ),
  tls: tls.optional().describe('certificate; without it, no STARTTLS. Default: none'),
  proxyProtocol: z
    .array(network)
    .prefault([])
    .describe(
      'networks (load balancers) whose connections begin with a PROXY header, of version 1 (HAProxy: `send-proxy`)',
    ),
  limits: limits.prefault({}).describe('what upstream may ask for'),
});
