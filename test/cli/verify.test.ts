// `postern verify` as a shell sees it: what it prints for a message, and its exit status.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { Result } from '../../src/authentication/result.ts';
import type { Explanation } from '../../src/authentication/story/explanation.ts';
import { makeKey, seal, sign } from '../support/signing.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'postern-verify-'));
after(() => rmSync(directory, { recursive: true }));

/** @returns the name of a file in the directory that the program runs in */
function write(name: string, content: string | Buffer): string {
  writeFileSync(join(directory, name), content);
  return name;
}

const key = makeKey('example.com', 's1');
const listKey = makeKey('list.example', 'l1');
const lines = [
  'From: Alice <alice@example.com>',
  'To: bob@example.net',
  'Subject: hello',
  'Date: Mon, 5 Jan 2026 10:00:00 +0000',
  'Message-ID: <1@example.com>',
  '',
  'A body.',
  '',
];
const signed = await sign(lines.join('\r\n'), key);
const good = write('good.eml', signed);
const changed = write('changed.eml', signed.toString().replace('A body.', 'B body.'));
const zone = write(
  'zone.yaml',
  stringify({
    ...key.zone,
    ...listKey.zone,
    'example.com': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
    '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject'] },
    'client.example.com': { A: ['192.0.2.10'] },
    '10.2.0.192.in-addr.arpa': { PTR: ['client.example.com'] },
    'nowhere.example': { TXT: ['no record of ours'] },
    'broken.example': { TXT: 'SERVFAIL' },
    '_dmarc.broken.example': { TXT: 'SERVFAIL' },
  }),
);
/** No listener: none is needed. */
const config = write('postern.yaml', stringify({ hostname: 'mx.example.org', policy: { dmarc: 'reject' } }));

/** The program with no variable of ours; the network is never asked. */
async function verify(args: readonly string[], { input = '' }: { readonly input?: string | Buffer } = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('POSTERN_'));
  const named = args.includes('--config') ? args : ['--config', config, ...args];
  const child = spawn(process.execPath, [cli, 'verify', '--zone', zone, ...named], {
    env: Object.fromEntries(kept),
    cwd: directory,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {}); // who has seen enough does not read the rest
  child.stdin.end(input);
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { stdout, stderr, status: status as number | null };
}

const client = ['--ip', '192.0.2.10', '--helo', 'client.example.com', '--from', 'alice@example.com'];
const stranger = ['--ip', '198.51.100.1', '--helo', 'evil.example', '--from', 'alice@example.com'];

/** A field's text in one line. */
const unfold = (field: string) => field.replace(/\r?\n[ \t]+/g, ' ');

test('a message that passes: the field that would be added, and 0', async () => {
  const { stdout, stderr, status } = await verify([...client, good]);
  assert.equal(stderr, '');
  assert.match(
    unfold(stdout),
    /^Authentication-Results: mx\.example\.org; iprev=pass .*spf=pass .*dkim=pass .*dmarc=pass [^\n]*\n$/,
  );
  assert.equal(status, 0);
});

test('a message that fails: 1, and what would be done about it', async () => {
  const { stdout, status } = await verify([...stranger, changed]);
  assert.match(unfold(stdout), /dkim=fail .*dmarc=fail /);
  assert.match(stdout, /^disposition: reject 550 5\.7\.1 /m);
  assert.equal(status, 1);
});

test('a message whose name server does not answer: 2', async () => {
  const file = write('broken.eml', 'From: a@broken.example\r\n\r\nbody\r\n');
  const { stdout, status } = await verify(['--ip', '192.0.2.10', '--from', 'a@broken.example', file]);
  assert.match(unfold(stdout), /spf=temperror .*dmarc=temperror /);
  assert.equal(status, 2);
});

test('standard input is read without a file, and with -; LF line ends and a mailbox line do not matter', async () => {
  const input = `From alice@example.com Mon Jan  5 10:00:00 2026\n${signed.toString().replaceAll('\r\n', '\n')}`;
  const [named, bare, dash] = await Promise.all([
    verify([...client, good]),
    verify(client, { input: signed }),
    verify([...client, '-'], { input }),
  ]);
  assert.deepEqual([bare.stdout, bare.status], [named.stdout, 0]);
  assert.deepEqual([dash.stdout, dash.status], [named.stdout, 0]);
});

