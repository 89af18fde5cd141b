// A private Postfix instance: its own configuration, queue, log and mailboxes under one temporary directory.
import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { answers } from './ports.ts';
import { type Daemon, type Site, untilReady } from './site.ts';
import { eventually } from './wait.ts';

const run = promisify(execFile);

/** master(8) where Debian has it. */
const MASTER = '/usr/lib/postfix/sbin/master';

/** The user that virtual(8) delivers as; Debian's nobody and nogroup. */
const MAILBOX_USER = 65_534;
const MAILBOX_GROUP = 65_534;

/** What an instance is made of, besides what every instance has. */
export interface PostfixOptions {
  /** Part of the directory's name and of the syslog name; also its host name below `.example`. */
  readonly name: string;
  /** Further lines of main.cf. */
  readonly main: string;
  /** Further lines of master.cf. */
  readonly master: string;
  /** TCP ports of 127.0.0.1 that its master.cf listens at; ready when all of them answer. */
  readonly ports: readonly number[];
  /** Addresses delivered into Maildirs by virtual(8); their domains are this instance's own. */
  readonly mailboxes?: readonly string[];
}

/** A queued message as `postqueue -j` reports it. */
export interface QueuedMessage {
  readonly queue_name: string;
  readonly queue_id: string;
  readonly sender: string;
  readonly recipients: readonly { readonly address: string; readonly delay_reason?: string }[];
}

/** One Postfix, started and stopped by the test, in nobody's way. */
export class Postfix {
  readonly #site: Site;
  readonly #options: PostfixOptions;
  readonly #configuration: string;
  readonly #mail: string;
  readonly #logFile: string;
  #daemon: Daemon | undefined;

