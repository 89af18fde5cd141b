// One configuration after another: who served before lets its connections end, as long as there is room, and until the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Ending } from '../../src/listener/listener.ts';
import type { Generation } from '../../src/supervisor/generation.ts';
import { Generations } from '../../src/supervisor/generations.ts';

/** A generation of which a test says when its workers are gone, and what it was told. */
function someGeneration({ stopMs = 30_000, transactionMs = 600_000, answerMs = 100_000 } = {}) {
  const told: (Ending | 'killed' | boolean)[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const listeners = [{ limits: { transactionMs: 1, answerMs: 1 } }, { limits: { transactionMs, answerMs } }];
  const generation = {
    configuration: { stopMs, listeners },
    workers: [],
    end: (ending: Ending) => {
      told.push(ending);
      return promise;
    },
    kill: () => void told.push('killed'),
    follow: (on: boolean) => void told.push(on),
  } as unknown as Generation;
  return { generation, told, leave: resolve };
}

/** Whether it has come to its end by now. */
async function isOver(waiting: Promise<void>): Promise<boolean> {
  let over = false;
  void waiting.then(() => {
    over = true;
  });
  await turn();
  return over;
}

test('after a reload idle connections have the time of a stop, and a transaction as long as it may last', () => {
  for (const [stopMs, graceMs] of [
    [30_000, 700_000],
    [900_000, 900_000],
  ] as const) {
    const generations = new Generations();
    const [before, next] = [someGeneration({ stopMs }), someGeneration()];
    generations.serveBy(before.generation);
    generations.serveBy(next.generation);
    assert.equal(generations.current, next.generation);
    assert.deepEqual(before.told, [{ patienceMs: stopMs, graceMs }]);
    assert.deepEqual(next.told, []);
  }
});

test('whoever retires has the longest time of a transaction, and no more than a timer can count', () => {
  const day = 24 * 60 * 60 * 1000;
  for (const [transactionMs, answerMs, graceMs] of [
    [2 * day, day, 3 * day],
    // What is longer than 2^31 - 1 ms would be over at once.
    [24 * day, 24 * day, 24 * day],
  ] as const) {
    const generations = new Generations();
    const before = someGeneration({ transactionMs, answerMs });
    generations.serveBy(before.generation);
    generations.serveBy(someGeneration().generation);
    assert.deepEqual(before.told, [{ patienceMs: 30_000, graceMs }]);
  }
});

test('there is room while one retires; of two the oldest has no more patience, and is waited for', async () => {
  const generations = new Generations();
  const [first, second, third] = [someGeneration(), someGeneration(), someGeneration()];
  generations.serveBy(first.generation);
  assert.ok(await isOver(generations.makeRoom()));
  generations.serveBy(second.generation);
  assert.ok(await isOver(generations.makeRoom()));
  generations.serveBy(third.generation);
  const room = generations.makeRoom();
  assert.equal(await isOver(room), false);
  assert.deepEqual(first.told.slice(1), [{ patienceMs: 0, graceMs: 30_000 }]);
  assert.deepEqual(second.told.slice(1), []);
  first.leave();
  await room;
  assert.deepEqual(generations.all, [third.generation, second.generation]);
});

test('the end is for those too that retire, and is there when all of them are gone', async () => {
  const generations = new Generations();
  const [before, current] = [someGeneration(), someGeneration()];
  generations.serveBy(before.generation);
  generations.serveBy(current.generation);
  generations.follow(true);
  const ending = { patienceMs: 0, graceMs: 30_000 };
  const end = generations.end(ending);
  generations.kill();
  assert.deepEqual(current.told, [true, ending, 'killed']);
  assert.deepEqual(before.told.slice(1), [true, ending, 'killed']);
  current.leave();
  assert.equal(await isOver(end), false);
  before.leave();
  await end;
});
