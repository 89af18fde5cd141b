// The benchmark's command line, the arithmetic and the tables.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { readOptions } from '../../bench/options.ts';
import { writeResults } from '../../bench/program.ts';
import { withPart } from '../../bench/report/document.ts';
import { sectionOf, toMarkdown } from '../../bench/report/markdown.ts';
import { plot } from '../../bench/report/plot.ts';
import { readResults, seriesNames } from '../../bench/report/results.ts';
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

const circumstances = { date: '2026-01-05 10:00', commit: 'abc', node: 'v24', machine: 'this', load: 0.1 };

test('tables have a row for each cell and goal, and leave out the series that were not run', () => {
  const markdown = toMarkdown({ matrix: { circumstances, found: [cell] } });
  assert.match(markdown, /^### Size × concurrency\n/);
  assert.match(markdown, /\| 10KB +\| 32 +\| after +\| Postern, all checks +\| 1235? +\|/);
  assert.doesNotMatch(markdown, /### (Goals|Names|Cost)/);
});

test('each series says what it was measured on', () => {
  const later = { ...circumstances, date: '2026-02-01 10:00', commit: 'def' };
  const goal = atMost('cost', 1.1, 1.1, String);
  const results = {
    goals: { circumstances: later, found: [goal] },
    matrix: { circumstances, found: [cell] },
  };
  assert.match(
    sectionOf(results, 'goals') ?? '',
    /\| cost .*\n\nMeasured on 2026-02-01 10:00 UTC, commit def/,
  );
  assert.match(sectionOf(results, 'matrix') ?? '', /Measured on 2026-01-05 10:00 UTC, commit abc/);
});

const matrixMark = '<!-- matrix: written by npm run bench -- --write -->';
const goalsMark = '<!-- goals: written by npm run bench -- --write -->';

test('a series that is written replaces its own part of the document, and no other', () => {
  const matrix = `${matrixMark}\n\n![a plot](performance.svg)\n\n| 1 |\n<!-- /matrix -->\n`;
  const document = `# Title\n\n${goalsMark}\n\n| old |\n<!-- /goals -->\n\n${matrix}\nThe end.\n`;
  const written = withPart(document, 'goals', 'bench', '| new |\n');
  assert.equal(written, document.replace('| old |\n', '| new |\n\n'));
  assert.equal(withPart(written, 'goals', 'bench', '| new |\n'), written);
});

test('a document without the marks of a series is not written to', () => {
  assert.throws(() => withPart(`${matrixMark}\n`, 'matrix', 'bench', ''), /lacks .*<!-- \/matrix -->/);
  assert.throws(() => withPart('<!-- /goals -->\n', 'goals', 'bench', ''), /lacks <!-- goals: written/);
});

test('docs/performance.md has a place for every series', () => {
  const document = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8');
  for (const name of seriesNames) assert.ok(withPart(document, name, 'bench', 'x').includes('\n\nx\n'));
});

test('the file of results keeps what it has of other series, and nothing of another form', (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'postern-results-')), 'latest.json');
  t.after(() => rmSync(dirname(file), { recursive: true }));
  assert.deepEqual(readResults(file), {});
  const goals = { circumstances, found: [] };
  writeResults(file, { goals, dns: [], circumstances });
  assert.deepEqual(readResults(file), { goals });
});

test('the plot has a line for each way, once there are two sizes', () => {
  assert.equal(plot([cell]), undefined);
  const svg = plot([cell, { ...cell, size: '1MB', cpuMs: 20 }]) ?? '';
  assert.equal(svg.match(/<polyline /g)?.length, 1);
  assert.match(svg, /all checks/);
  assert.doesNotMatch(svg, /NaN/);
});
