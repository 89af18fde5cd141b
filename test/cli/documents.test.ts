// The documents' command lines: each is run as it is shown, with what it talks to standing by.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { postern } from '../../src/cli/program.ts';
import { completionTree } from '../../src/completion/tree.ts';
import { exits } from '../../src/exits.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { makeKey, sign } from '../support/signing.ts';
import { Site } from '../top/site.ts';
import { mentions, type ShownLine, shownLines } from './documents.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'postern-documents-'));

const running: AsyncDisposable[] = [];
let outputs = 0;
let replaced: readonly (readonly [shown: string, here: string])[] = [];

before(async () => {
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
  const message = 'From: alice@example.com\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\nA body.\r\n';
  const listener = {
    name: 'in',
    listen: '127.0.0.1:0',
    mode: 'after-queue',
    destinations: ['smtp://127.0.0.1:1'],
  };
  const configuration = {
    listeners: [listener],
    dns: { zone: './zone.yaml', zoneOnly: true },
    http: false,
    workers: 1,
  };
  const write = (name: string, content: string | Buffer) => writeFileSync(join(directory, name), content);
  write('zone.yaml', stringify(zone));
  write('postern.yaml', stringify(configuration));
  write('message.eml', await sign(message, key));
  write('spoofed.eml', 'From: service@bank.example\r\n\r\nPay.\r\n');
  const lmtpSocket = join(directory, 'lmtp.sock');
  const server = await ScriptedDownstream.start();
  const lmtp = await ScriptedDownstream.start({ protocol: 'lmtp', path: lmtpSocket });
  const site = await Site.start();
  running.push(server, lmtp, site);
  replaced = [
    ['127.0.0.1:10025', `127.0.0.1:${server.port}`],
    ['unix:/run/dovecot/lmtp', `unix:${lmtpSocket}`],
    ['/etc/postern/postern.yaml', 'postern.yaml'],
    ['http://127.0.0.1:8025', site.url.origin],
  ];
});

after(async () => {
  for (const each of running) await each[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

/** What a line does here: with the files, servers and names of this test in place of those it names. */
function adapt(line: string): string {
  let adapted = replaced.reduce((text, [shown, here]) => text.replaceAll(shown, here), line);
  const insert = (command: string, option: string) => {
    const name = option.split(' ', 1)[0] ?? '';
    const given = name === '--config' ? / -c | --config /.test(adapted) : adapted.includes(name);
    if (!given) adapted = adapted.replace(`postern ${command}`, `postern ${command} ${option}`);
  };
  insert('verify', '--config postern.yaml');
  // The one that is there stays.
  if (adapted.startsWith('postern config init'))
    adapted = adapted.replace(/--output \S+/, `--output new-${++outputs}.yaml`);
  insert('dns', '--config postern.yaml');
  insert('top', `--url ${replaced.at(-1)?.[1]}`);
  // What takes the terminal for good without a pipe behind it.
  if (adapted.startsWith('postern top') && !/--once|\|/.test(adapted))
    adapted += ' --interval 100ms | head -n 2';
  if (adapted.includes('bank.example')) adapted = adapted.replace('message.eml', 'spoofed.eml');
  return adapted;
}

function start(line: string): ChildProcess {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('POSTERN_'));
  const program = `postern() { "$NODE" "$CLI" "$@"; }; set -o pipefail; ${line}`;
  return spawn('bash', ['--norc', '-c', program], {
    cwd: directory,
    env: { ...Object.fromEntries(kept), NODE: process.execPath, CLI: cli },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
}

async function run(line: string): Promise<{ stdout: string; stderr: string; status: number | null }> {
  const child = start(line);
  assert.ok(child.stdout && child.stderr);
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { stdout, stderr, status };
}

/** Runs until it says that it is there, and ends it as its document says. */
async function runUntilReady(line: string, ready: RegExp): Promise<void> {
  // One process, so that the signal reaches it.
  const child = start(line.replace(/^postern/, 'exec "$NODE" "$CLI"'));
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

/** Tests of their own run these, and they take long. */
const elsewhere = new Set(['postern demo', 'postern start']);

test('every command line in the documents runs, and ends as it is said there', async (context) => {
  const lines = shownLines().filter(
    ({ line }) => !elsewhere.has(line) && !/\b(?:FILE|COMMAND|NAME|TYPE)\b|\.\.\./.test(line),
  );
  assert.ok(lines.length > 15, `${lines.length} lines`);
  const prove = async ({ document, line, status }: ShownLine) => {
    await context.test(`${document}: ${line}`, async () => {
      const here = adapt(line);
      if (/^postern serve/.test(line)) return runUntilReady(here, /^postern: listening on /m);
      const ended = await run(here);
      assert.equal(ended.status, status, `${here}\n${ended.stdout}\n${ended.stderr}`);
      if (status === 0) assert.notEqual(ended.stdout + readAfter(here), '', 'it says nothing');
    });
  };
  // A few at a time: most of it is waiting for the program to start.
  const waiting = [...lines];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await prove(next);
  };
  await Promise.all([work(), work(), work()]);
});

/** What a line wrote into a file. */
function readAfter(line: string): string {
  const file = /> (\S+)$|--output (\S+)/
    .exec(line)
    ?.slice(1)
    .find((name) => name !== undefined);
  return file === undefined ? '' : readFileSync(join(directory, file), 'utf8');
}

test('every command that a text mentions is there, with the options that it names', () => {
  const tree = completionTree(postern());
  const unknown: string[] = [];
  for (const { document, line } of mentions()) {
    const words = line.split(' ').slice(1);
    const command = tree.findLast(
      ({ path }) => path.length > 0 && path.every((name, i) => words[i] === name),
    );
    const flags = words.filter((word) => /^--?[a-z]/.test(word));
    const known = command?.options.flatMap((option) => option.flags) ?? ['--help', '--version'];
    const isGeneral = flags.length > 0 && words[0] === flags[0];
    if ((!command && !isGeneral) || flags.some((flag) => !known.includes(flag)))
      unknown.push(`${document}: ${line}`);
  }
  assert.deepEqual(unknown, []);
  assert.ok(mentions().length > 10);
});

test('every command and every exit status has its place in docs/cli.md', () => {
  const document = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  const rows = [...document.matchAll(/^\| (\d+) \| `EX_[A-Z]+` \|/gm)].map(([, status]) => Number(status));
  assert.deepEqual(
    rows,
    Object.values(exits).sort((one, other) => one - other),
  );
  for (const command of postern().commands) {
    assert.match(document, new RegExp(`^postern ${command.name()}\\b`, 'm'), command.name());
  }
  const described = [...document.matchAll(/`(--[a-z-]+)`/g)].map(([, flag]) => flag);
  const known = new Set(
    completionTree(postern()).flatMap(({ options }) => options.flatMap(({ flags }) => flags)),
  );
  assert.deepEqual(
    described.filter((flag) => flag === undefined || !known.has(flag)),
    [],
  );
});
