// A worker that never gets ready, one that does not end, one that loses a connection: none is waited for for ever.
import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { forkAs } from '../../src/supervisor/fork.ts';
import type { Place } from '../../src/supervisor/messages.ts';
import { WorkerProcess } from '../../src/supervisor/worker-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-worker-'));
after(() => rmSync(directory, { recursive: true }));

const { customChecks: _, ...configuration } = loadConfiguration({
  file: join(import.meta.dirname, '../../config/examples/after-queue.yaml'),
  environment: {},
});
const quiet = { ...configuration, log: { ...configuration.log, level: 'error' } } as const;

/** A process that does what the code says, and stays; `freed` waits until it can take a connection again. */
function start(code: string): {
  worker: WorkerProcess;
  freed: () => Promise<void>;
  records: readonly string[];
} {
  const exec = join(directory, 'worker.cjs');
  writeFileSync(exec, `process.on('message', (message) => { ${code} }); process.send({ kind: 'hello' });`);
  cluster.setupPrimary({ exec, args: [], serialization: 'advanced' });
  let freed = Promise.withResolvers<void>();
  const heard: string[] = [];
  const worker = new WorkerProcess({
    worker: cluster.fork(),
    number: 1,
    start: { kind: 'start', number: 1, configuration, addresses: new Map() },
    free: () => {
      freed.resolve();
      freed = Promise.withResolvers();
    },
    lost: (listener) => heard.push(`lost one of ${listener}`),
    stuck: (seconds) => heard.push(`stuck for ${seconds} s`),
    records: (records) => heard.push(...records),
  });
  return { worker, freed: () => freed.promise, records: heard };
}

const getReady = "if (message.kind === 'start') process.send({ kind: 'ready' });";

test('a worker that does not get ready within a minute is killed', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { worker } = start('');
    const failed = assert.rejects(worker.ready, /worker was not ready within 60 s/);
    mock.timers.tick(59_999);
    assert.equal(await Promise.race([worker.exited, 'still there']), 'still there');
    mock.timers.tick(1);
    await failed;
    assert.deepEqual(await worker.exited, { code: null, signal: 'SIGKILL' });
    assert.equal(worker.free, false);
  } finally {
    mock.timers.reset();
  }
});

test('a worker that does not end is killed 5 s after the time that it was given', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { worker } = start(getReady);
    await worker.ready;
    assert.equal(worker.free, true);
    worker.end({ patienceMs: 0, graceMs: 30_000 });
    assert.equal(worker.free, false);
    mock.timers.tick(34_999);
    assert.equal(await Promise.race([worker.exited, 'still there']), 'still there');
    mock.timers.tick(1);
    assert.deepEqual(await worker.exited, { code: null, signal: 'SIGKILL' });
  } finally {
    mock.timers.reset();
  }
});

test('a worker that is told to end before it is ready is not waited for', async () => {
  const { worker } = start('');
  worker.end({ patienceMs: 0, graceMs: 30_000 });
  await assert.rejects(worker.ready, /worker ended with SIGKILL/);
});

test('a worker has the places of its listeners until they are given up, or it dies; surplus has none', async () => {
  const { worker, freed } = start(`${getReady}
    const left = message.listener === 'b' ? ['a', 'a'] : [];
    if (message.kind === 'connection') process.send({ kind: 'connections', taken: true, left });`);
  await worker.ready;
  const hand = async (listener: string, place: Place = 'one') => {
    const taken = freed();
    worker.hand(listener, new Socket(), place);
    assert.equal(worker.free, false, 'one at a time');
    await taken;
    assert.equal(worker.free, true);
  };
  await hand('a');
  await hand('a');
  await hand('a');
  await hand('a', 'none');
  assert.deepEqual([worker.connections, worker.connectionsOf('a')], [3, 3]);
  await hand('b');
  assert.deepEqual([worker.connections, worker.connectionsOf('a'), worker.connectionsOf('b')], [2, 1, 1]);
  worker.kill();
  await worker.exited;
  assert.deepEqual([worker.connections, worker.free], [0, false]);
});

test('who asks a worker that says nothing waits for 2 s, and for one that dies no longer than it lives', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { worker } = start(getReady);
    await worker.ready;
    const asked = worker.ask({ what: 'status' });
    mock.timers.tick(1999);
    assert.equal(await Promise.race([asked, 'waits']), 'waits');
    mock.timers.tick(1);
    assert.equal(await asked, undefined);
    const last = worker.ask({ what: 'status' });
    worker.kill();
    assert.equal(await last, undefined);
    assert.equal(await worker.ask({ what: 'status' }), undefined);
  } finally {
    mock.timers.reset();
  }
});

