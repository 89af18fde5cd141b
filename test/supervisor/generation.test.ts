// The workers of one configuration: none of them is left when it is over.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { Generation } from '../../src/supervisor/generation.ts';
import { silentLog } from '../../src/telemetry/log.ts';

test('a generation that is not used after all has no worker left, nor gets one for one that had just died', async () => {
  const configuration = loadConfiguration({
    file: join(import.meta.dirname, '../../config/examples/after-queue.yaml'),
    environment: {},
  });
  const died = Promise.withResolvers<void>();
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const generation = new Generation({
      configuration: { ...configuration, workers: 1, log: { ...configuration.log, level: 'error' } },
      addresses: new Map(),
      account: undefined,
      log: silentLog,
      following: () => false,
      free: () => undefined,
      records: () => undefined,
      died: died.resolve,
      gone: () => undefined,
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