test('--json is one object with the same fields and verdicts', async () => {
  const [plain, json] = await Promise.all([
    verify([...stranger, changed]),
    verify([...stranger, '--json', '--to', 'b@example.net', '--to', '<c@example.net>', changed]),
  ]);
  const found = JSON.parse(json.stdout) as Record<string, unknown>;
  assert.equal(json.stdout.trimEnd().split('\n').length, 1);
  assert.equal(json.status, plain.status);
  assert.equal(
    (found.fields as string[]).join('').replaceAll('\r\n', '\n'),
    `${plain.stdout.split('\n\n')[0]}\n`,
  );
  for (const { method, value } of found.results as Result[]) {
    assert.ok(plain.stdout.includes(`${method}=${value}`), `${method}=${value}`);
  }
  assert.deepEqual(
    [found.verdict, found.because, found.clientClass, found.client, found.to, found.removed],
    [
      'fail',
      'dmarc=fail',
      'stranger',
      { ip: '198.51.100.1', helo: 'evil.example' },
      ['b@example.net', 'c@example.net'],
      [],
    ],
  );
  assert.equal((found.disposition as { kind: string }).kind, 'reject');
  assert.equal(found.explanation, undefined);
});

test('--explain names records, questions with answers and times, and hashes', async () => {
  const { stdout, status } = await verify([...stranger, '--explain', changed]);
  assert.equal(status, 1);
  const told = stdout.replace(/\s+/g, ' ');
  for (const expected of [
    'client: 198.51.100.1, HELO evil.example (stranger)',
    'envelope: MAIL FROM:<alice@example.com>',
    'record: v=spf1 ip4:192.0.2.0/24 -all',
    'mechanism that matched: -all',
    '"v=DMARC1; p=reject"',
    '1.100.51.198.in-addr.arpa',
    'there is no such name (NXDOMAIN)',
    'verdict: fail (dmarc=fail)',
  ]) {
    assert.ok(told.includes(expected), expected);
  }
  assert.match(stdout, /asked TXT s1\._domainkey\.example\.com \([0-9.]+ ms\)/);
  const signedHash = /bh=([^;]+);/.exec(signed.toString().replace(/\r\n\s+/g, ''))?.[1] ?? 'none';
  assert.ok(stdout.includes(signedHash), 'the hash that was signed');
  assert.ok(stdout.split('\n').every((line) => line.length <= 100));
});

test('--json --explain has the story of each check', async () => {
  const sealed = write(
    'sealed.eml',
    await seal(signed, listKey, 'mx.list.example; dkim=pass header.d=example.com'),
  );
  const { stdout, status } = await verify([...client, '--json', '--explain', sealed]);
  assert.equal(status, 0);
  const { explanation } = JSON.parse(stdout) as { explanation: Explanation };
  const of = (name: string) => explanation.find(({ check }) => check === name);
  assert.deepEqual(
    of('spf')?.questions.map(({ name, answer }) => [name, answer]),
    [['example.com', [['v=spf1 ip4:192.0.2.0/24 -all']]]],
  );
  assert.ok(JSON.stringify(of('arc')).includes('list.example'), 'the seal');
  assert.ok(of('dkim')?.facts.length, 'the signature');
});

test('a header full of escapes cannot drive a terminal', async () => {
  const evil = 'a\x1b]0;owned\x07\x1b[2J\x9b31m';
  const message = [
    `Authentication-Results: mx.example.org; spf=pass ${evil}`,
    `From: ${evil} <a@nowhere.example>`,
    `DKIM-Signature: v=1; a=rsa-sha256; d=nowhere.example; s=${evil}; h=from; bh=${evil}; b=${evil}`,
    '',
    'body',
  ].join('\r\n');
  const file = write('evil.eml', Buffer.from(message, 'latin1'));
  for (const format of [[], ['--json']]) {
    const { stdout, stderr } = await verify([...format, '--explain', '--smtputf8', file]);
    assert.match(stdout, /owned/);
    assert.doesNotMatch((stdout + stderr).replaceAll('\n', ''), /\p{Cc}/u);
  }
});

test('a forged field of our own name is named as removed', async () => {
  const forged = 'Authentication-Results: mx.example.org;\r\n dkim=pass header.d=bank.example\r\n';
  const file = write('forged.eml', Buffer.concat([Buffer.from(forged), signed]));
  const { stdout } = await verify([...client, file]);
  assert.match(
    stdout,
    /\n\nremoved: Authentication-Results: mx\.example\.org;\n {10}dkim=pass header\.d=bank\.example\n$/,
  );
});

test('what a check of one’s own refuses is told, and its mistakes are no verdict', async () => {
  write(
    'mine.mjs',
    `export default {
      name: 'mine',
      skippedFor: [],
      mail: ({ explain, reversePath }) => {
        explain('looked up', { sender: reversePath });
        return { disposition: { kind: 'reject', reason: 'not welcome', text: 'Not \\x1b[1m welcome' } };
      },
      header: () => { throw new Error('boom \\x1b[2J'); },
    };`,
  );
  const file = write('custom.yaml', stringify({ checks: { custom: [{ module: './mine.mjs' }] } }));
  const { stdout, stderr, status } = await verify(['--config', file, '--explain', ...client, good]);
  assert.match(stdout, /^refused: MAIL FROM:<alice@example\.com>: 550 5\.7\.1 Not [^\n]* welcome$/m);
  assert.match(stdout, /^mine\n {2}looked up:\n {4}sender: alice@example\.com\n {2}=> mine=temperror/m);
  assert.equal(stderr, 'postern: the check mine failed: boom \\x1b[2J\n');
  assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{Cc}/u);
  assert.equal(status, 0);
});

