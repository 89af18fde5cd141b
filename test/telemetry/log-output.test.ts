// Where the log's lines go: a file that is rotated or shared, a syslog server, a reader who does not read; and how long they are.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fs, {
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { createLog, type Log } from '../../src/telemetry/log.ts';
import { maxLineBytes, syslogWriter } from '../../src/telemetry/log-line.ts';
import type { LogFormat } from '../../src/telemetry/log-options.ts';
import { openOutput } from '../../src/telemetry/log-output.ts';

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-log-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const eventsIn = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { event: string }).event);

/** How many this process has open, where the system tells. */
const openFiles = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);

/** A clock that only goes when it is told to. */
function clock(t: TestContext): (ms: number) => void {
  let now = performance.now();
  t.mock.method(performance, 'now', () => now);
  return (ms) => {
    now += ms;
  };
}

test('a file gets the lines at once, after those that it has', (t) => {
  const path = join(directory(t), 'postern.log');
  const options = { level: 'info', format: 'json', output: { kind: 'file', path } } as const;
  createLog(options).info('one');
  createLog(options).info('two');
  assert.deepEqual(eventsIn(path), ['one', 'two']);
});

test('a file that was renamed is opened again under its name, and closed under the other', (t) => {
  const path = join(directory(t), 'postern.log');
  const pass = clock(t);
  const log = createLog({ level: 'info', format: 'json', output: { kind: 'file', path } });
  log.info('before');
  const open = openFiles();
  renameSync(path, `${path}.1`);
  pass(1001);
  log.info('after');
  assert.equal(openFiles(), open);
  assert.deepEqual(eventsIn(`${path}.1`), ['before']);
  assert.deepEqual(eventsIn(path), ['after']);
});

test('while a file cannot be written lines go elsewhere, with one word of why; when it can be, they are back', (t) => {
  const folder = directory(t);
  const path = join(folder, 'sub', 'postern.log');
  const pass = clock(t);
  const complaints: string[] = [];
  const { stream } = openOutput({ kind: 'file', path }, (text) => complaints.push(text));
  const log = createLog({ level: 'info', format: 'json', stream });
  log.info('one');
  pass(1001);
  log.info('two');
  assert.match(complaints[0] ?? '', /^postern: log file cannot be written, lines go here: ENOENT/);
  assert.deepEqual(
    complaints.slice(1).map((line) => (JSON.parse(line) as { event: string }).event),
    ['one', 'two'],
  );
  renameSync(directory(t), join(folder, 'sub'));
  pass(1001);
  log.info('three');
  assert.deepEqual(eventsIn(path), ['three']);
  assert.equal(complaints.length, 3);
});

test('after a disk that was full in the middle of a line the next one begins anew', (t) => {
  const path = join(directory(t), 'postern.log');
  const pass = clock(t);
  const complaints: string[] = [];
  const { stream } = openOutput({ kind: 'file', path }, (text) => complaints.push(text));
  const log = createLog({ level: 'info', format: 'json', stream });
  log.info('one');
  const { writeSync } = fs;
  let room = 20;
  const full = t.mock.method(fs, 'writeSync', (descriptor: number, bytes: Uint8Array, from: number) => {
    if (room === 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const written = writeSync(descriptor, bytes, from, Math.min(room, bytes.length - from));
    room -= written;
    return written;
  });
  syncBuiltinESMExports();
  t.after(syncBuiltinESMExports);
  log.info('two');
  full.mock.restore();
  syncBuiltinESMExports();
  pass(1001);
  log.info('three');
  const [one, part, three, ...rest] = readFileSync(path, 'utf8').split('\n');
  assert.match(one ?? '', /"one"}$/);
  assert.equal(part?.length, 20);
  assert.match(three ?? '', /^\{.*"three"}$/);
  assert.deepEqual(rest, ['']);
  // Nothing is lost.
  assert.match(complaints[1] ?? '', /"two"}\n$/);
});

