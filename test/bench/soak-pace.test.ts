// How a soak keeps its share of a machine that has more and less to give.
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { busyMs, Pace, useOf } from '../../bench/soak/pace.ts';

const processors = availableParallelism();
/** A stretch in which a message costs so much. */
const stretch = (msPerMessage: number, messages = 1000) => ({
  busyMs: msPerMessage * messages,
  messages,
});

test('where a message costs twice as much, half as many are sent', () => {
  // 70 % of the processors, at 2 ms a message.
  const pace = new Pace(0.7 * processors * 500, 0.7);
  assert.equal(Number(pace.after(stretch(2)).toFixed(6)), 1);
  let factor = 1;
  for (let i = 0; i < 6; i++) factor = pace.after(stretch(4));
  assert.equal(Number(factor.toFixed(6)), 0.5);
});

test('a downstream that is away for a moment does not change the pace by itself', () => {
  const pace = new Pace(0.7 * processors * 500, 0.7);
  for (let i = 0; i < 5; i++) pace.after(stretch(2));
  assert.ok(Math.abs(pace.after({ busyMs: 100, messages: 0 }) - 1) < 0.02);
});

test('reports that come a stretch late make no difference', () => {
  const pace = new Pace(0.7 * processors * 500, 0.7);
  assert.equal(pace.after({ busyMs: 2000, messages: 0 }), 1);
  for (let i = 0; i < 10; i++) assert.ok(Math.abs(pace.after(stretch(2)) - 1) < 0.02);
});

test('the pace stays within bounds, whatever is measured', () => {
  const after = (...measured: Parameters<typeof stretch>) => {
    const pace = new Pace(0.7 * processors * 500, 0.7);
    assert.equal(pace.after(stretch(...measured)), 1, 'one stretch says nothing yet');
    pace.after(stretch(...measured));
    return pace.after(stretch(...measured));
  };
  assert.equal(after(1000), 0.2);
  assert.equal(after(0.001), 1.5);
});

test('the use of the processors is what the kernel says, between none and all of them', () => {
  const [begun, before] = [performance.now(), busyMs()];
  while (performance.now() - begun < 200);
  const use = useOf(busyMs() - before, (performance.now() - begun) / 1000);
  assert.ok(use > 0.5 / processors && use < 1.2, `${use}`);
});
