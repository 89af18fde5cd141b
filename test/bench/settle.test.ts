// When a warm-up ends: not while messages still become cheaper, nor before enough of them, nor never.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSettled, settle } from '../../bench/site/settle.ts';

/** @returns how many stretches it took until costs like these, the last of them for ever, were settled */
async function stretches(costs: readonly number[], messages: number, least: number): Promise<number> {
  let run = 0;
  await settle(least, async () => ({ messages, cpuMs: costs[run++] ?? costs.at(-1) ?? 0 }));
  return run;
}

test('costs that fall have not settled, and those that only vary have', () => {
  assert.equal(isSettled([1.6, 1.5, 1.4]), false);
  assert.equal(isSettled([1.6, 1.5, 1.4, 1.2, 1.1]), false);
  assert.equal(isSettled([1.1, 1.09, 1.15, 1.08]), true);
});

test('one stretch that is better after worse ones shows that it goes on', () => {
  assert.equal(isSettled([1.6, 1.5, 1.6, 1.6, 1.2]), false);
  assert.equal(isSettled([1.6, 1.5, 1.6, 1.6, 1.6]), true);
});

test('a warm-up ends when costs have settled after messages enough, or when it has taken too long', async () => {
  const falling = [1.6, 1.5, 1.3, 1.2, 1.1];
  assert.equal(await stretches(falling, 4000, 15_000), 8);
  assert.equal(await stretches([1], 1000, 15_000), 15);
  assert.equal(await stretches([1], 1, 15_000), 18);
});