test('a named pipe that nobody reads stops nobody: lines go elsewhere until somebody does', (t) => {
  const path = join(directory(t), 'pipe');
  execFileSync('mkfifo', [path]);
  const pass = clock(t);
  const complaints: string[] = [];
  const { stream } = openOutput({ kind: 'file', path }, (text) => complaints.push(text));
  const log = createLog({ level: 'info', format: 'json', stream });
  log.info('one');
  assert.match(complaints[0] ?? '', /^postern: log file cannot be written, lines go here: ENXIO/);
  assert.match(complaints[1] ?? '', /"one"}\n$/);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => fs.closeSync(reader));
  pass(1001);
  log.info('two');
  const read = Buffer.alloc(1000);
  assert.match(read.toString('utf8', 0, readSync(reader, read)), /^\{.*"two"}\n$/);
  // One that reads too slowly is not waited for either.
  for (let i = 0; i < 100; i++) log.info('more', { filler: 'x'.repeat(4000) });
  assert.match(complaints[2] ?? '', /^postern: log file cannot be written, lines go here: EAGAIN/);
  assert.match(complaints.at(-1) ?? '', /"more"/);
});

test('several processes append whole lines to one file', async (t) => {
  const path = join(directory(t), 'postern.log');
  const script = `
    import { createLog } from ${JSON.stringify(join(import.meta.dirname, '../../src/telemetry/log.ts'))};
    const log = createLog({ level: 'info', format: 'json', output: { kind: 'file', path: ${JSON.stringify(path)} } });
    for (let i = 0; i < 300; i++) log.info('line', { pid: process.pid, filler: 'x'.repeat(i * 10) });`;
  const children = Array.from({ length: 3 }, () =>
    spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' }),
  );
  const exits = await Promise.all(children.map((child) => once(child, 'exit')));
  assert.deepEqual(exits, Array(3).fill([0, null]));
  assert.equal(eventsIn(path).length, 900);
});

async function datagrams(format: LogFormat, tell: (log: Log) => void, count: number): Promise<string[]> {
  const server = createSocket('udp4');
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const received: string[] = [];
  const all = Promise.withResolvers<void>();
  server.on('message', (message) => {
    received.push(message.toString());
    if (received.length === count) all.resolve();
  });
  const { port } = server.address();
  tell(createLog({ level: 'debug', format, output: { kind: 'syslog', host: '127.0.0.1', port } }));
  await all.promise;
  server.close();
  return received;
}

test('a syslog server gets a datagram for each line, with facility mail and the level’s severity', async () => {
  const tell = (log: Log) => {
    log.error('internal error', { id: 'A' });
    log.warn('check failed');
    log.info('transaction', { id: 'A', text: 'a\nb' });
    log.debug('connection opened');
  };
  const lines = await datagrams('text', tell, 4);
  const header = String.raw`1 \d{4}-\d\d-\d\dT[\d:.]+Z \S+ postern ${process.pid}`;
  assert.match(lines[0] ?? '', new RegExp(`^<19>${header} internal-error - internal error id=A$`));
  assert.match(lines[1] ?? '', new RegExp(`^<20>${header} check-failed - check failed$`));
  assert.match(lines[2] ?? '', new RegExp(`^<22>${header} transaction - transaction id=A text="a\\\\nb"$`));
  assert.match(lines[3] ?? '', new RegExp(`^<23>${header} connection-opened - connection opened$`));
});

