// A worker that never gets ready, and one that does not end: neither is waited for for ever.
import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { WorkerProcess } from '../../src/supervisor/worker-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-worker-'));
after(() => rmSync(directory, { recursive: true }));

const { customChecks: _, ...configuration } = loadConfiguration({
  file: join(import.meta.dirname, '../../config/examples/after-queue.yaml'),
  environment: {},
});

/** A process that does what the code says, and stays; `freed` waits until it can take a connection again. */
function start(code: string): { worker: WorkerProcess; freed: () => Promise<void> } {
  const exec = join(directory, 'worker.cjs');
  writeFileSync(exec, `process.on('message', (message) => { ${code} }); process.send({ kind: 'hello' });`);
  cluster.setupPrimary({ exec, args: [], serialization: 'advanced' });
  let freed = Promise.withResolvers<void>();
  const worker = new WorkerProcess({
    worker: cluster.fork(),
    number: 1,
    start: { kind: 'start', number: 1, configuration, addresses: new Map() },
    free: () => {
      freed.resolve();
      freed = Promise.withResolvers();
    },
    records: () => undefined,
  });
  return { worker, freed: () => freed.promise };
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
  const hand = async (listener: string, surplus = false) => {
    const taken = freed();
    worker.hand(listener, new Socket(), surplus);
    assert.equal(worker.free, false, 'one at a time');
    await taken;
    assert.equal(worker.free, true);
  };
  await hand('a');
  await hand('a');
  await hand('a');
  await hand('a', true);
  assert.deepEqual([worker.connections, worker.connectionsOf('a')], [3, 3]);
  await hand('b');
  assert.deepEqual([worker.connections, worker.connectionsOf('a'), worker.connectionsOf('b')], [2, 1, 1]);
  worker.kill();
  await worker.exited;
  assert.deepEqual([worker.connections, worker.free], [0, false]);
});