  /** Writes the instance's files; nothing runs yet. */
  constructor(site: Site, options: PostfixOptions) {
    const directory = site.directory(`postfix-${options.name}`);
    this.#site = site;
    this.#options = options;
    this.#configuration = join(directory, 'etc');
    this.#mail = join(directory, 'mail');
    this.#logFile = join(directory, 'log');
    for (const name of ['etc', 'queue', 'data', 'mail']) mkdirSync(join(directory, name));
    chownSync(join(directory, 'data'), userId('postfix'), 0);
    chownSync(this.#mail, MAILBOX_USER, MAILBOX_GROUP);
    writeFileSync(join(this.#configuration, 'main.cf'), mainCf(directory, options));
    writeFileSync(join(this.#configuration, 'master.cf'), masterCf(options));
    writeFileSync(
      join(this.#configuration, 'mailboxes'),
      (options.mailboxes ?? []).map((address) => `${address} ${address}/\n`).join(''),
    );
  }

  /** Starts the instance and waits until all its ports answer. */
  async start(): Promise<this> {
    // Makes what is missing of the queue's directories, with their owners.
    await run('/usr/sbin/postfix', ['-c', this.#configuration, 'check']);
    // Not `postfix start-fg`: unless its process id is 1 it leaves master(8) behind when it is stopped.
    const daemon = this.#site.start(MASTER, ['-c', this.#configuration, '-s']);
    this.#daemon = daemon;
    await untilReady(
      `Postfix ${this.#options.name}`,
      daemon,
      async () => (await Promise.all(this.#options.ports.map(answers))).every(Boolean),
      () => this.log(),
    );
    return this;
  }

  /** Stops the instance; its queue stays for the next start. */
  async stop(): Promise<void> {
    await this.#daemon?.stop();
  }

  /** Its mail log so far. */
  log(): string {
    return existsSync(this.#logFile) ? readFileSync(this.#logFile, 'latin1') : '';
  }

  /** Waits for a line of the log that the pattern matches; patterns see one line at a time. */
  async logged(pattern: RegExp): Promise<RegExpExecArray> {
    return eventually(
      `${this.#options.name} to log ${pattern}`,
      () => {
        for (const line of this.log().split('\n')) {
          const match = pattern.exec(line);
          if (match !== null) return match;
        }
        return undefined;
      },
      { state: () => this.log() },
    );
  }

  /** What is in the queue now, held and deferred mail included. */
  async queue(): Promise<readonly QueuedMessage[]> {
    const { stdout } = await run('/usr/sbin/postqueue', ['-c', this.#configuration, '-j']);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line): QueuedMessage => JSON.parse(line));
  }

  /** Waits until everything in the queue has been delivered or returned. */
  async queueEmpty(): Promise<void> {
    await eventually(
      `${this.#options.name} to have an empty queue`,
      async () => (await this.queue()).length === 0,
      {
        state: () => this.log(),
      },
    );
  }

  /** Hands a message to sendmail(1), as a program on this host does. */
  async submit(from: string, to: string, message: string): Promise<void> {
    const parameters = ['-C', this.#configuration, '-i', '-f', from, to];
    const submission = run('/usr/sbin/sendmail', parameters);
    submission.child.stdin?.end(message.replaceAll('\r\n', '\n'), 'latin1');
    await submission;
  }

  /** Tries to deliver all deferred mail now. */
  async flush(): Promise<void> {
    await run('/usr/sbin/postqueue', ['-c', this.#configuration, '-f']);
  }

  /** The messages in a mailbox as they were stored, byte for byte (latin1), in no order. */
  mailbox(address: string): readonly string[] {
    const directory = join(this.#mail, address, 'new');
    if (!existsSync(directory)) return [];
    return readdirSync(directory).map((name) => readFileSync(join(directory, name), 'latin1'));
  }

  /** Waits until a mailbox holds a message in which the given text appears, and returns that message. */
  async delivered(address: string, text: string): Promise<string> {
    return eventually(
      `${this.#options.name} to deliver to ${address}`,
      () => this.mailbox(address).find((message) => message.includes(text)),
      { state: () => this.log() },
    );
  }
}

function mainCf(directory: string, { name, main, mailboxes = [] }: PostfixOptions): string {
  const domains = new Set(mailboxes.map((address) => address.slice(address.lastIndexOf('@') + 1)));
  return `compatibility_level = 3.6
queue_directory = ${directory}/queue
data_directory = ${directory}/data
maillog_file = ${directory}/log
maillog_file_prefixes = ${directory}
syslog_name = postfix-${name}
myhostname = ${name}.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
local_recipient_maps =
default_transport = error:the tests send nothing elsewhere
relay_transport = smtp:[127.0.0.1]:1
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_authorized_xclient_hosts = 127.0.0.0/8
virtual_mailbox_domains = ${[...domains].join(', ')}
virtual_mailbox_base = ${directory}/mail
virtual_mailbox_maps = texthash:${directory}/etc/mailboxes
virtual_uid_maps = static:${MAILBOX_USER}
virtual_gid_maps = static:${MAILBOX_GROUP}
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
${main}
`;
}

/** The services that every instance needs (master(5)), none of them in a chroot. */
function masterCf({ master }: PostfixOptions): string {
  return `pickup    unix  n  -  n  60     1  pickup
cleanup   unix  n  -  n  -      0  cleanup
qmgr      unix  n  -  n  300    1  qmgr
rewrite   unix  -  -  n  -      -  trivial-rewrite
bounce    unix  -  -  n  -      0  bounce
defer     unix  -  -  n  -      0  bounce
trace     unix  -  -  n  -      0  bounce
verify    unix  -  -  n  -      1  verify
flush     unix  n  -  n  1000?  0  flush
proxymap  unix  -  -  n  -      -  proxymap
smtp      unix  -  -  n  -      -  smtp
relay     unix  -  -  n  -      -  smtp
showq     unix  n  -  n  -      -  showq
error     unix  -  -  n  -      -  error
retry     unix  -  -  n  -      -  error
discard   unix  -  -  n  -      -  discard
virtual   unix  -  n  n  -      -  virtual
lmtp      unix  -  -  n  -      -  lmtp
tlsmgr    unix  -  -  n  1000?  1  tlsmgr
anvil     unix  -  -  n  -      1  anvil
scache    unix  -  -  n  -      1  scache
postlog   unix-dgram n - n  -      1  postlogd
${master}
`;
}

function userId(name: string): number {
  const line = readFileSync('/etc/passwd', 'latin1')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const id = Number(line?.split(':')[2]);
  if (!Number.isInteger(id)) throw new Error(`there is no user ${name}`);
  return id;
}
