// The commands as a shell sees them: what they print, and their exit statuses.
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { program } from '../support/program.ts';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedDownstream, testCertificate } from '../support/scripted-downstream.ts';
import { programIn } from './program.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-cli-'));
after(() => rmSync(directory, { recursive: true }));

/** A configuration with one listener, and a downstream where nobody listens. */
function write(name: string, listen = '127.0.0.1:0'): string {
  const file = join(directory, name);
  const listener = `{ name: in, listen: "${listen}", mode: after-queue, destinations: [smtp://127.0.0.1:1] }`;
  writeFileSync(
    file,
    `hostname: mx.example\nlisteners: [${listener}]\nhttp: false\nworkers: 1\nlog: { format: text }\n`,
  );
  return file;
}

const { start, run } = programIn(directory);

/** Waits for the line that says that every listener is bound. */
async function port(child: ChildProcessByStdio<null, Readable, Readable>): Promise<number> {
  for await (const line of createInterface({ input: child.stdout })) {
    const bound = /^postern: listening on 127\.0\.0\.1:(\d+) \(after-queue\)$/.exec(line);
    if (bound) return Number(bound[1]);
  }
  throw new Error('the program ended before it listened');
}

test('config check says that a good file is good', async () => {
  const { stdout, stderr, status } = await run(['config', 'check', write('good.yaml')]);
  assert.deepEqual([stdout, stderr, status], [`${join(directory, 'good.yaml')}: good (in)\n`, '', 0]);
});

test('what cannot be written ends with 74, whoever writes it', () => {
  const full = openSync('/dev/full', 'w');
  const { node, cli } = program;
  for (const command of [
    ['help'],
    ['--version'],
    ['verify', '--help'],
    ['config', 'check', write('full.yaml')],
    ['demo'],
  ]) {
    const { stderr, status } = spawnSync(node, [cli, ...command], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    assert.match(stderr, /^postern: standard output: [^\n]*ENOSPC[^\n]*\n$/, command.join(' '));
    assert.equal(status, 74);
  }
  closeSync(full);
});

test('config check and serve end with 78 and one line for each mistake', async () => {
  const file = join(directory, 'bad.yaml');
  writeFileSync(file, 'listeners: []\ncolour: red\n');
  for (const args of [
    ['config', 'check', file],
    ['serve', '--config', file],
  ]) {
    const { stdout, stderr, status } = await run(args);
    assert.equal(status, 78);
    assert.equal(stdout, '');
    assert.deepEqual(
      stderr.split('\n').map((line) => line.slice(0, line.indexOf(';'))),
      [`${file}:1: listeners: too few entries`, `${file}:2: colour: unknown key`, ''],
    );
  }
});

test('serve ends with 78 for a file that is not there, naming it', async () => {
  const { stderr, status } = await run(['serve', '-c', join(directory, 'missing.yaml')]);
  assert.equal(status, 78);
  assert.match(stderr, /^[^\n]*missing\.yaml: cannot be read: ENOENT[^\n]*\n$/);
});

test('serve ends with 78 for a mistake in the environment, naming the variable', async () => {
  const { stderr, status } = await run(['serve'], { POSTERN_LISTEN: '127.0.0.1:0' });
  assert.equal(status, 78);
  assert.match(stderr, /^POSTERN_DESTINATION: missing; expected [^\n]*\n$/);
});

test('a wrong command line ends with 64, help and version with 0', async () => {
  const statuses = [['bogus'], ['serve', '--colour'], ['config', 'bogus'], ['--help'], ['--version']].map(
    async (args) => (await run(args)).status,
  );
  assert.deepEqual(await Promise.all(statuses), [64, 64, 64, 0, 0]);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`serve says when it listens, and ends with 0 after ${signal}`, async () => {
    const child = start(['serve', '--config', write(`${signal}.yaml`)]);
    const exit = once(child, 'exit');
    const socket = connect(await port(child), '127.0.0.1');
    const [greeting] = await once(socket, 'data');
    assert.match(String(greeting), /^220 /);
    socket.destroy();
    child.stdout.resume();
    child.kill(signal);
    assert.deepEqual(await exit, [0, null]);
  });
}

test('the environment alone is enough to serve', async () => {
  const child = start(['serve'], {
    POSTERN_LISTEN: '127.0.0.1:0',
    POSTERN_DESTINATION: 'smtp://127.0.0.1:1',
    POSTERN_HTTP: 'false',
    POSTERN_WORKERS: '1',
  });
  const exit = once(child, 'exit');
  assert.ok((await port(child)) > 0);
  child.stdout.resume();
  child.kill('SIGTERM');
  assert.deepEqual(await exit, [0, null]);
});

test('a downstream’s certificate that no known authority has signed is trusted from the file that NODE_EXTRA_CA_CERTS names', async () => {
  await using downstream = await ScriptedDownstream.start({ tls: 'implicit' });
  const authority = join(directory, 'authority.pem');
  writeFileSync(authority, testCertificate.cert);
  const file = join(directory, 'smtps.yaml');
  const listener = `{ name: in, listen: "127.0.0.1:0", mode: after-queue, destinations: ["${downstream.destination}"] }`;
  writeFileSync(file, `hostname: mx.example\nlisteners: [${listener}]\nhttp: false\nworkers: 1\n`);
  for (const [environment, reply] of [
    [{}, /^451 4\.4\.1 /],
    [{ NODE_EXTRA_CA_CERTS: authority }, /^250 /],
  ] as const) {
    const child = start(['serve', '--config', file], environment);
    using client = await RawClient.connect({ host: '127.0.0.1', port: await port(child) });
    await client.reply();
    await client.ask('EHLO client.example');
    assert.match((await client.ask('MAIL FROM:<a@example.com>')).join(), reply);
    await client.ask('QUIT');
    const exit = once(child, 'exit');
    child.stdout.resume();
    child.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
  }
});

test('an address that is taken ends serve with 71, in one line', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const listen = `127.0.0.1:${address.port}`;
    const { stderr, status } = await run(['serve', '-c', write('taken.yaml', listen)]);
    assert.equal(stderr, `postern: cannot listen on ${listen}: another program listens there (EADDRINUSE)\n`);
    assert.equal(status, 71);
  } finally {
    server.close();
  }
});

test('a socket whose directory is not there ends serve with 77, in one line', async () => {
  const listen = `unix:${join(directory, 'missing', 'in.sock')}`;
  const { stderr, status } = await run(['serve', '-c', write('socket.yaml', listen)]);
  assert.match(
    stderr,
    /^postern: cannot listen on unix:[^\n]*in\.sock: permission denied, or no such directory [^\n]*\n$/,
  );
  assert.equal(status, 77);
});

test('a file in the place of a socket ends serve with 71, and is said to be in the way', async () => {
  const file = write('in-the-way.yaml', `unix:${join(directory, 'in-the-way.yaml')}`);
  const { stderr, status } = await run(['serve', '-c', file]);
  assert.match(
    stderr,
    /^postern: cannot listen on unix:[^\n]*: another program listens there, or a file is in the way [^\n]*\n$/,
  );
  assert.equal(status, 71);
});

test('an older Node.js than package.json allows is told so, before anything else', async () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const pretence = "Object.defineProperty(process.versions,'node',{value:'20.19.2'})";
  const { stdout, stderr, status } = await run(['--version'], {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(pretence)}`,
  });
  const oldest = engines.node.replace('>=', '');
  assert.equal(stderr, `postern: needs Node.js ${oldest} or newer, and this is 20.19.2\n`);
  assert.deepEqual([stdout, status], ['', 71]);
});