test('a connection that was lost on its way gives up its place, and the worker rests for a second', async () => {
  // A socket without a handle goes as a message alone; it is as if the descriptor had been lost.
  const { worker, freed, records } = start(`${getReady}
    if (message.kind === 'handed') process.send({ kind: 'missed', number: message.number });`);
  await worker.ready;
  for (const place of ['one', 'none'] as const) {
    const before = performance.now();
    const socket = new Socket();
    const rested = freed();
    worker.hand('a', socket, place);
    assert.equal(worker.connections, place === 'one' ? 1 : 0);
    await once(socket, 'close');
    assert.deepEqual([worker.connections, worker.free], [0, false], place);
    await rested;
    assert.equal(worker.free, true);
    assert.ok(performance.now() - before > 1000);
  }
  assert.deepEqual(records, ['lost one of a', 'lost one of a']);
  worker.kill();
  await worker.exited;
});

test('what is said of another connection than the last one is not believed', async () => {
  const { worker, freed } = start(`${getReady}
    if (message.kind === 'handed') {
      process.send({ kind: 'missed', number: message.number - 1 });
      process.send({ kind: 'connections', taken: true, left: [] });
    }`);
  await worker.ready;
  const taken = freed();
  worker.hand('a', new Socket(), 'one');
  await taken;
  assert.deepEqual([worker.connections, worker.free], [1, true]);
  worker.kill();
  await worker.exited;
});

test('of a connection that is taken at once nothing more is said', async () => {
  const { worker, freed, records } = start(`${getReady}
    if (message.kind === 'connection' || message.kind === 'handed') process.send({ kind: 'records', records: [message.kind] });
    if (message.kind === 'connection') process.send({ kind: 'connections', taken: true, left: [] });`);
  await worker.ready;
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    for (let i = 0; i < 2; i++) {
      const taken = freed();
      worker.hand('a', new Socket(), 'one');
      await taken;
      mock.timers.tick(60_000);
    }
  } finally {
    mock.timers.reset();
  }
  worker.kill();
  await worker.exited;
  assert.deepEqual(records, ['connection', 'connection']);
});

test('a worker that does not take the connection it was given is killed after a minute', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { worker, records } = start(getReady);
    await worker.ready;
    const socket = new Socket();
    worker.hand('a', socket, 'one');
    mock.timers.tick(50);
    mock.timers.tick(59_999);
    assert.deepEqual(records, []);
    mock.timers.tick(1);
    assert.deepEqual(records, ['stuck for 60 s']);
    assert.deepEqual(await worker.exited, { code: null, signal: 'SIGKILL' });
    assert.equal(socket.destroyed, true);
  } finally {
    mock.timers.reset();
  }
});

test('a worker that is stuck is killed also where it is given no connection', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { worker, freed, records } = start(`${getReady}
      if (message.kind === 'alive' && !globalThis.stuck) {
        globalThis.stuck = true;
        process.send({ kind: 'alive' });
        process.send({ kind: 'connections', taken: false, left: [] });
      }`);
    await worker.ready;
    const heard = freed();
    mock.timers.tick(60_000);
    await heard;
    // Asked for the second time, it says nothing.
    mock.timers.tick(60_000);
    mock.timers.tick(59_999);
    assert.deepEqual(records, []);
    mock.timers.tick(1);
    assert.deepEqual(records, ['stuck for 60 s']);
    assert.deepEqual(await worker.exited, { code: null, signal: 'SIGKILL' });
  } finally {
    mock.timers.reset();
  }
});

test('a worker that is asked for a sign of life gives one', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const records: string[] = [];
    const worker = new WorkerProcess({
      worker: forkAs('worker', undefined),
      number: 1,
      start: { kind: 'start', number: 1, configuration: quiet, addresses: new Map() },
      free: () => undefined,
      lost: (listener) => records.push(`lost one of ${listener}`),
      stuck: (seconds) => records.push(`stuck for ${seconds} s`),
      records: () => undefined,
    });
    await worker.ready;
    for (let minute = 0; minute < 5; minute += 1) {
      mock.timers.tick(60_000);
      // What is asked later is answered later.
      assert.ok(await worker.ask({ what: 'stories' }));
    }
    assert.deepEqual(records, []);
    worker.end({ patienceMs: 0, graceMs: 0 });
    assert.deepEqual(await worker.exited, { code: 0, signal: null });
  } finally {
    mock.timers.reset();
  }
});
