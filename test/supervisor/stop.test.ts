// SIGTERM: nothing new, what is open may end, the rest gets 421; status 0.
import assert from 'node:assert/strict';
import { existsSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { beginContent, finish, greet, Load, messageOf, missing } from './support/load.ts';
import { isRunning, Served } from './support/served.ts';

test('SIGTERM under load: what was acknowledged is stored, and the status is 0', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }]);
  await using load = new Load(() => served.port(), { perConnection: 20 });
  await load.more(50);
  const workers = served.workers();
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
  await load.stop();
  assert.deepEqual(missing(load.acknowledged, downstream), []);
  assert.deepEqual(workers.filter(isRunning), []);
  // Connections that were kept for the next message are not just dropped.
  assert.ok(downstream.commands.includes('QUIT'));
});

test('an open transaction ends, an idle connection gets 421, nobody new gets in', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }]);
  using busy = await beginContent(served.port());
  using idle = await RawClient.connect(served.port());
  await idle.reply();
  served.signal('SIGTERM');
  assert.match((await idle.line()) ?? '', /^421 /);
  await assert.rejects(RawClient.connect(served.port()), /ECONNREFUSED/);
  await finish(busy, 'busy');
  assert.match((await busy.line()) ?? '', /^421 /);
  assert.equal(await served.ended(), 0);
  assert.deepEqual(missing(['busy'], downstream), []);
});

test('a transaction that does not end in time gets 421, and the status is 0', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], {
    stopTimeout: '200ms',
  });
  using slow = await beginContent(served.port());
  slow.send('Subject: half a mess');
  served.signal('SIGTERM');
  assert.match((await slow.line()) ?? '', /^421 /);
  assert.equal(await served.ended(), 0);
  assert.deepEqual(downstream.messages, []);
});

test('a message that the downstream has, and does not answer in time, has its line in the log all the same', async () => {
  await using downstream = await ScriptedDownstream.start({ answers: { CONTENT: () => 'stall' } });
  await using served = await Served.start([{ destinations: [downstream.destination] }], {
    stopTimeout: '200ms',
  });
  using client = await beginContent(served.port());
  client.send(`${messageOf('doubtful')}.\r\n`);
  await downstream.until(() => downstream.messages.length === 1);
  served.signal('SIGTERM');
  assert.match((await client.line()) ?? '', /^421 /);
  assert.equal(await served.ended(), 0);
  const [told] = served.of('transaction');
  assert.equal(told?.aborted, 'the service is shutting down');
  assert.match(String(told?.replies), /^451 4\.3\.2 the service stopped before downstream answered/);
});

test('a reload that waits for old connections does not hold up SIGTERM: all have the same time', async () => {
  await using downstream = await ScriptedDownstream.start();
  const settings = { workers: 1, stopTimeout: '10s' };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  using oldest = await beginContent(served.port());
  await served.reload();
  using older = await beginContent(served.port());
  await served.reload();
  using idle = await greet(served.port());
  served.signal('SIGHUP');
  await served.until(() => served.of('reloading').length === 3);
  served.signal('SIGTERM');
  assert.match((await idle.line()) ?? '', /^421 /);
  await finish(oldest, 'oldest');
  await finish(older, 'older');
  assert.equal(await served.ended(), 0);
  assert.deepEqual(missing(['oldest', 'older'], downstream), []);
  assert.deepEqual(served.of('configuration not used'), []);
});

test('a reload that waits for old connections binds nothing any more after SIGTERM', async () => {
  await using downstream = await ScriptedDownstream.start();
  const { destination } = downstream;
  const settings = { workers: 1, stopTimeout: '10s' };
  await using served = await Served.start([{ destinations: [destination] }], settings);
  const path = join(served.directory, 'in.sock');
  served.write([{ listen: `unix:${path}`, destinations: [destination] }], settings);
  await served.reload();
  using oldest = await beginContent({ path });
  await served.reload();
  using older = await beginContent({ path });
  await served.reload();
  served.signal('SIGHUP');
  await served.until(() => served.of('reloading').length === 4);
  const changes: string[] = [];
  const watcher = watch(served.directory, (kind, name) => {
    if (name === 'in.sock' && kind === 'rename') changes.push(existsSync(path) ? 'there' : 'gone');
  });
  served.signal('SIGTERM');
  await served.until(() => changes.length > 0);
  await finish(oldest, 'oldest');
  await finish(older, 'older');
  assert.equal(await served.ended(), 0);
  watcher.close();
  assert.deepEqual(changes, ['gone']);
});

