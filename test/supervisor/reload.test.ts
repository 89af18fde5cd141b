// SIGHUP: another configuration, without a lost connection; one with mistakes changes nothing.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { program } from '../support/program.ts';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { beginContent, finish, greet, Load, missing, send } from './support/load.ts';
import { noMemoryFor } from './support/no-memory.ts';
import { Served } from './support/served.ts';

test('reloads under load: every connection is served to its end, every message arrives', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }]);
  await using load = new Load(() => served.port(), { perConnection: 3 });
  await load.more(20);
  for (let i = 0; i < 3; i += 1) {
    await served.reload();
    await load.more(20);
  }
  await load.stop();
  assert.deepEqual(load.failed, []);
  assert.deepEqual(missing(load.acknowledged, downstream), []);
  assert.equal(downstream.messages.length, load.acknowledged.length);
});

test('a running transaction ends under the old configuration, a new connection has the new one', async () => {
  await using before = await ScriptedDownstream.start();
  await using after = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [before.destination] }]);
  using fresh = await greet(served.port());
  using busy = await beginContent(served.port());
  const old = served.workers();
  served.write([{ destinations: [after.destination] }]);
  await served.reload();
  using later = await greet(served.port());
  await send(later, 'later');
  await finish(busy, 'busy');
  // It was open before, and has not had its transaction yet.
  await send(fresh, 'fresh');
  assert.deepEqual(missing(['busy', 'fresh'], before), []);
  assert.deepEqual(missing(['later'], after), []);
  assert.equal(before.messages.length + after.messages.length, 3);
  // Then they are told to come again, in a quiet moment, and the old workers end.
  for (const client of [busy, fresh]) assert.match((await client.line()) ?? '', /^421 /);
  await served.until(() => !served.workers().some((pid) => old.includes(pid)));
  assert.equal(served.workers().length, 2);
});

test('a listener is added, then removed; a socket that stays keeps its address', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([{ destinations: [destination] }]);
  const first = served.port();
  const path = join(served.directory, 'second.sock');
  served.write([
    { destinations: [destination] },
    { name: 'second', listen: `unix:${path}`, destinations: [destination] },
  ]);
  await served.reload();
  {
    using client = await greet({ path });
    await send(client, 'second');
  }
  served.write([{ name: 'renamed', destinations: [destination] }]);
  await served.reload();
  await assert.rejects(RawClient.connect({ path }), /ENOENT|ECONNREFUSED/);
  assert.deepEqual(served.port('renamed'), first);
  using client = await greet(first);
  await send(client, 'renamed');
  assert.deepEqual(missing(['second', 'renamed'], downstream), []);
});

test('a configuration with mistakes changes nothing, and each of them is told', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }]);
  const workers = served.workers();
  writeFileSync(served.file, 'listeners: []\ncolour: red\n');
  await served.reload();
  const mistakes = served.of('configuration not used').map(({ mistake }) => String(mistake));
  assert.match(mistakes[0] ?? '', /postern\.yaml:1: listeners: /);
  assert.match(mistakes[1] ?? '', /postern\.yaml:2: colour: unknown key/);
  assert.deepEqual(served.workers(), workers);
  // Also a worker that dies now gets the configuration that was good.
  process.kill(workers[0] ?? 0, 'SIGKILL');
  await served.until(() => served.of('worker replaced').length === 1);
  process.kill(workers[1] ?? 0, 'SIGKILL');
  await using load = new Load(() => served.port(), { clients: 2 });
  await load.more(4);
  await load.stop();
  assert.deepEqual(missing(load.acknowledged, downstream), []);
});

test('a configuration with mistakes cuts off nobody, not even the oldest of those that are leaving', async () => {
  await using downstream = await ScriptedDownstream.start();
  const settings = { workers: 1, stopTimeout: '200ms' };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  using oldest = await beginContent(served.port());
  await served.reload();
  using older = await beginContent(served.port());
  await served.reload();
  writeFileSync(served.file, 'colour: red\n');
  await served.reload();
  await finish(oldest, 'oldest');
  await finish(older, 'older');
  assert.deepEqual(missing(['oldest', 'older'], downstream), []);
});

test('an address that is taken, or a worker that cannot start, leaves everything as it was', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([{ destinations: [destination] }]);
  const workers = served.workers();
  await using other = await ScriptedDownstream.start();
  const taken = `127.0.0.1:${other.port}`;
  served.write([
    { destinations: [destination] },
    { name: 'more', listen: taken, destinations: [destination] },
  ]);
  await served.reload();
  const [told] = served.of('configuration not used');
  assert.match(String(told?.mistake), new RegExp(`cannot listen on ${taken}: another program listens there`));
  // A module that can be loaded by the primary, and by nobody else.
  writeFileSync(
    join(served.directory, 'check.cjs'),
    "if (process.send) throw new Error('not here'); module.exports = { name: 'x-mine', connect: () => [] };",
  );
  served.write([{ destinations: [destination] }], { checks: { custom: [{ module: './check.cjs' }] } });
  await served.reload();
  assert.match(
    String(served.of('configuration not used')[1]?.mistake),
    /cannot start: .*check\.cjs: cannot be loaded: not here/,
  );
  assert.deepEqual(served.workers(), workers);
  using client = await greet(served.port());
  await send(client, 'still');
});

