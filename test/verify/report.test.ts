// What `postern verify` tells of a message: fields, what would be done, reasons, JSON, and what was assumed.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import type { Result } from '../../src/authentication/result.ts';
import type { Explanation } from '../../src/authentication/story/explanation.ts';
import { runVerify, type VerifyOptions } from '../../src/verify/command.ts';
import { seal } from '../support/signing.ts';
import {
  broken,
  changed,
  client,
  config,
  directory,
  good,
  listKey,
  signed,
  stranger,
  unfold,
  write,
  zone,
} from './messages.ts';

// Variables of whoever runs the tests would change the configuration.
for (const name of Object.keys(process.env)) if (name.startsWith('POSTERN_')) delete process.env[name];

/** The report, the lines on standard error, and the verdict. */
async function verify(file: string, options: VerifyOptions = {}) {
  const notes: string[] = [];
  const answer = await runVerify(file, { config, zone, ...options }, (note) => notes.push(note));
  return { ...answer, notes };
}

test('a message that passes: the field that would be added, and no more', async () => {
  const { report, notes, verdict } = await verify(good, client);
  assert.match(
    unfold(report),
    /^Authentication-Results: mx\.example\.org; iprev=pass .*spf=pass .*dkim=pass .*dmarc=pass [^\n]*\n$/,
  );
  assert.deepEqual([verdict, notes], ['pass', []]);
});

test('a message that fails: also what would be done about it', async () => {
  const { report, verdict } = await verify(changed, stranger);
  assert.match(unfold(report), /dkim=fail .*dmarc=fail /);
  assert.match(report, /^disposition: reject 550 5\.7\.1 /m);
  assert.equal(verdict, 'fail');
});

test('--json is one object with the same fields and verdicts', async () => {
  const plain = await verify(changed, stranger);
  const json = await verify(changed, { ...stranger, json: true });
  const found = JSON.parse(json.report) as Record<string, unknown>;
  assert.equal(json.report.trimEnd().split('\n').length, 1);
  assert.equal(json.verdict, plain.verdict);
  assert.equal(
    (found.fields as string[]).join('').replaceAll('\r\n', '\n'),
    `${plain.report.split('\n\n')[0]}\n`,
  );
  for (const { method, value } of found.results as Result[]) {
    assert.ok(plain.report.includes(`${method}=${value}`), `${method}=${value}`);
  }
  assert.deepEqual(
    [found.verdict, found.because, found.clientClass, found.client, found.to, found.removed],
    ['fail', 'dmarc=fail', 'stranger', { ip: '198.51.100.1', helo: 'evil.example' }, [], []],
  );
  assert.equal((found.disposition as { kind: string }).kind, 'reject');
  assert.equal(found.explanation, undefined);
});

test('--explain names records, questions with answers and times, and hashes', async () => {
  const { report } = await verify(changed, { ...stranger, explain: true });
  const told = report.replace(/\s+/g, ' ');
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
  assert.match(report, /asked TXT s1\._domainkey\.example\.com \(at [0-9.]+ ms, took [0-9.]+ ms\)/);
  const signedHash = /bh=([^;]+);/.exec(signed.toString().replace(/\r\n\s+/g, ''))?.[1] ?? 'none';
  const [, expected, computed] = /body hash: expected: (\S+) computed: (\S+)/.exec(told) ?? [];
  assert.equal(expected, signedHash, 'the hash that was signed');
  assert.match(computed ?? '', /^[A-Za-z0-9+/]{43}=$/);
  assert.notEqual(computed, expected);
  assert.ok(report.split('\n').every((line) => line.length <= 100));
});

test('--explain of an error names the question that failed', async () => {
  const { report, verdict } = await verify(broken, {
    ip: '192.0.2.10',
    from: 'a@broken.example',
    explain: true,
  });
  assert.match(
    report,
    /^spf\n {2}asked TXT broken\.example \(at [0-9.]+ ms, took [0-9.]+ ms\)\n {4}the name server failed \(SERVFAIL\)$/m,
  );
  assert.match(report, /^verdict: error \(dmarc=temperror\)$/m);
  assert.equal(verdict, 'error');
});

test('--explain of a chain names each seal, and both hashes of the newest one’s message', async () => {
  const findings = 'mx.list.example; dkim=pass header.d=example.com';
  const sealed = await seal(signed, listKey, findings);
  const file = write('sealed.eml', sealed);
  const broken = write('sealed-changed.eml', sealed.toString().replace('A body.', 'B body.'));
  const passed = (await verify(file, { ...client, explain: true })).report.replace(/\s+/g, ' ');
  assert.match(passed, /chain: - instance: 1 seal: domain: list\.example selector: l1 .* cv: none/);
  assert.match(passed, /body hash: expected: (\S+) computed: \1 .*=> arc=pass/);
  const failed = (await verify(broken, { ...client, explain: true })).report.replace(/\s+/g, ' ');
  const [, arc = ''] = / arc asked (.*=> arc=fail)/.exec(failed) ?? [];
  assert.match(arc, /body hash: expected: (\S+) computed: (?!\1)\S+ /);

  const { report } = await verify(file, { ...client, json: true, explain: true });
  const { explanation } = JSON.parse(report) as { explanation: Explanation };
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
  for (const json of [false, true]) {
    const { report, notes } = await verify(file, { json, explain: true, smtputf8: true });
    assert.match(report, /owned/);
    assert.doesNotMatch((report + notes.join('')).replaceAll('\n', ''), /\p{Cc}/u);
  }
});

