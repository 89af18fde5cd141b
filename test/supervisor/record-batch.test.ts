// Records on their way to another process: together, soon, and never too many.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { RecordBatch } from '../../src/supervisor/record-batch.ts';

/** What was sent, and what to call when it has arrived. */
function start() {
  const sent: (readonly string[])[] = [];
  const arrivals: (() => void)[] = [];
  const batch = new RecordBatch((records, arrived) => {
    sent.push(records);
    arrivals.push(arrived);
  });
  return { batch, sent, arrivals };
}

test('records of a tenth of a second go together, each as JSON', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { batch, sent } = start();
    batch.add({ id: 'one' });
    mock.timers.tick(60);
    batch.add({ id: 'two' });
    assert.deepEqual(sent, []);
    mock.timers.tick(60);
    assert.deepEqual(sent, [['{"id":"one"}', '{"id":"two"}']]);
    batch.add({ id: 'three' });
    mock.timers.tick(100);
    assert.deepEqual(sent[1], ['{"id":"three"}']);
  } finally {
    mock.timers.reset();
  }
});

test('what waits is told at once where nothing more will come, and nothing is told twice', () => {
  const { batch, sent } = start();
  batch.add({ id: 'one' });
  batch.flush();
  batch.flush();
  assert.deepEqual(sent, [['{"id":"one"}']]);
});

test('to a process that does not listen no more than a thousand are told', () => {
  const { batch, sent, arrivals } = start();
  for (let i = 0; i < 1500; i++) batch.add({ i });
  batch.flush();
  batch.add({ i: 'one too many' });
  batch.flush();
  assert.deepEqual(
    sent.map(({ length }) => length),
    [1000],
  );
  arrivals[0]?.();
  batch.add({ i: 'after' });
  batch.flush();
  assert.deepEqual(sent[1], ['{"i":"after"}']);
});