test('a process that cannot even be started fails the reload, and the end waits for none', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using directory = await mkdtempDisposable(join(tmpdir(), 'postern-node-'));
  const node = join(directory.path, 'node');
  // Of a version that an upgrade takes away.
  copyFileSync(process.execPath, node);
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 1 }, {}, { ...program, node });
  rmSync(node);
  await served.reload();
  const told = served.of('configuration not used').map(({ mistake }) => String(mistake));
  assert.match(told.join(), /worker cannot be started: .*ENOENT/);
  using client = await greet(served.port());
  await send(client, 'as-before');
  assert.deepEqual(missing(['as-before'], downstream), []);
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
});

test('many reloads at once and one after another leave no process and no descriptor behind', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([{ destinations: [destination] }], { workers: 1 });
  await served.reload();
  const descriptors = () => served.descriptors();
  await served.until(() => served.workers().length === 1);
  const before = descriptors();
  for (let i = 0; i < 10; i += 1) served.signal('SIGHUP');
  await served.reload();
  await served.until(() => served.workers().length === 1);
  const reloads = served.of('configuration reloaded').length;
  assert.ok(reloads >= 2 && reloads <= 4, `${reloads} reloads`);
  await served.until(() => descriptors() <= before);
});

test('with connections that last, generations wait for one another instead of piling up', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  const settings = { workers: 1, stopTimeout: '300ms' };
  await using served = await Served.start([{ destinations: [destination] }], settings);
  const clients: RawClient[] = [];
  for (let i = 0; i < 4; i += 1) {
    const client = await greet(served.port());
    clients.push(client);
    await client.ask('MAIL FROM:<a@example.com>');
    await served.reload();
    assert.ok(served.workers().length <= 4, `${served.workers().length} workers`);
  }
  // The oldest had to go, and was told so.
  assert.match((await clients[0]?.line()) ?? '', /^421 /);
  assert.match((await clients[3]?.ask('RCPT TO:<b@example.com>'))?.[0] ?? '', /^250 /);
  for (const client of clients) client.close();
});

test('the log says with which configuration the service has started', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], { workers: 1 });
  const [started] = served.of('started');
  assert.deepEqual([started?.file, started?.workers], [served.file, 1]);
});

test('where the system has no memory for one of the new workers, the old ones go on, and no new one is left', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 2 }, noMemoryFor('fork', 4));
  const workers = served.workers();
  await served.reload();
  assert.equal(served.of('configuration reloaded').length, 0);
  await served.until(() => served.workers().length === workers.length);
  assert.deepEqual(served.workers(), workers);
  await served.reload();
  assert.equal(served.of('configuration reloaded').length, 1);
});

/** Whether somebody has taken a connection to the UNIX socket: proc(5), which says 02 of one that waits still. */
function isAccepted(path: string): boolean {
  const sockets = readFileSync('/proc/net/unix', 'latin1').split('\n');
  return sockets.some((socket) => socket.includes(' 0001 03 ') && socket.endsWith(` ${path}`));
}

/**
 * Reloads with one more listener, whose workers wait for the file that `go` writes; with `then`, what they do next.
 *
 * @returns a client that has come to that listener before it is open
 */
async function comeEarly(served: Served, destination: string, then = '') {
  const path = join(served.directory, 'more.sock');
  writeFileSync(
    join(served.directory, 'check.cjs'),
    `if (process.send) {
      const sleeper = new Int32Array(new SharedArrayBuffer(4));
      while (!require('node:fs').existsSync('${path}.go')) Atomics.wait(sleeper, 0, 0, 10);
      ${then}
    }
    module.exports = { name: 'x-mine', connect: () => [] };`,
  );
  served.write(
    [{ destinations: [destination] }, { name: 'more', listen: `unix:${path}`, destinations: [destination] }],
    { workers: 1, checks: { custom: [{ module: './check.cjs' }] } },
  );
  served.signal('SIGHUP');
  await served.until(() => existsSync(path));
  const client = await RawClient.connect({ path });
  await served.until(() => isAccepted(path));
  return { client, go: () => writeFileSync(`${path}.go`, '') };
}

test('who has come to a listener that is not used after all is told so at once', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([{ destinations: [destination] }], { workers: 1 });
  const { client: early, go } = await comeEarly(served, destination, "throw new Error('not here');");
  using client = early;
  go();
  assert.equal(await client.line(), '421 4.3.2 service not available, try again later');
  await served.until(() => served.of('connections put off').length === 1);
  assert.equal(served.of('connections put off')[0]?.reason, 'closing');
});

test('who has come to a listener before it is open is served as soon as it is', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([{ destinations: [destination] }], { workers: 1 });
  const { client: early, go } = await comeEarly(served, destination);
  using client = early;
  // Longer than who has come waits for a place before it is looked for another time.
  await after(300);
  go();
  assert.match((await client.line()) ?? '', /^220 /);
});

test('SIGHUP while a reload is going on has the configuration read again when that is through', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  await using served = await Served.start([{ destinations: [destination] }], { workers: 1 });
  const { client: early, go } = await comeEarly(served, destination);
  using _ = early;
  served.write([{ name: 'renamed', destinations: [destination] }], { workers: 1 });
  served.signal('SIGHUP');
  await served.until(() => served.of('reloading').length === 2);
  go();
  await served.until(() => served.of('configuration reloaded').length === 2);
  using client = await greet(served.port('renamed'));
  await send(client, 'renamed');
});
