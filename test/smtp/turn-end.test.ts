// What is to be done at the end of a turn: after all that has arrived, in order, none twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterTurnEnd, atTurnEnd } from '../../src/smtp/turn-end.ts';

test('it is done at the end of the turn, in order, each once', async () => {
  const done: string[] = [];
  atTurnEnd(() => done.push('first'));
  atTurnEnd(() => done.push('second'));
  await Promise.resolve();
  assert.deepEqual(done, [], 'not before all that has arrived was dealt with');
  await nextTurn();
  assert.deepEqual(done, ['first', 'second']);
  await nextTurn();
  assert.deepEqual(done, ['first', 'second']);
});

test('what is asked for meanwhile is done in the next turn', async () => {
  const done: string[] = [];
  atTurnEnd(() => {
    done.push('first');
    atTurnEnd(() => done.push('later'));
  });
  await nextTurn();
  await nextTurn();
  assert.deepEqual(done, ['first', 'later']);
});

test('what nobody waits for comes after it, whenever it was asked for', async () => {
  const done: string[] = [];
  afterTurnEnd(() => done.push('log'));
  atTurnEnd(() => done.push('reply'));
  await nextTurn();
  assert.deepEqual(done, ['reply', 'log']);
});

test('a mistake of one is reported, and takes nothing of the others along', async () => {
  const reported: unknown[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => reported.push(error));
  const done: string[] = [];
  const mistake = new RangeError('mistake');
  try {
    atTurnEnd(() => {
      throw mistake;
    });
    atTurnEnd(() => done.push('reply'));
    afterTurnEnd(() => done.push('log'));
    await nextTurn();
    await nextTurn();
  } finally {
    process.setUncaughtExceptionCaptureCallback(null);
  }
  assert.deepEqual(done, ['reply', 'log']);
  assert.deepEqual(reported, [mistake]);
});
