// A process that the primary has started: what it owes as long as it lives, and what is known of its end.
import assert from 'node:assert/strict';
import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Child } from '../../src/supervisor/child.ts';

/** One that says only what a test says for it, and what is wanted of it. */
function started({ mock }: TestContext) {
  mock.timers.enable({ apis: ['setTimeout'] });
  const wanted: string[] = [];
  const fork = Object.assign(new EventEmitter(), {
    process: { pid: 1, kill: (signal: string) => void wanted.push(signal) },
  });
  const child = new Child(fork as unknown as Worker, 'worker', {
    ask: () => wanted.push('a sign of life'),
    stuck: (seconds) => wanted.push(`stuck for ${seconds} s`),
  });
  return { child, fork, wanted, wait: (milliseconds: number) => mock.timers.tick(milliseconds) };
}

test('nobody waits for a sign of life of a process that is gone, also when its last word is heard after its end', async (t) => {
  for (const lastWord of [true, false]) {
    const { child, fork, wanted, wait } = started(t);
    child.becameReady();
    wait(60_000);
    fork.emit('exit', 1, null);
    await child.exited;
    if (lastWord) child.pulse.beat();
    wait(60_000);
    wait(60_000);
    assert.deepEqual(wanted, ['a sign of life']);
    t.mock.timers.reset();
  }
});

test('who is asked for a sign of life again has no more time than before', (t) => {
  const { child, wanted, wait } = started(t);
  child.becameReady();
  child.pulse.feel();
  wait(59_999);
  child.pulse.feel();
  wait(1);
  assert.deepEqual(wanted, ['a sign of life', 'stuck for 60 s', 'SIGKILL']);
});

test('a process that ends before it is ready says with which status, and is not killed later', async (t) => {
  const { child, fork, wanted, wait } = started(t);
  // Its channel is closed first.
  fork.emit('error', new Error('write EPIPE'));
  fork.emit('exit', 70, null);
  await assert.rejects(child.ready, /^Error: worker ended with status 70$/);
  assert.deepEqual(await child.exited, { code: 70, signal: null });
  wait(60_000);
  assert.deepEqual(wanted, []);
});