test('without --from the Return-Path is the sender, without that the null sender; it is said', async () => {
  const file = write(
    'returned.eml',
    Buffer.concat([Buffer.from('Return-Path: <alice@example.com>\r\n'), signed]),
  );
  const [returned, nothing] = await Promise.all([
    verify(['--ip', '192.0.2.10', file]),
    verify(['--ip', '192.0.2.10', '--helo', 'client.example.com', good]),
  ]);
  assert.match(returned.stderr, /^postern: no --from: <alice@example\.com> is assumed[^\n]*\n$/);
  assert.match(unfold(returned.stdout), /spf=pass [^;]* smtp\.mailfrom=/);
  assert.match(nothing.stderr, /^postern: no --from, [^\n]* null sender <> is assumed\n$/);
  assert.match(unfold(nothing.stdout), /spf=none /);
});

test('without --ip nothing is said about the client, and that is said', async () => {
  const { stdout, stderr, status } = await verify(['--from', 'alice@example.com', '--explain', good]);
  assert.match(stderr, /^postern: no --ip: [^\n]*\n$/);
  assert.doesNotMatch(stdout, /iprev=|spf=/);
  assert.match(stdout, /^skipped: .*iprev.*spf.* class unknown$/m);
  assert.equal(status, 0);
});

test('--listener chooses whose settings hold', async () => {
  const listener = { listen: '127.0.0.1:0', destinations: ['smtp://127.0.0.1:1'] };
  const file = write(
    'two.yaml',
    stringify({
      policy: { dmarc: 'reject' },
      listeners: [
        { ...listener, name: 'queued', mode: 'after-queue', authservId: 'queued.example' },
        { ...listener, name: 'direct', mode: 'before-queue', authservId: 'direct.example' },
      ],
    }),
  );
  const options = ['--config', file, ...stranger, changed];
  const [first, second, none] = await Promise.all([
    verify(options),
    verify(['--listener', 'direct', ...options]),
    verify(['--listener', 'other', ...options]),
  ]);
  assert.match(first.stdout, /^Authentication-Results: queued\.example;/);
  assert.match(first.stdout, /^X-Disposition-Quarantine: /m);
  assert.match(first.stdout, /^disposition: quarantine /m);
  assert.match(second.stdout, /^Authentication-Results: direct\.example;/);
  assert.match(second.stdout, /^disposition: reject 550 /m);
  assert.deepEqual([none.status, none.stdout], [64, '']);
  assert.equal(none.stderr, 'postern: --listener: there is no other; expected one of queued, direct\n');
});

test('a message that the proxy would refuse unseen ends with 65 and its reply', async () => {
  const file = write('small.yaml', stringify({ spool: { messageLimit: '4kB' } }));
  const { stdout, stderr, status } = await verify(['--config', file], { input: 'x'.repeat(10_000) });
  assert.deepEqual([stdout, status], ['', 65]);
  assert.match(stderr, /^postern: [^\n]* 552 5\.3\.4[^\n]* over 4000 bytes\n$/);
});

test('no message, or one that cannot be read, ends with 66 and the reason', async () => {
  mkdirSync(join(directory, 'folder'));
  const [missing, folder, empty] = await Promise.all([
    verify(['missing.eml']),
    verify(['folder']),
    verify([]),
  ]);
  assert.deepEqual([missing.status, folder.status, empty.status], [66, 66, 66]);
  assert.match(missing.stderr, /^postern: missing\.eml: [^\n]*there is no such file \(ENOENT\)\n$/);
  assert.match(folder.stderr, /^postern: folder: [^\n]*it is a directory \(EISDIR\)\n$/);
  assert.match(empty.stderr, /^postern: standard input: [^\n]*empty\n$/);
});

test('a wrong command line ends with 64', async () => {
  const answers = await Promise.all([
    verify(['--ip', '300.1.1.1', good]),
    verify(['--colour', good]),
    verify([good, changed]),
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [64, 64, 64],
  );
  assert.equal(answers[0]?.stderr, 'postern: --ip: 300.1.1.1 is not an IPv4 or IPv6 address\n');
});

test('a configuration or zone that cannot be used ends with 78', async () => {
  const bad = write('bad.yaml', 'colour: red\n');
  const [configuration, missing] = await Promise.all([
    verify(['--config', bad, good]),
    verify(['--zone', 'missing.yaml', good]),
  ]);
  assert.match(configuration.stderr, /^bad\.yaml:1: colour: unknown key/);
  assert.match(missing.stderr, /missing\.yaml: cannot be read: ENOENT/);
  assert.deepEqual([configuration.status, missing.status], [78, 78]);
});
