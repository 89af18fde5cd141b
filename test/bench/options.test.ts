// The benchmark's command line, the arithmetic and the tables.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from '../../bench/options.ts';
import { toMarkdown } from '../../bench/report/markdown.ts';
import { plot } from '../../bench/report/plot.ts';
import { atLeast, atMost } from '../../bench/series/goal.ts';
import type { Cell } from '../../bench/series/matrix.ts';
import { median, medianRatio } from '../../bench/statistics.ts';

const cell: Cell = {
  size: '10KB',
  connections: 32,
  mode: 'after',
  way: 'all',
  perSecond: 1234.5,
  megabytesPerSecond: 12.3,
  p50: 1,
  p95: 2,
  p99: 3,
  cpuMs: 0.7,
  residentMB: 200,
  cpuToRelay: 7,
  cpuToBare: 1.05,
  throughputToStraight: 0.2,
};

test('sizes, concurrencies and series can be chosen, and what is none of them is told', () => {
  const options = readOptions(['--size', '10KB,1MB', '--connections', '1,32', '--series', 'goals']);
  assert.deepEqual(options.sizes, ['10KB', '1MB']);
  assert.deepEqual(options.connections, [1, 32]);
  assert.deepEqual(options.series, ['goals']);
  assert.throws(() => readOptions(['--size', '11KB']), /11KB is none of 1KB/);
  assert.throws(() => readOptions(['--rounds', '0']), /0 is not a number above zero/);
});

test('a quick run is a small one, and does not write the document', () => {
  const { sizes, rounds, write } = readOptions(['--quick']);
  assert.deepEqual([sizes, rounds, write], [['10KB'], 1, false]);
});

test('ratios are those of each round, so that one disturbed round does not count', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
  assert.equal(medianRatio([2, 200, 20], [1, 1, 10]), 2);
});

test('a goal is met at its limit, and not beyond it', () => {
  const times = (value: number) => `${value} ×`;
  assert.deepEqual(atMost('cost', 1.1, 1.1, times), {
    measure: 'cost',
    goal: '≤ 1.1 ×',
    measured: '1.1 ×',
    met: true,
  });
  assert.equal(atMost('cost', 1.1, 1.2, times).met, false);
  assert.equal(atLeast('speed', 1.4, 1.3, times).met, false);
  assert.equal(atMost('cost', 1.1, Number.NaN, times).met, false);
});

test('tables have a row for each cell and goal, and leave out the series that were not run', () => {
  const circumstances = { date: '2026-01-05 10:00', commit: 'abc', node: 'v24', machine: 'this', load: 0.1 };
  const markdown = toMarkdown({ circumstances, goals: [], matrix: [cell], dns: [], sizes: [] });
  assert.match(markdown, /^Measured on 2026-01-05 10:00 UTC, commit abc/);
  assert.match(markdown, /\| 10KB +\| 32 +\| after +\| Postern, all checks +\| 1235? +\|/);
  assert.doesNotMatch(markdown, /### (Goals|Names|Cost)/);
});

test('the plot has a line for each way, once there are two sizes', () => {
  assert.equal(plot([cell]), undefined);
  const svg = plot([cell, { ...cell, size: '1MB', cpuMs: 20 }]) ?? '';
  assert.equal(svg.match(/<polyline /g)?.length, 1);
  assert.match(svg, /all checks/);
  assert.doesNotMatch(svg, /NaN/);
});