test('a reload whose worker does not get ready holds up nobody who wants the end', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 1 });
  writeFileSync(
    join(served.directory, 'check.cjs'),
    `if (process.send) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    module.exports = { name: 'x-mine', connect: () => [] };`,
  );
  served.write(listeners, { workers: 1, checks: { custom: [{ module: './check.cjs' }] } });
  served.signal('SIGHUP');
  await served.until(() => served.workers().length === 2);
  const before = performance.now();
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
  // A minute is what a worker has to get ready.
  assert.ok(performance.now() - before < 30_000);
  assert.deepEqual(
    served.events.filter(({ level }) => level === 'error'),
    [],
  );
});

test('while open transactions end, HTTP is there and says so; it is gone before the primary is', async () => {
  await using downstream = await ScriptedDownstream.start();
  const settings = { workers: 1, http: '127.0.0.1:0' };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  await served.until(() => served.of('http listening').length === 1);
  using busy = await beginContent(served.port());
  using idle = await greet(served.port());
  const children = served.workers();
  served.signal('SIGTERM');
  assert.match((await idle.line()) ?? '', /^421 /);
  const answer = await fetch(`http://${served.of('http listening')[0]?.address}/readyz`, {
    headers: { Connection: 'close' },
  });
  assert.deepEqual(
    [answer.status, await answer.json()],
    [503, { ready: false, reasons: ['Postern is stopping'] }],
  );
  await finish(busy, 'busy');
  assert.equal(await served.ended(), 0);
  assert.deepEqual(children.filter(isRunning), []);
});

test('whoever sends a second signal does not wait', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }]);
  using slow = await beginContent(served.port());
  slow.send('Subject: half a mess');
  const workers = served.workers();
  served.signal('SIGTERM');
  await served.until(() => served.of('stopping').length === 1);
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 143);
  await served.until(() => !workers.some(isRunning));
});

test('a worker that is stuck holds up nobody for ever: who waits for it gets 421, and it is killed', async () => {
  await using downstream = await ScriptedDownstream.start();
  const settings = { workers: 1, stopTimeout: '200ms' };
  await using served = await Served.start([{ destinations: [downstream.destination] }], settings);
  const [stuck = 0] = served.workers();
  process.kill(stuck, 'SIGSTOP');
  const before = served.descriptors();
  // The first one is on its way to the worker, the other one waits.
  using lost = await RawClient.connect(served.port());
  using waiting = await RawClient.connect(served.port());
  await served.until(() => served.descriptors() >= before + 2);
  served.signal('SIGTERM');
  assert.equal(await waiting.line(), '421 4.3.2 service not available, try again later');
  assert.equal(await served.ended(), 0);
  assert.equal(await lost.line(), undefined);
  assert.equal(isRunning(stuck), false);
  const [told] = served.of('connections put off');
  assert.deepEqual(
    [told?.level, told?.listener, told?.reason, told?.connections, told?.client],
    ['warn', 'in', 'closing', 1, '127.0.0.1'],
  );
});

test('of all who waited for a worker that was being replaced the log tells before the end, which is at once', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 1 });
  const stuck = join(served.directory, 'stuck');
  writeFileSync(
    join(served.directory, 'check.cjs'),
    `if (process.send && require('node:fs').existsSync('${stuck}')) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    }
    module.exports = { name: 'x-mine', connect: () => [] };`,
  );
  served.write(listeners, { workers: 1, checks: { custom: [{ module: './check.cjs' }] } });
  await served.reload();
  await served.until(() => served.workers().length === 1);
  writeFileSync(stuck, '');
  process.kill(served.workers()[0] ?? 0, 'SIGKILL');
  await served.until(() => served.of('worker died').length === 1 && served.workers().length === 1);
  const before = served.descriptors();
  using one = await RawClient.connect(served.port());
  using other = await RawClient.connect(served.port());
  await served.until(() => served.descriptors() >= before + 2);
  // Longer than who has come waits for a place before it is looked for another time.
  await after(300);
  served.signal('SIGTERM');
  for (const client of [one, other]) {
    assert.equal(await client.line(), '421 4.3.2 service not available, try again later');
  }
  assert.equal(await served.ended(), 0);
  const told = served.of('connections put off').map(({ connections }) => Number(connections));
  assert.equal(
    told.reduce((sum, each) => sum + each, 0),
    2,
  );
});
