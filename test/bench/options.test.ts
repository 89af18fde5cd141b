// The benchmark's command line, the arithmetic and the tables.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { readOptions } from '../../bench/options.ts';
import { writeResults } from '../../bench/program.ts';
import { withPart, writeReport } from '../../bench/report/document.ts';
import { sectionOf, toMarkdown } from '../../bench/report/markdown.ts';
import { plot } from '../../bench/report/plot.ts';
import { readResults, seriesNames } from '../../bench/report/results.ts';
import { atLeast, atMost } from '../../bench/series/goal.ts';
import { type Cell, type Slice, summarize, summarizeBare } from '../../bench/series/matrix.ts';
import type { Bare, Measured } from '../../bench/site/site.ts';
import { median, medianRatio, percentile } from '../../bench/statistics.ts';

const cell: Cell = {
  size: '10KB',
  connections: 32,
  mode: 'after',
  way: 'all',
  messages: 3700,
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

const measured: Measured = {
  perSecond: 100,
  bytesPerSecond: 1e6,
  messages: 99,
  refused: 0,
  latencyMs: { p50: 1, p95: 2, p99: 3, max: 4 },
  cpuMsPerMessage: 2,
  residentBytes: 2e8,
};
const slice: Slice = {
  straight: { ...measured, perSecond: 400 },
  relay: { ...measured, cpuMsPerMessage: 0.5 },
  pass: measured,
  all: measured,
};
const bare: Bare = { calls: 100, wallMs: 1, p50Ms: 1, p95Ms: 2, p99Ms: 3, cpuMs: 1 };
const matrixKey = { size: '10KB', connections: 32, mode: 'after' } as const;

test('a row of the matrix has its messages and its ratios, and no percentile of too few messages', () => {
  const row = summarize({ ...matrixKey, way: 'all' }, [slice, slice], [bare, bare]);
  assert.equal(row.messages, 198);
  assert.deepEqual([row.throughputToStraight, row.cpuToRelay, row.cpuToBare], [0.25, 4, 2]);
  // Of 99 messages in each round, though of 198 in both.
  assert.deepEqual([row.p50, row.p95, row.p99], [1, 2, undefined]);
  const few = { ...slice, all: { ...measured, messages: 19 } };
  assert.equal(summarize({ ...matrixKey, way: 'all' }, [slice, few], [bare, bare]).p95, undefined);
});

test('the sink and the load generator have no cost that counts, and a bare call has a row of its own', () => {
  const straight = summarize({ ...matrixKey, way: 'straight' }, [slice], [bare]);
  assert.deepEqual(
    [straight.cpuMs, straight.residentMB, straight.cpuToRelay],
    [undefined, undefined, undefined],
  );
  const call = summarizeBare({ size: '10KB', connections: 32 }, [bare, { ...bare, calls: 300 }]);
  assert.deepEqual([call.messages, call.perSecond, call.p99, call.cpuMs], [400, 1000, 3, 1]);
  const markdown = toMarkdown({ matrix: { circumstances, found: [call, straight, cell] } });
  assert.match(markdown, /\| through +\| n +\| messages\/s \| of straight \|/);
  assert.match(markdown, /\| 10KB +\| 32 +\| +\| bare call +\| 400 +\| 1000 +\| +\|/);
  assert.match(markdown, /\| Postern, all checks +\| 3700 +\| 123\d +\| 0.200 +\|/);
});

test('percentiles are of the values that were there', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.deepEqual([percentile(values, 95), percentile(values, 99), percentile([7], 95)], [95, 99, 7]);
});

const circumstances = { date: '2026-01-05 10:00', commit: 'abc', node: 'v24', machine: 'this', load: 0.1 };

test('tables have a row for each cell and goal, and leave out the series that were not run', () => {
  const markdown = toMarkdown({ matrix: { circumstances, found: [cell] } });
  assert.match(markdown, /^### Size × concurrency\n/);
  assert.match(markdown, /\| 10KB +\| 32 +\| after +\| Postern, all checks +\|/);
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

test('beside the JSON there are the tables, and the plot once there are two sizes', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-results-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const json = join(directory, 'latest.json');
  writeReport(json, { matrix: { circumstances, found: [cell] } });
  assert.deepEqual(readdirSync(directory), ['latest.md']);
  const found = [cell, { ...cell, size: '1MB', cpuMs: 20 } as const];
  writeReport(json, { matrix: { circumstances, found } });
  const markdown = readFileSync(join(directory, 'latest.md'), 'utf8');
  assert.match(markdown, /^!\[CPU per message against size\]\(latest\.svg\)\n\n### Size × concurrency\n/);
  assert.match(readFileSync(join(directory, 'latest.svg'), 'utf8'), /^<svg /);
});

test('the plot has a line for each way, once there are two sizes', () => {
  assert.equal(plot([cell]), undefined);
  const svg = plot([cell, { ...cell, size: '1MB', cpuMs: 20 }]) ?? '';
  assert.equal(svg.match(/<polyline /g)?.length, 1);
  assert.match(svg, /all checks/);
  assert.doesNotMatch(svg, /NaN/);
});
