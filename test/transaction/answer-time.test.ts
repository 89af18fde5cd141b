// The time that upstream waits for an answer: one for each command, however many things are waited for meanwhile.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AnswerTime } from '../../src/transaction/answer-time.ts';

const never = new Promise<string>(() => undefined);

/** A clock that stands, and goes on as told; what timers began has been done then. */
function stoppedClock({ mock }: TestContext): (ms: number) => Promise<void> {
  let now = 1000;
  mock.method(performance, 'now', () => now);
  mock.timers.enable({ apis: ['setTimeout'] });
  return async (ms) => {
    now += ms;
    mock.timers.tick(ms);
    for (let turn = 0; turn < 3; turn++) await new Promise<void>(setImmediate);
  };
}

test('what a check has used up of the time is not there for the downstream', async (context) => {
  const pass = stoppedClock(context);
  const time = new AnswerTime(100, () => undefined);
  time.begin();
  const check = Promise.withResolvers<string>();
  const checked = time.within(check.promise, 'late');
  await pass(80);
  check.resolve('said');
  assert.equal(await checked, 'said');
  const answered = time.within(never, 'late');
  await pass(19);
  assert.equal(await Promise.race([answered, 'not yet']), 'not yet');
  await pass(1);
  assert.equal(await Promise.race([answered, 'not yet']), 'late');
});

test('each command has all of the time', async (context) => {
  const pass = stoppedClock(context);
  const time = new AnswerTime(100, () => undefined);
  for (const _ of ['MAIL', 'RCPT']) {
    await pass(1000);
    time.begin();
    const answered = time.within(never, 'late');
    await pass(99);
    assert.equal(await Promise.race([answered, 'not yet']), 'not yet');
    await pass(1);
    assert.equal(await Promise.race([answered, 'not yet']), 'late');
  }
});

test('whoever waits when all is ended still does so no longer than its time', async (context) => {
  const pass = stoppedClock(context);
  let exceeded = 0;
  const time = new AnswerTime(100, () => exceeded++);
  time.begin();
  const answered = time.within(never, 'late');
  time.end();
  await pass(99);
  assert.equal(await Promise.race([answered, 'not yet']), 'not yet');
  await pass(1);
  assert.equal(await Promise.race([answered, 'not yet']), 'late');
  assert.equal(exceeded, 1);
});