test('a syslog server gets JSON where that is the format', async () => {
  const [line = ''] = await datagrams('json', (log) => log.info('transaction', { id: 'A' }), 1);
  assert.match(line, / transaction - \{"time":"[^"]+","level":"info","event":"transaction","id":"A"\}$/);
});

test('for syslog a long event has a MSGID of 32 characters, and a host whose name cannot be said has none', () => {
  const event = 'no metrics, health and status: `http` cannot be served';
  const header = (hostname: string) => syslogWriter('text', hostname)('error', event, {}).split(' ');
  assert.equal(header('mx.example.com')[2], 'mx.example.com');
  assert.equal(header('mx.example.com')[5], 'no-metrics,-health-and-status:-`');
  for (const hostname of ['', 'two words', 'müller', 'x'.repeat(256)]) assert.equal(header(hostname)[2], '-');
});

test('that a syslog server cannot be reached is told once, and stops nobody', async () => {
  const complaints: string[] = [];
  // To send there has to be asked for: the system refuses it.
  const server = { kind: 'syslog', host: '255.255.255.255', port: 514 } as const;
  const { stream, close } = openOutput(server, (text) => complaints.push(text));
  for (let i = 0; i < 3; i++) stream.write('line\n');
  close();
  await once(stream, 'close');
  assert.equal(complaints.length, 1);
  assert.match(complaints[0] ?? '', /^postern: syslog server cannot be reached, lines are lost: .*\n$/);
});

test('a reader of standard output who goes away stops nobody', async () => {
  const script = `
    import { createLog } from ${JSON.stringify(join(import.meta.dirname, '../../src/telemetry/log.ts'))};
    const log = createLog({ level: 'info', format: 'json' });
    process.on('message', () => {
      log.info('to nobody');
      setImmediate(() => process.send('still here', () => process.exit(0)));
    });
    process.send('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  assert.ok(child.stdout);
  await once(child, 'message');
  child.stdout.destroy();
  await once(child.stdout, 'close');
  child.send('go');
  assert.deepEqual(await once(child, 'message'), ['still here', undefined]);
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

/** A stream whose reader takes nothing until it is told to. */
class Stuck extends Writable {
  readonly lines: string[] = [];
  #waiting: (() => void) | undefined;
  #open = false;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.lines.push(...chunk.toString().split('\n').slice(0, -1));
    if (this.#open) done();
    else this.#waiting = done;
  }

  async flow(): Promise<void> {
    this.#open = true;
    const drained = once(this, 'drain');
    this.#waiting?.();
    await drained;
  }
}

test('where nobody reads, lines are dropped and counted, warnings last, and memory is bounded', async () => {
  const stream = new Stuck();
  const log = createLog({ level: 'info', format: 'json', stream });
  const filler = 'x'.repeat(1000);
  for (let i = 0; i < 3000; i++) log.info('info', { filler });
  const afterInfo = stream.writableLength;
  assert.ok(afterInfo < 1.1 * 1024 * 1024, String(afterInfo));
  log.warn('still told');
  for (let i = 0; i < 6000; i++) log.warn('warn', { filler });
  assert.ok(stream.writableLength < 4.1 * 1024 * 1024, String(stream.writableLength));
  await stream.flow();
  log.info('again');
  const events = stream.lines.map((line) => JSON.parse(line) as { event: string; lines?: number });
  const count = (event: string) => events.filter((each) => each.event === event).length;
  assert.equal(count('still told'), 1);
  assert.deepEqual(
    events.slice(-2).map(({ event }) => event),
    ['log lines dropped', 'again'],
  );
  assert.equal(events.at(-2)?.lines, 9000 - count('info') - count('warn'));
});

test('no line is longer than 8 KiB, and each stays what its format says', () => {
  const huge = {
    text: '\u2028ä"'.repeat(20_000),
    list: Array.from({ length: 5000 }, (_, i) => ({ to: `${i}@example.com` })),
    ...Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`key ${i}`, 'x'.repeat(300)])),
  };
  for (const format of ['json', 'text', 'syslog'] as const) {
    const stream = new Stuck();
    createLog({ level: 'info', format, stream }).info('event', { id: 'A', ...huge });
    assert.equal(stream.lines.length, 1);
    const [line = ''] = stream.lines;
    assert.ok(Buffer.byteLength(line) <= maxLineBytes);
    if (format !== 'json') continue;
    const told = JSON.parse(line) as Record<string, unknown>;
    assert.equal(told.id, 'A');
    assert.equal(told.shortened, true);
  }
});

test('with format syslog a line begins with its priority, for journald', () => {
  const stream = new Stuck();
  createLog({ level: 'info', format: 'syslog', stream }).warn('check failed', { check: 'spf' });
  assert.deepEqual(stream.lines, ['<4>check failed check=spf']);
});
