// The workers of one configuration: none of them is left when it is over.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { Generation } from '../../src/supervisor/generation.ts';
import { Generations } from '../../src/supervisor/generations.ts';
import { silentLog } from '../../src/telemetry/log.ts';

const configuration = loadConfiguration({
  file: join(import.meta.dirname, '../../config/examples/after-queue.yaml'),
  environment: {},
});

const nobody = {
  addresses: new Map(),
  account: undefined,
  log: silentLog,
  following: () => false,
  free: () => undefined,
  records: () => undefined,
  died: () => undefined,
  gone: () => undefined,
};

test('a generation that is not used after all has no worker left, nor gets one for one that had just died', async () => {
  const died = Promise.withResolvers<void>();
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const generation = new Generation({
      configuration: { ...configuration, workers: 1, log: { ...configuration.log, level: 'error' } },
      ...nobody,
      died: died.resolve,
    });
    await generation.start();
    generation.workers[0]?.kill();
    await died.promise;
    generation.kill();
    mock.timers.tick(1000);
    assert.deepEqual(generation.workers, []);
  } finally {
    mock.timers.reset();
  }
});

test('whoever retires has the longest time of a transaction, and no more than a timer can count', (t) => {
  const day = 24 * 60 * 60 * 1000;
  const retired = (transactionMs: number, answerMs: number) => {
    const listeners = configuration.listeners.map((listener) => ({
      ...listener,
      limits: { ...listener.limits, transactionMs, answerMs },
    }));
    const before = new Generation({ ...nobody, configuration: { ...configuration, listeners } });
    const end = t.mock.method(before, 'end');
    const generations = new Generations();
    generations.serveBy(before);
    generations.serveBy(new Generation({ ...nobody, configuration }));
    return end.mock.calls[0]?.arguments[0].graceMs;
  };
  assert.equal(retired(2 * day, day), 3 * day);
  // What is longer than 2^31 - 1 ms would be over at once.
  assert.equal(retired(24 * day, 24 * day), 24 * day);
});
