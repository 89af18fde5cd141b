// A private Exim: its own configuration, queue, log and mailbox under one temporary directory.
import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { answers } from './ports.ts';
import { type Site, startRestartable, untilReady } from './site.ts';
import { eventually } from './wait.ts';

const run = promisify(execFile);

const PROGRAM = '/usr/local/lib/exim4/exim4';

/** The user that it runs and delivers as; Debian's nobody and nogroup. */
const USER = 65_534;
const GROUP = 65_534;

/** One Exim. */
export interface Exim {
  /** Hands it a message, as a program on this host does. */
  submit(from: string, to: readonly string[], message: string): Promise<void>;
  /** Its main log so far. */
  log(): string;
  /** All that it has delivered here, as it was stored (latin1): each message begins with a line `From `. */
  mailbox(): string;
  /** Waits until nothing is left to be delivered. */
  queueEmpty(): Promise<void>;
  /** Stops it, and starts it again. */
  restart(): Promise<void>;
}

/**
 * Starts Exim and waits until its port answers.
 *
 * @param name part of the directory's name, and its host name below `.example`
 * @param port where SMTP listens on 127.0.0.1
 * @param nextPort where on 127.0.0.1 all mail goes; undefined: into the mailbox
 * @param settings further lines of the main section
 */
export async function startExim(
  site: Site,
  name: string,
  port: number,
  nextPort: number | undefined,
  settings = '',
): Promise<Exim> {
  const directory = site.directory(`exim-${name}`);
  for (const each of ['spool', 'log', 'mail']) {
    mkdirSync(join(directory, each));
    chownSync(join(directory, each), USER, GROUP);
  }
  const file = join(directory, 'exim.conf');
  const mailbox = join(directory, 'mail', 'box');
  writeFileSync(
    file,
    `exim_path = ${PROGRAM}
primary_hostname = ${name}.example
spool_directory = ${directory}/spool
log_file_path = ${directory}/log/%s
exim_user = ${USER}
exim_group = ${GROUP}
deliver_drop_privilege
daemon_smtp_ports = ${port}
local_interfaces = 127.0.0.1
pid_file_path = ${directory}/spool/exim.pid
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
acl_smtp_rcpt = accept
${settings}
begin routers
all:
  driver = ${nextPort === undefined ? 'accept' : `manualroute\n  route_list = * 127.0.0.1\n  self = send`}
  transport = ${nextPort === undefined ? 'mailbox' : 'smtp'}
begin transports
mailbox:
  driver = appendfile
  file = ${mailbox}
smtp:
  driver = smtp
  port = ${nextPort ?? 25}
  message_linelength_limit = 1M
begin retry
* * F,1h,1h
`,
  );
  const logFile = join(directory, 'log', 'main');
  const log = () => (existsSync(logFile) ? readFileSync(logFile, 'latin1') : '');
  const restart = await startRestartable(async () => {
    const daemon = site.start(PROGRAM, ['-C', file, '-bdf', '-q1h']);
    await untilReady(`Exim ${name}`, daemon, () => answers(port), log);
    return daemon;
  });
  return {
    restart,
    async submit(from, to, message) {
      const submission = run(PROGRAM, ['-C', file, '-oi', '-f', from, ...to]);
      submission.child.stdin?.end(message.replaceAll('\r\n', '\n'), 'latin1');
      await submission;
    },
    log,
    mailbox: () => (existsSync(mailbox) ? readFileSync(mailbox, 'latin1') : ''),
    queueEmpty: () =>
      eventually(
        `${name} to have an empty queue`,
        async () => (await run(PROGRAM, ['-C', file, '-bpc'])).stdout.trim() === '0',
        { state: log },
      ).then(() => undefined),
  };
}
