// The log of the whole program: whose its file is, rotation, and a reload that changes it.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { greet, send } from './support/load.ts';
import { type Event, Served } from './support/served.ts';
import { workersUser } from './support/user.ts';

const { user, uid } = workersUser();

/** A directory, and whether the workers' user may make files in it. */
function directory(t: TestContext, of: 'theirs' | 'ours'): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-log-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  chmodSync(path, 0o755);
  if (of === 'theirs') chownSync(path, uid, uid);
  return path;
}

function eventsIn(path: string): readonly Event[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Event);
}

const has = (path: string, event: string) => eventsIn(path).some((each) => each.event === event);

/** A message, to the address that the log in a file says. */
async function mail(path: string, id: string): Promise<void> {
  const address = String(eventsIn(path).findLast(({ event }) => event === 'listening')?.address);
  using client = await greet({
    host: '127.0.0.1',
    port: Number(address.slice(address.lastIndexOf(':') + 1)),
  });
  await send(client, id);
}

for (const whose of ['theirs', 'ours'] as const) {
  test(`a log file in a directory of ${whose === 'ours' ? 'root' : 'the user'} belongs to the user, and all processes write it`, async (t) => {
    await using downstream = await ScriptedDownstream.start();
    const output = join(directory(t, whose), 'postern.log');
    const settings = { workers: 1, log: { output }, ...user };
    await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
    const { uid: owner, mode } = statSync(output);
    assert.deepEqual([owner, mode & 0o777], [uid, 0o640 & ~process.umask()]);
    await mail(output, 'one');
    await served.until(() => has(output, 'transaction'));
    served.signal('SIGTERM');
    assert.equal(await served.ended(), 0);
    assert.equal(eventsIn(output).at(-1)?.event, 'stopped');
    assert.doesNotMatch(served.stderr, /cannot be written/);
  });
}

test('a renamed log file is opened again by SIGHUP, by all processes and as the user’s', async (t) => {
  await using downstream = await ScriptedDownstream.start();
  const output = join(directory(t, 'ours'), 'postern.log');
  const settings = { workers: 1, log: { output }, ...user };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  await mail(output, 'one');
  await served.until(() => has(output, 'transaction'));
  renameSync(output, `${output}.1`);
  served.signal('SIGHUP');
  await served.until(() => has(output, 'configuration reloaded'));
  assert.equal(statSync(output).uid, uid);
  await mail(output, 'two');
  await served.until(() => has(output, 'transaction'));
  assert.equal(eventsIn(`${output}.1`).filter(({ event }) => event === 'transaction').length, 1);
  await served.until(() => !served.hasOpen(`${output}.1`));
  assert.ok(served.hasOpen(output));
});

test('a log file that the user cannot write is told at the start, and mail passes', async (t) => {
  await using downstream = await ScriptedDownstream.start();
  const output = join(directory(t, 'theirs'), 'postern.log');
  writeFileSync(output, 'before\n');
  // For root it is another’s file, for anybody else one that is not to be written.
  chmodSync(output, 0o400);
  const settings = { workers: 1, log: { output }, ...user };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  await served.until(() => /"event":"listening"/.test(served.stderr));
  assert.match(served.stderr, /^postern: log file cannot be written.*, lines go here: EACCES/m);
  const [, port] = /127\.0\.0\.1:([0-9]+)/.exec(served.announced) ?? [];
  using client = await greet({ host: '127.0.0.1', port: Number(port) });
  await send(client, 'one');
  assert.equal(readFileSync(output, 'utf8'), 'before\n');
});

test('a link that the user has put in the way leads the primary to nothing that the user cannot write', async (t) => {
  await using downstream = await ScriptedDownstream.start();
  const [theirs, ours] = [directory(t, 'theirs'), directory(t, 'ours')];
  const secret = join(ours, 'secret');
  writeFileSync(secret, 'ours\n');
  chmodSync(secret, 0o400);
  symlinkSync(secret, join(theirs, 'file.log'));
  mkdirSync(join(ours, 'more'));
  chmodSync(join(ours, 'more'), 0o555);
  symlinkSync(join(ours, 'more'), join(theirs, 'more'));
  for (const output of [join(theirs, 'file.log'), join(theirs, 'more', 'new.log')]) {
    const settings = { workers: 1, log: { output }, ...user };
    await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
    await served.until(() => /cannot be written/.test(served.stderr));
  }
  assert.equal(readFileSync(secret, 'utf8'), 'ours\n');
  assert.ok(!existsSync(join(ours, 'more', 'new.log')));
});

test('variables that are set in vain are told at the start, once', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  const environment = { POSTERN_MODE: 'before-queue' };
  await using served = await Served.start(listeners, { hostname: 'mx.example', workers: 2 }, environment);
  await served.until(() => served.of('started').length === 1);
  served.signal('SIGHUP');
  await served.until(() => served.of('configuration reloaded').length === 1);
  assert.deepEqual(
    served.of('configuration warning').map(({ level, warning }) => [level, warning]),
    [['warn', `POSTERN_MODE: not used, since the listeners are those of ${served.file}`]],
  );
});

test('a reload that changes the log reaches every line of the primary, and closes what it replaces', async (t) => {
  await using downstream = await ScriptedDownstream.start();
  const folder = directory(t, 'ours');
  const [one, two] = [join(folder, 'one.log'), join(folder, 'two.log')];
  const listeners = [{ destinations: [downstream.destination] }];
  const environment = { NOTIFY_SOCKET: '/nowhere/notify.sock' };
  await using served = await Served.start(listeners, { workers: 1, log: { output: one } }, environment);
  served.write(listeners, { workers: 1, log: { output: two } });
  served.signal('SIGHUP');
  await served.until(() => has(two, 'configuration reloaded'));
  assert.ok(has(one, 'reloading') && !has(two, 'reloading'));
  await served.until(() => !served.hasOpen(one));
  const lines = eventsIn(one).length;
  await served.until(() => served.workers().length === 1);
  process.kill(served.workers()[0] ?? 0, 'SIGKILL');
  await served.until(() => has(two, 'worker replaced'));
  served.write(listeners, { workers: 1, log: { output: two, format: 'json', level: 'error' } });
  served.signal('SIGHUP');
  await served.until(() => has(two, 'reloading') && !served.hasOpen(one));
  await served.until(() => served.workers().length === 2);
  await served.until(() => served.workers().length === 1);
  served.write(listeners, { workers: 1 });
  served.signal('SIGHUP');
  await served.until(() => served.of('configuration reloaded').length === 1 && !served.hasOpen(two));
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
  assert.deepEqual([served.of('stopping').length, served.of('stopped').length], [1, 1]);
  assert.equal(eventsIn(one).length, lines);
  assert.ok(!has(two, 'stopping'));
});

test('nobody waits for who reads standard output and error, also when processes were started and have ended', async () => {
  await using downstream = await ScriptedDownstream.start();
  const settings = { workers: 1, http: '127.0.0.1:0' };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  const [first = 0] = served.workers();
  await served.until(() => served.of('http listening').length === 1);
  const waits = () => [1, 2].map((descriptor) => served.waitsFor(descriptor));
  assert.deepEqual(waits(), [false, false]);
  await served.reload();
  await served.until(() => !served.workers().includes(first));
  assert.deepEqual(waits(), [false, false]);
});
