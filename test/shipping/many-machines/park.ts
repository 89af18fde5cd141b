// The machines of docs/operations.md: two mail servers, two Posterns, HAProxy, all at the addresses that it names.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { documentedLines } from '../../mta/support/documents.ts';
import { Postfix } from '../../mta/support/postfix.ts';
import { type Daemon, Site, untilReady } from '../../mta/support/site.ts';
import { eventually } from '../../mta/support/wait.ts';
import { textOf } from '../support/files.ts';
import type { Machine } from '../support/network.ts';

const program = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url));

/** Addresses of the documents. */
export const addresses = {
  test: '10.0.0.1',
  balancer: '10.0.0.5',
  posterns: ['10.0.0.11', '10.0.0.12'],
  mailServers: ['10.0.0.20', '10.0.0.21'],
  stranger: '10.0.0.99',
} as const;

/**
 * A block of docs/operations.md, as it stands there.
 *
 * @param language of the block
 * @param text that is in the block
 * @throws Error when there is no such block
 */
export function block(language: string, text: string): string {
  const blocks = textOf('docs/operations.md').matchAll(
    new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gmsu'),
  );
  for (const [, found = ''] of blocks) if (found.includes(text)) return found;
  throw new Error(`docs/operations.md has no block of ${language} with ${text}`);
}

/** A site whose daemons run on a machine. */
export class MachineSite extends Site {
  readonly #inside: readonly string[];

  constructor({ inside }: Machine) {
    super();
    this.#inside = inside;
  }

  override start(name: string, parameters: readonly string[], environment?: NodeJS.ProcessEnv): Daemon {
    const [first = '', ...rest] = [...this.#inside, name, ...parameters];
    return super.start(first, rest, environment);
  }
}

/** Postern on a machine, with the configuration beside HAProxy's. */
export class PosternMachine {
  readonly #site: MachineSite;
  readonly #directory: string;
  #daemon: Daemon | undefined;

  constructor(site: MachineSite) {
    this.#site = site;
    this.#directory = site.directory('postern');
    writeFileSync(join(this.#directory, 'http-token'), '0123456789abcdef0123456789abcdef\n');
    const shown = block('yaml', 'proxyProtocol').replace('/etc/postern/http-token', './http-token');
    const here = {
      hostname: 'mx.example.com',
      dns: { servers: [addresses.test] },
      spool: { directory: this.#directory },
      log: { level: 'debug' },
      workers: 1,
    };
    writeFileSync(join(this.#directory, 'postern.yaml'), stringify({ ...parse(shown), ...here }));
  }

  async start(): Promise<void> {
    const daemon = this.#site.start(process.execPath, [
      ...[program, 'serve', '--config', join(this.#directory, 'postern.yaml')],
    ]);
    await eventually(
      'Postern to be ready',
      () => {
        if (!daemon.running()) throw new Error(`Postern ended\n${daemon.output()}`);
        return daemon.output().includes('postern: listening on 0.0.0.0:10025');
      },
      // Others may be at work on this machine, and a start is work.
      { limitMs: 60_000, state: daemon.output },
    );
    this.#daemon = daemon;
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop();
  }

  /** The log of what was started last. */
  log(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#daemon?.output().split('\n') ?? [];
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }
}

/** The mailbox that each mail server has. */
export const mailbox = 'bob@example.com';

/**
 * A mail server as docs/postfix.md has it, at addresses that other machines reach.
 *
 * @param filter the line that names Postern
 * @param further line of master.cf
 */
export function mailServer(site: MachineSite, name: string, filter: string, further = ''): Postfix {
  const networks = '10.0.0.0/24';
  const lines = (side: string) =>
    documentedLines(`after-queue master.cf ${side}`, {})
      .replace('127.0.0.1:10026', '0.0.0.0:10026')
      .replaceAll('127.0.0.0/8', networks);
  return new Postfix(site, {
    name,
    main: [
      documentedLines('after-queue main.cf', {}),
      filter,
      'inet_interfaces = all',
      // The name server is the test's.
      'disable_dns_lookups = no',
      `smtpd_authorized_xforward_hosts = ${addresses.test}`,
    ].join('\n'),
    master: ['25 inet n - n - - smtpd', further, lines('upstream'), lines('downstream')].join('\n'),
    // Its start is in its log.
    ports: [],
    mailboxes: [mailbox],
  });
}

/** HAProxy with the documented lines and nothing else, but for looking ten times as often. */
export async function startBalancer(site: MachineSite): Promise<Daemon> {
  const file = join(site.directory('haproxy'), 'haproxy.cfg');
  writeFileSync(file, block('haproxy', 'send-proxy').replaceAll('inter 5s', 'inter 500ms'));
  const daemon = site.start('/usr/sbin/haproxy', ['-db', '-V', '-f', file]);
  await untilReady('HAProxy', daemon, () => /started|Available polling/iu.test(daemon.output()));
  return daemon;
}