test('a forged field of our own name is named as removed', async () => {
  const forged = 'Authentication-Results: mx.example.org;\r\n dkim=pass header.d=bank.example\r\n';
  const { report } = await verify(write('forged.eml', Buffer.concat([Buffer.from(forged), signed])), client);
  assert.match(
    report,
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
  const custom = write('custom.yaml', stringify({ checks: { custom: [{ module: './mine.mjs' }] } }));
  const { report, notes, verdict } = await verify(good, { ...client, config: custom, explain: true });
  assert.match(report, /^refused: MAIL FROM:<alice@example\.com>: 550 5\.7\.1 Not [^\n]* welcome$/m);
  assert.match(report, /^mine\n {2}looked up:\n {4}sender: alice@example\.com\n {2}=> mine=temperror/m);
  assert.deepEqual(notes, ['the check mine failed: boom \\x1b[2J']);
  assert.doesNotMatch(report.replaceAll('\n', ''), /\p{Cc}/u);
  assert.equal(verdict, 'pass');
});

test('without --from the Return-Path is the sender, without that the null sender; it is said', async () => {
  const message = Buffer.concat([Buffer.from('Return-Path: <alice@example.com>\r\n'), signed]);
  const returned = await verify(write('returned.eml', message), { ip: '192.0.2.10' });
  assert.deepEqual(returned.notes.length, 1);
  assert.match(returned.notes[0] ?? '', /^no --from: <alice@example\.com> is assumed/);
  assert.match(unfold(returned.report), /spf=pass [^;]* smtp\.mailfrom=/);
  const nothing = await verify(good, { ip: '192.0.2.10', helo: 'client.example.com' });
  assert.match(nothing.notes[0] ?? '', /^no --from, .* null sender <> is assumed$/);
  assert.match(unfold(nothing.report), /spf=none /);
});

test('without --ip nothing is said about the client, and that is said', async () => {
  const { report, notes, verdict } = await verify(good, { from: 'alice@example.com', explain: true });
  assert.match(notes.join('\n'), /^no --ip: .*$/);
  assert.doesNotMatch(report, /iprev=|spf=/);
  assert.match(report, /^skipped: .*iprev.*spf.* class unknown$/m);
  assert.equal(verdict, 'pass');
});

test('--listener chooses whose settings hold', async () => {
  const listener = { listen: '127.0.0.1:0', destinations: ['smtp://127.0.0.1:1'] };
  const two = write(
    'two.yaml',
    stringify({
      policy: { dmarc: 'reject' },
      listeners: [
        { ...listener, name: 'queued', mode: 'after-queue', authservId: 'queued.example' },
        { ...listener, name: 'direct', mode: 'before-queue', authservId: 'direct.example' },
      ],
    }),
  );
  const options = { ...stranger, config: two };
  const first = await verify(changed, options);
  assert.match(first.report, /^Authentication-Results: queued\.example;/);
  assert.match(first.report, /^X-Disposition-Quarantine: /m);
  assert.match(first.report, /^disposition: quarantine /m);
  const second = await verify(changed, { ...options, listener: 'direct' });
  assert.match(second.report, /^Authentication-Results: direct\.example;/);
  assert.match(second.report, /^disposition: reject 550 /m);
  await assert.rejects(verify(changed, { ...options, listener: 'other' }), {
    kind: 'usage',
    message: '--listener: there is no other; expected one of queued, direct',
  });
});

test('no message, or one that cannot be read, is named with the reason', async () => {
  mkdirSync(join(directory, 'folder'));
  const noInput = { name: 'VerifyError', kind: 'noInput' };
  const folder = { ...noInput, message: /folder: .*it is a directory \(EISDIR\)$/ };
  await assert.rejects(verify(join(directory, 'folder')), folder);
  const empty = { ...noInput, message: /empty\.eml: .*empty$/ };
  await assert.rejects(verify(write('empty.eml', '')), empty);
  const below = { ...noInput, message: /there is no such file \(ENOTDIR\)$/ };
  await assert.rejects(verify(join(good, 'below')), below);
});

test('a file without end is read no further than a message may be', async () => {
  const small = write('small.yaml', stringify({ spool: { messageLimit: '100kB' } }));
  await assert.rejects(verify('/dev/zero', { config: small }), {
    kind: 'data',
    message: /^\/dev\/zero: .* 552 5\.3\.4.* over 100000 bytes$/,
  });
});

test('bytes that are no message are judged like one', async () => {
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256));
  const { report, verdict } = await verify(write('bytes.eml', bytes), { ...stranger, explain: true });
  assert.match(unfold(report), /dkim=none .*dmarc=permerror /);
  assert.doesNotMatch(report.replaceAll('\n', ''), /\p{Cc}/u);
  assert.equal(verdict, 'error');
});

test('a zone file that cannot be read is a mistake of the configuration', async () => {
  await assert.rejects(verify(good, { zone: join(directory, 'missing.yaml') }), {
    name: 'ConfigurationError',
    message: /missing\.yaml: cannot be read: ENOENT/,
  });
});
