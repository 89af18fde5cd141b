// The unit for systemd: read by systemd itself, and in step with the program.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { skipWithoutTools } from '../mta/support/requires.ts';
import { Site } from '../mta/support/site.ts';
import { nobody, programForAll } from '../support/program.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { configurationOf, textOf } from './support/files.ts';
import { relay, startServing } from './support/serving.ts';
import { confinedTo, permittedCalls } from './support/system-calls.ts';

const unit = textOf('config/systemd/postern.service');
const lacking = spawnSync('systemd-analyze', ['--version']).status !== 0;
const skip = lacking && !process.env.CI ? 'needs systemd-analyze: apt-get install systemd' : false;

/** The values of a key, in their order. */
const values = (key: string) =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gmu'))].map(([, value]) => value);

/** Runs systemd-analyze on the unit, with a program that is there in place of ours. */
function analyze(command: string, ...options: string[]): { status: number | null; output: string } {
  const directory = mkdtempSync(join(tmpdir(), 'postern-systemd-'));
  try {
    const file = join(directory, 'postern.service');
    writeFileSync(file, unit.replace(/^ExecStart=postern /mu, `ExecStart=${process.execPath} `));
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [command, ...options, file], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    return { status, output: stdout + stderr };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('systemd finds no mistake in the unit', { skip }, () => {
  assert.deepEqual(analyze('verify'), { status: 0, output: '' });
});

test('systemd finds it well confined, as docs/operations.md says', { skip }, () => {
  const { output } = analyze('security', '--offline=true', '--no-pager');
  const score = /Overall exposure level for postern\.service: ([0-9.]+)/u.exec(output)?.[1];
  assert.ok(score, output);
  assert.ok(Number(score) <= 2, output);
});

test('with the system calls that the unit permits, mail passes and HTTP is served, and the end is in good order', {
  skip: skip || skipWithoutTools('python'),
}, async () => {
  const permitted = permittedCalls(values('SystemCallFilter').map((value) => value ?? ''));
  const confined = confinedTo(permitted, nobody);
  const [python = '', ...parameters] = [
    ...confined,
    '/usr/bin/python3',
    '-c',
    'import os; os.setuid(os.getuid())',
  ];
  const forbidden = spawnSync(python, parameters, { encoding: 'utf8', timeout: 30_000 });
  assert.match(forbidden.stderr, /PermissionError: \[Errno 1\]/u);

  await using site = new Site();
  await using downstream = await ScriptedDownstream.start();
  const directory = site.directory('system-calls');
  const spool = join(directory, 'spool');
  mkdirSync(spool);
  chmodSync(spool, 0o777);
  const file = join(directory, 'postern.yaml');
  const listener = { name: 'in', listen: '127.0.0.1:0', mode: 'after-queue' };
  const configuration = {
    listeners: [{ ...listener, destinations: [downstream.destination] }],
    dns: { zone: '/dev/null', zoneOnly: true },
    // So that the message is on disk.
    spool: { directory: spool, memory: '4KiB' },
    http: '127.0.0.1:0',
    workers: 2,
  };
  writeFileSync(file, stringify(configuration));
  const { node, cli } = programForAll();
  const serving = await startServing(site, [...confined, node, cli, 'serve', '--config', file]);
  const { data } = await relay(serving, 'in', downstream, 'x'.repeat(70).concat('\r\n').repeat(100));
  assert.match(data.toString('latin1'), /^Authentication-Results: /mu);
  assert.equal((await fetch(`${serving.http}/readyz`)).status, 200);
  await serving.stop();
  assert.match(serving.output(), /"event":"stopped"/u);
  assert.doesNotMatch(serving.output(), /died|EPERM/u);
});

test('the unit gives the program the time that it takes to stop, and stops trying where that cannot help', () => {
  const { stopMs } = configurationOf(textOf('config/postern.yaml'));
  assert.ok(Number(values('TimeoutStopSec')[0]) * 1000 > stopMs);
  // Wrong command line, wrong configuration: sysexits(3).
  assert.deepEqual(values('RestartPreventExitStatus'), ['64 78']);
  assert.deepEqual(values('ExecStart'), ['postern serve --config /etc/postern/postern.yaml']);
});

test('the user of the unit and the directory of the spool are ones that the files beside it make', () => {
  const [user] = values('User');
  assert.match(textOf('config/systemd/postern.sysusers.conf'), new RegExp(`^u ${user} `, 'mu'));
  const spool = textOf('config/systemd/postern.tmpfiles.conf');
  assert.match(spool, new RegExp(`^d /var/spool/postern 0700 ${user} ${user}$`, 'mu'));
  assert.deepEqual(values('ReadWritePaths'), ['-/var/spool/postern']);
});
