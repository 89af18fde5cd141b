// Signals that come while the program starts: before it has read its configuration, of which a pipe decides here.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { program } from '../support/program.ts';
import { RawClient } from '../support/raw-client.ts';

const text = `
listeners:
  - { name: in, listen: "127.0.0.1:0", mode: after-queue, destinations: ["smtp://127.0.0.1:9"] }
http: false
workers: 1
dns: { zone: /dev/null, zoneOnly: true }
`;

/** A program that waits for its configuration, and how it gets it. */
async function starting(t: TestContext, options: readonly string[] = []) {
  const directory = mkdtempSync(join(tmpdir(), 'postern-start-'));
  const sockets = join(directory, 'sockets');
  mkdirSync(sockets);
  const file = join(directory, 'postern.yaml');
  execFileSync('mkfifo', [file]);
  const child = spawn(program.node, [...options, program.cli, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told = '';
  child.stderr.on('data', (chunk) => {
    told += String(chunk);
  });
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true });
  });
  // It is there when the pipe has a reader.
  const pipe = await open(file, 'w');
  const configure = async (listen = '127.0.0.1:0') => {
    await pipe.writeFile(text.replace('127.0.0.1:0', listen));
    await pipe.close();
  };
  return {
    child,
    file,
    sockets,
    configure,
    lines: createInterface({ input: child.stdout }),
    ended,
    told: () => told,
  };
}

test('SIGTERM before there is anything ends it with status 0', { timeout: 60_000 }, async (t) => {
  const { child, configure, ended } = await starting(t);
  child.kill('SIGTERM');
  await configure();
  assert.deepEqual(await ended, [0, null]);
});

test('SIGTERM while the workers start leaves no socket behind', { timeout: 60_000 }, async (t) => {
  const { child, sockets, configure, ended } = await starting(t);
  const watcher = watch(sockets);
  t.after(() => watcher.close());
  const bound = once(watcher, 'change');
  await configure(`unix:${join(sockets, 'in.sock')}`);
  await bound;
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  assert.deepEqual(readdirSync(sockets), []);
});

test('SIGHUP before the configuration is read has it read again when it serves', {
  timeout: 120_000,
}, async (t) => {
  const { child, file, configure, lines, ended } = await starting(t);
  child.kill('SIGHUP');
  await configure();
  const events: string[] = [];
  const reloaded = Promise.withResolvers<void>();
  lines.on('line', (line) => {
    events.push(line);
    if (line.includes('"configuration reloaded"')) reloaded.resolve();
  });
  // What is read the second time is a file like others.
  rmSync(file);
  writeFileSync(file, text);
  await Promise.race([reloaded.promise, ended.then((how) => Promise.reject(new Error(`it ended: ${how}`)))]);
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  assert.match(events.join('\n'), /"event":"reloading"/);
});

test('SIGUSR1 before the configuration is read opens no debugger', { timeout: 60_000 }, async (t) => {
  const { child, configure, lines, ended, told } = await starting(t);
  child.kill('SIGUSR1');
  await configure();
  await once(lines, 'line');
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  assert.equal(told(), '');
});

// What it does before our first line.
const opened = 'data:text/javascript,import inspector from "node:inspector"; inspector.open(0, "127.0.0.1");';

test('a debugger that SIGUSR1 has opened before we were asked is closed again', {
  timeout: 60_000,
}, async (t) => {
  const { told } = await starting(t, ['--import', opened]);
  const port = Number(/ws:\/\/127\.0\.0\.1:(\d+)/.exec(told())?.[1]);
  await assert.rejects(RawClient.connect({ host: '127.0.0.1', port }), /ECONNREFUSED/);
});
