// A worker that dies: nothing is lost, the others go on, and another one takes its place.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { beginContent, finish, Load, missing } from './support/load.ts';
import { noMemoryFor } from './support/no-memory.ts';
import { isRunning, Served } from './support/served.ts';

test('a worker killed under load loses nothing that was acknowledged, and is replaced', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }]);
  const clients = 8;
  await using load = new Load(() => served.port(), { clients, perConnection: 20 });
  await load.more(50);
  const [victim = 0, survivor = 0] = served.workers();
  process.kill(victim, 'SIGKILL');
  await load.more(50);
  await served.until(() => served.of('worker replaced').length === 1);
  await load.more(100);
  await load.stop();
  assert.deepEqual(missing(load.acknowledged, downstream), []);
  // Each client lost one connection at most, and those of the other worker none.
  assert.ok(load.failed.length < clients, JSON.stringify(load.failed));
  const workers = served.workers();
  assert.equal(workers.length, 2);
  assert.ok(workers.includes(survivor) && !workers.includes(victim));
  const [died] = served.of('worker died');
  assert.deepEqual([died?.pid, died?.signal, died?.replacedAfterMs], [victim, 'SIGKILL', 0]);
});

test('the only worker is killed: its address stays, and connections wait for the next one', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], { workers: 1 });
  const [victim = 0] = served.workers();
  process.kill(victim, 'SIGKILL');
  await served.until(() => served.of('worker died').length === 1);
  await using load = new Load(() => served.port(), { clients: 2 });
  await load.more(4);
  await load.stop();
  assert.deepEqual(load.failed, []);
  assert.deepEqual(missing(load.acknowledged, downstream), []);
});

test('a worker that dies again at once is replaced later', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], { workers: 1 });
  for (const expected of [0, 1000]) {
    const [victim = 0] = served.workers();
    const deaths = served.of('worker died').length;
    process.kill(victim, 'SIGKILL');
    await served.until(() => served.of('worker died').length > deaths);
    assert.equal(served.of('worker died').at(-1)?.replacedAfterMs, expected);
    await served.until(() => served.of('worker replaced').length > deaths);
  }
});

test('the service is stopped while a worker is replaced: nobody is told that the new one cannot start', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], { workers: 1 });
  const [victim = 0] = served.workers();
  process.kill(victim, 'SIGKILL');
  await served.until(() => served.workers().some((pid) => pid !== victim));
  served.signal('SIGTERM');
  assert.equal(await served.ended(), 0);
  const mistakes = served.events.filter(({ level }) => level === 'error').map(({ event }) => event);
  assert.deepEqual(mistakes, ['worker died']);
});

test('a worker that the system has no memory for is tried again later', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listeners = [{ destinations: [downstream.destination] }];
  await using served = await Served.start(listeners, { workers: 1 }, noMemoryFor('fork', 2));
  const [victim = 0] = served.workers();
  process.kill(victim, 'SIGKILL');
  await served.until(() => served.of('worker replaced').length === 1);
  const [told] = served.of('worker cannot start');
  assert.deepEqual([told?.worker, told?.replacedAfterMs], [1, 1000]);
  assert.match(JSON.stringify(told?.error), /ENOMEM/);
  await using load = new Load(() => served.port(), { clients: 1 });
  await load.more(2);
  assert.deepEqual(load.failed, []);
});

test('when the primary is killed, the workers end after their transactions', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }]);
  using client = await beginContent(served.port());
  const workers = served.workers();
  served.signal('SIGKILL');
  await served.ended();
  await finish(client, 'orphan');
  assert.match((await client.line()) ?? '', /^421 /);
  await served.until(() => !workers.some(isRunning));
  assert.deepEqual(missing(['orphan'], downstream), []);
});

test('a connection on its way to a worker that is killed is closed, not kept for ever', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using served = await Served.start([{ destinations: [downstream.destination] }], { workers: 1 });
  const [victim = 0] = served.workers();
  process.kill(victim, 'SIGSTOP');
  const before = served.descriptors();
  using client = await RawClient.connect(served.port());
  await served.until(() => served.descriptors() > before);
  process.kill(victim, 'SIGKILL');
  assert.equal(await client.line(), undefined);
});

test('a worker that is busy when it is given the only place takes it later, and gives it up once', async () => {
  await using downstream = await ScriptedDownstream.start();
  const listener = { destinations: [downstream.destination], limits: { connections: 1 } };
  await using served = await Served.start([listener], { workers: 1 });
  const [worker = 0] = served.workers();
  for (const busy of [true, false]) {
    const before = served.descriptors();
    // A second time it might not have told yet that the place is free.
    if (busy) process.kill(worker, 'SIGSTOP');
    using client = await RawClient.connect(served.port());
    if (busy) {
      await served.until(() => served.descriptors() > before);
      // Longer than the primary waits before it asks what became of the connection.
      await after(150);
      process.kill(worker, 'SIGCONT');
    }
    assert.match((await client.line()) ?? '', /^220 /);
    using surplus = await RawClient.connect(served.port());
    assert.match((await surplus.line()) ?? '', /^421 4\.3\.2 too many connections/);
    client.send('QUIT\r\n');
    assert.match((await client.line()) ?? '', /^221 /);
    assert.equal(await client.line(), undefined);
  }
});

test('a worker without descriptors gets its connections again when it has some, and no place is lost', async () => {
  await using downstream = await ScriptedDownstream.start();
  const only = { destinations: [downstream.destination], limits: { connections: 1 } };
  await using served = await Served.start([only], { workers: 1 });
  const [worker = 0] = served.workers();
  const limit = (descriptors: number) =>
    execFileSync('prlimit', ['--pid', String(worker), `--nofile=${descriptors}:`]);
  // It keeps those that it has.
  limit(3);
  using lost = await RawClient.connect(served.port());
  assert.equal(await lost.line(), undefined);
  await served.until(() => served.of('connection lost').length > 0);
  const [told] = served.of('connection lost');
  assert.deepEqual([told?.level, told?.listener, told?.worker, told?.pid], ['warn', 'in', 1, worker]);
  limit(1024);
  using client = await beginContent(served.port());
  await finish(client, 'after');
  assert.deepEqual(missing(['after'], downstream), []);
});
