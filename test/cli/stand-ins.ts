// What the command lines of documents and help talk to, standing by on loopback, and how such a line runs here.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { makeKey, sign } from '../support/signing.ts';
import { Site } from '../top/site.ts';
import type { ShownLine } from './documents.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const key = makeKey('example.com', 's1');
const zone = {
  ...key.zone,
  'example.com': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
  '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject'] },
  'bank.example': { TXT: ['v=spf1 -all'] },
  '_dmarc.bank.example': { TXT: ['v=DMARC1; p=reject'] },
  'client.example.com': { A: ['192.0.2.10'] },
  '10.2.0.192.in-addr.arpa': { PTR: ['client.example.com'] },
  'broken.example': { TXT: 'SERVFAIL' },
};
/** For all lines together: each has a bound of its own, and others may be at work on this machine. */
export const limitMs = 600_000;

/** Tests of their own run these, and they take long. */
const elsewhere = new Set(['postern demo', 'postern start']);
const message = 'From: alice@example.com\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\nA body.\r\n';
const configuration = {
  listeners: [
    { name: 'in', listen: '127.0.0.1:0', mode: 'after-queue', destinations: ['smtp://127.0.0.1:1'] },
  ],
  dns: { zone: './zone.yaml', zoneOnly: true },
  http: false,
  workers: 1,
};

/** Files, servers and names in place of those that the lines name. */
export class StandIns implements AsyncDisposable {
  readonly #directory: string;
  readonly #owned: AsyncDisposableStack;
  readonly #replaced: readonly (readonly [shown: string, here: string])[];
  readonly #url: string;
  #outputs = 0;

  private constructor(
    directory: string,
    owned: AsyncDisposableStack,
    server: ScriptedDownstream,
    url: string,
  ) {
    this.#directory = directory;
    this.#owned = owned;
    this.#url = url;
    this.#replaced = [
      ['127.0.0.1:10025', `127.0.0.1:${server.port}`],
      ['unix:/run/dovecot/lmtp', `"unix:${join(directory, 'lmtp.sock')}"`],
      ['/etc/postern/postern.yaml', 'postern.yaml'],
      ['/etc/bash_completion.d/', './'],
      ['http://127.0.0.1:8025', url],
    ];
  }

  static async start(): Promise<StandIns> {
    await using owned = new AsyncDisposableStack();
    const directory = mkdtempSync(join(tmpdir(), 'postern-documents-'));
    owned.defer(() => rmSync(directory, { recursive: true }));
    const write = (name: string, content: string | Buffer) => writeFileSync(join(directory, name), content);
    write('zone.yaml', stringify(zone));
    write('postern.yaml', stringify(configuration));
    write('message.eml', await sign(message, key));
    write('spoofed.eml', 'From: service@bank.example\r\n\r\nPay.\r\n');
    const server = owned.use(await ScriptedDownstream.start());
    owned.use(await ScriptedDownstream.start({ protocol: 'lmtp', path: join(directory, 'lmtp.sock') }));
    const site = owned.use(await Site.start());
    return new StandIns(directory, owned.move(), server, site.url.origin);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  /** Proves each line in a test of its own, a few at a time: most of it is waiting for the program to start. */
  async proveAll(context: TestContext, lines: readonly ShownLine[]): Promise<void> {
    const waiting = lines.filter(({ line }) => !elsewhere.has(line));
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const shown = next;
        await context.test(`${shown.document}: ${shown.line}`, () => this.#prove(shown));
      }
    };
    await Promise.all([work(), work(), work()]);
  }

  /** Runs a line; @throws AssertionError unless it ends, and says, what is shown with it */
  async #prove({ line, status, output }: ShownLine): Promise<void> {
    const here = this.#adapt(line);
    if (line.startsWith('postern serve')) return this.#runUntilReady(here, /^postern: listening on /m);
    const ended = await this.#run(here);
    assert.equal(ended.status, status, `${here}\n${ended.stdout}\n${ended.stderr}`);
    if (output !== undefined) assert.equal(steady(ended.stdout), steady(output), here);
    else if (status === 0) assert.notEqual(ended.stdout + this.#written(here), '', 'it says nothing');
  }

  /** What a line does here. */
  #adapt(line: string): string {
    let adapted = this.#replaced.reduce((shown, [there, here]) => shown.replaceAll(there, here), line);
    const insert = (command: string, option: string) => {
      const name = option.split(' ', 1)[0] ?? '';
      const given = name === '--config' ? / -c | --config /.test(adapted) : adapted.includes(name);
      if (!given) adapted = adapted.replace(`postern ${command}`, `postern ${command} ${option}`);
    };
    for (const command of ['verify', 'dns', 'serve']) insert(command, '--config postern.yaml');
    insert('top', `--url ${this.#url}`);
    insert('config show', 'postern.yaml');
    // The one that is there stays.
    if (adapted.startsWith('postern config init'))
      adapted = adapted.replace(/--output \S+/, `--output new-${++this.#outputs}.yaml`);
    // What takes the terminal for good without a pipe behind it.
    if (adapted.startsWith('postern top') && !/--once|\|/.test(adapted))
      adapted += ' --interval 100ms | head -n 2';
    if (adapted.includes('bank.example')) adapted = adapted.replace('message.eml', 'spoofed.eml');
    return adapted;
  }

  #start(line: string): ChildProcess {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('POSTERN_'));
    const program = `postern() { "$NODE" "$CLI" "$@"; }; set -o pipefail; ${line}`;
    return spawn('bash', ['--norc', '-c', program], {
      cwd: this.#directory,
      env: { ...Object.fromEntries(kept), NODE: process.execPath, CLI: cli },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
  }

  async #run(line: string): Promise<{ stdout: string; stderr: string; status: number | null }> {
    const child = this.#start(line);
    assert.ok(child.stdout && child.stderr);
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    return { stdout, stderr, status };
  }

  /** Runs until it says that it is there, and ends it as its document says. */
  async #runUntilReady(line: string, ready: RegExp): Promise<void> {
    // One process, so that the signal reaches it.
    const child = this.#start(line.replace(/^postern/, 'exec "$NODE" "$CLI"'));
    const exit = once(child, 'exit');
    let said = '';
    let signalled = false;
    for await (const chunk of child.stdout ?? []) {
      said += chunk;
      if (!signalled && ready.test(said)) signalled = child.kill('SIGTERM');
    }
    assert.match(said, ready);
    assert.deepEqual(await exit, [0, null]);
  }

  /** What a line wrote into a file. */
  #written(line: string): string {
    const file = /> (\S+)$|--output (\S+)/
      .exec(line)
      ?.slice(1)
      .find((name) => name !== undefined);
    return file === undefined ? '' : readFileSync(join(this.#directory, file), 'utf8');
  }
}

/** An output without what differs each time: how long something took, and white space at its end. */
function steady(output: string): string {
  return output.replaceAll(/\d+(?:\.\d+)? ms\b/g, '… ms').trimEnd();
}
