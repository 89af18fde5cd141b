// `postern verify` as a shell sees it: its options, what goes to which output, and its exit status.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Result } from '../../src/authentication/result.ts';
import {
  broken,
  changed,
  client,
  config,
  directory,
  signed,
  stranger,
  unfold,
  write,
  zone,
} from '../verify/messages.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

/** The program with no variable of ours; the network is never asked. */
function start(args: readonly string[], stdout: 'pipe' | number = 'pipe'): ChildProcess {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('POSTERN_'));
  const named = args.includes('--config') ? args : ['--config', config, ...args];
  const child = spawn(process.execPath, [cli, 'verify', '--zone', zone, ...named], {
    env: Object.fromEntries(kept),
    cwd: directory,
    stdio: ['pipe', stdout, 'pipe'],
  });
  child.stdin?.on('error', () => {}); // who has seen enough does not read the rest
  return child;
}

async function verify(args: readonly string[], input: string | Buffer = '') {
  const child = start(args);
  child.stdin?.end(input);
  assert.ok(child.stdout && child.stderr);
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { stdout, stderr, status: status as number | null };
}

const options = ({ ip, helo, from }: typeof client) => ['--ip', ip, '--helo', helo, '--from', from];

test('standard input is read without a file, and with -; LF line ends and a mailbox line do not matter', async () => {
  const mailbox = `From alice@example.com Mon Jan  5 10:00:00 2026\n${signed.toString().replaceAll('\r\n', '\n')}`;
  const [bare, dash] = await Promise.all([
    verify(options(client), signed),
    verify([...options(client), '-'], mailbox),
  ]);
  assert.match(
    unfold(bare.stdout),
    /^Authentication-Results: mx\.example\.org; iprev=pass .*spf=pass .*dkim=pass .*dmarc=pass [^\n]*\n$/,
  );
  assert.deepEqual([bare.stderr, bare.status], ['', 0]);
  assert.deepEqual(dash, bare);
});

test('every option reaches the judgement; a failure is 1, and an error 2', async () => {
  const to = ['--to', 'b@example.net', '--to', '<c@example.net>'];
  const [failed, unknown] = await Promise.all([
    verify([...options(stranger), '--json', '--explain', '--smtputf8', ...to, changed]),
    verify(['--ip', '192.0.2.10', '--from', 'a@broken.example', broken]),
  ]);
  const found = JSON.parse(failed.stdout) as Record<string, unknown>;
  assert.equal(failed.stdout.trimEnd().split('\n').length, 1);
  assert.deepEqual(
    [found.verdict, found.client, found.from, found.to, Array.isArray(found.explanation)],
    [
      'fail',
      { ip: '198.51.100.1', helo: 'evil.example' },
      'alice@example.com',
      ['b@example.net', 'c@example.net'],
      true,
    ],
  );
  assert.ok((found.results as Result[]).some(({ method, value }) => method === 'dmarc' && value === 'fail'));
  assert.equal(failed.status, 1);
  assert.match(unfold(unknown.stdout), /spf=temperror .*dmarc=temperror /);
  assert.equal(unknown.status, 2);
});

test('where nothing was judged, the status says why, and nothing is on standard output', async () => {
  const small = write('small.yaml', 'spool: { messageLimit: 4kB }\n');
  const bad = write('bad.yaml', 'colour: red\n');
  const [option, two, value, refused, missing, empty, configuration] = await Promise.all([
    verify(['--colour', changed]),
    verify([changed, broken]),
    verify(['--ip', '300.1.1.1', changed]),
    verify(['--config', small], 'x'.repeat(10_000)),
    verify(['missing.eml']),
    verify([]),
    verify(['--config', bad, changed]),
  ]);
  const all = [option, two, value, refused, missing, empty, configuration];
  assert.deepEqual(
    all.map(({ status }) => status),
    [64, 64, 64, 65, 66, 66, 78],
  );
  assert.equal(all.map(({ stdout }) => stdout).join(''), '');
  assert.match(option.stderr, /unknown option '--colour'/);
  assert.equal(value.stderr, 'postern: --ip: 300.1.1.1 is not an IPv4 or IPv6 address\n');
  assert.match(refused.stderr, /^postern: [^\n]* 552 5\.3\.4[^\n]* over 4000 bytes\n$/);
  assert.match(missing.stderr, /^postern: missing\.eml: [^\n]*there is no such file \(ENOENT\)\n$/);
  assert.match(empty.stderr, /^postern: standard input: [^\n]*empty\n$/);
  assert.match(configuration.stderr, /bad\.yaml:1: colour: unknown key/);
});

test('a reader who goes away changes no status; an output that cannot be written is no verdict', async () => {
  const gone = start([...options(client), '--explain']);
  gone.stdout?.destroy();
  gone.stdin?.end(signed);
  const full = start(options(client), openSync('/dev/full', 'w'));
  full.stdin?.end(signed);
  assert.ok(full.stderr);
  const [[goneStatus], [fullStatus], told] = await Promise.all([
    once(gone, 'exit'),
    once(full, 'exit'),
    text(full.stderr),
  ]);
  assert.deepEqual([goneStatus, fullStatus], [0, 74]);
  assert.match(told, /^postern: standard output: [^\n]*ENOSPC[^\n]*\n$/);
});
