// The workers of one configuration: each is replaced as long as it is used, and none of them is left when it is over.
import assert from 'node:assert/strict';
import { Worker } from 'node:cluster';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Configuration } from '../../src/config/configuration.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { Generation } from '../../src/supervisor/generation.ts';
import { type LogFields, silentLog } from '../../src/telemetry/log.ts';

const example = {
  ...loadConfiguration({
    file: join(import.meta.dirname, '../../config/examples/after-queue.yaml'),
    environment: {},
  }),
  workers: 1,
};

/** A generation, and what the primary hears of it. */
async function start(t: TestContext, configuration: Configuration = example) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: [string, LogFields | undefined][] = [];
  const tell = (event: string, fields?: LogFields) => void told.push([event, fields]);
  let died = Promise.withResolvers<void>();
  const generation = new Generation({
    configuration: { ...configuration, log: { ...configuration.log, level: 'error' } },
    addresses: new Map(),
    account: undefined,
    log: { ...silentLog, error: tell },
    following: () => true,
    free: () => undefined,
    records: () => undefined,
    died: () => {
      died.resolve();
      died = Promise.withResolvers();
    },
    gone: () => undefined,
  });
  t.after(() => {
    generation.kill();
    return generation.end({ patienceMs: 0, graceMs: 0 });
  });
  await generation.start();
  return { generation, told, nextDeath: () => died.promise };
}

test('a generation that is over has no worker left, nor gets one for one that had just died', async (t) => {
  for (const over of [
    (generation: Generation) => generation.end({ patienceMs: 0, graceMs: 0 }),
    (generation: Generation) => generation.kill(),
  ]) {
    const { generation, nextDeath } = await start(t);
    const death = nextDeath();
    generation.workers[0]?.kill();
    await death;
    await over(generation);
    t.mock.timers.tick(1000);
    assert.deepEqual(generation.workers, []);
    t.mock.timers.reset();
  }
});

test('a worker that starts while somebody follows transactions tells of them', async (t) => {
  const send = t.mock.method(Worker.prototype, 'send');
  await start(t);
  assert.deepEqual(send.mock.calls.map(({ arguments: [message] }) => message).at(-1), {
    kind: 'follow',
    on: true,
  });
});

test('of a worker that is stuck the log says which one, and that it was killed', async (t) => {
  const { generation, told, nextDeath } = await start(t);
  const death = nextDeath();
  const pid = generation.workers[0]?.pid;
  assert.ok(pid);
  process.kill(pid, 'SIGSTOP');
  t.mock.timers.tick(60_000);
  t.mock.timers.tick(60_000);
  await death;
  assert.deepEqual(told, [
    ['worker stuck', { worker: 1, pid, seconds: 60 }],
    ['worker died', { worker: 1, pid, signal: 'SIGKILL', replacedAfterMs: 0 }],
  ]);
});

test('a worker that dies while it lets its connections end is told as well, one that ends by itself is not', async (t) => {
  const { generation, told } = await start(t, { ...example, workers: 2 });
  const [pid, other] = generation.workers.map((worker) => worker.pid);
  assert.ok(pid && other);
  process.kill(pid, 'SIGSTOP');
  const end = generation.end({ patienceMs: 30_000, graceMs: 30_000 });
  process.kill(pid, 'SIGKILL');
  await end;
  assert.deepEqual(told, [['worker died', { worker: 1, pid, signal: 'SIGKILL' }]]);
});

test('a worker that cannot be replaced is told with the reason, and tried again later', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-generation-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const [module, file] = [join(directory, 'mine.cjs'), join(directory, 'postern.yaml')];
  writeFileSync(module, "module.exports = { name: 'x-mine', connect: () => [] };");
  const listener =
    '{ name: in, listen: "127.0.0.1:0", mode: after-queue, destinations: [smtp://127.0.0.1:1] }';
  writeFileSync(file, `listeners: [${listener}]\nchecks: { custom: [{ module: ./mine.cjs }] }\n`);
  const { generation, told, nextDeath } = await start(t, {
    ...loadConfiguration({ file, environment: {} }),
    workers: 1,
  });
  rmSync(module);
  let death = nextDeath();
  generation.workers[0]?.kill();
  await death;
  death = nextDeath();
  t.mock.timers.tick(0);
  await death;
  assert.deepEqual(
    told.map(([event, fields]) => [event, fields?.status, fields?.replacedAfterMs]),
    [
      ['worker died', undefined, 0],
      ['worker cannot start', undefined, undefined],
      ['worker died', 70, 1000],
    ],
  );
  assert.match(String(told[1]?.[1]?.error), /Cannot find module/);
});
