// Signals that come while the program starts: before it has read its configuration, of which a pipe decides here.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { program } from '../support/program.ts';

const text = `
listeners:
  - { name: in, listen: "127.0.0.1:0", mode: after-queue, destinations: ["smtp://127.0.0.1:9"] }
http: false
workers: 1
dns: { zone: /dev/null, zoneOnly: true }
`;

/** A program that waits for its configuration, and how it gets it. */
async function starting(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'postern-start-'));
  const file = join(directory, 'postern.yaml');
  execFileSync('mkfifo', [file]);
  const child = spawn(program.node, [program.cli, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true });
  });
  // It is there when the pipe has a reader.
  const pipe = await open(file, 'w');
  const configure = async () => {
    await pipe.writeFile(text);
    await pipe.close();
  };
  return { child, file, configure, lines: createInterface({ input: child.stdout }), ended };
}

test('SIGTERM before there is anything ends it with status 0', { timeout: 60_000 }, async (t) => {
  const { child, configure, ended } = await starting(t);
  child.kill('SIGTERM');
  await configure();
  assert.deepEqual(await ended, [0, null]);
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
