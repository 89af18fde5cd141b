// A soak of a few seconds: everything is staged, nothing is lost, and what was seen is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeAll } from '../../bench/soak/criteria.ts';
import { readOptions } from '../../bench/soak/options.ts';
import { plotSoak } from '../../bench/soak/plot.ts';
import { broken, type SoakResults, statusOf, toMarkdown } from '../../bench/soak/report.ts';
import { soak } from '../../bench/soak/soak.ts';

const circumstances = { date: '2026-01-05 10:00', commit: 'abc', node: 'v24', machine: 'this', load: 0.1 };

test('a soak of a few seconds stages its troubles, and nothing is lost by them', async () => {
  const lines: string[] = [];
  const course = await soak(
    { minutes: 0.17, share: 0.2, capacitySeconds: 1, everySeconds: 1, seed: '1' },
    (line) => lines.push(line),
  );
  const judged = judgeAll(course.samples, course.seconds);
  const results: SoakResults = { circumstances, ...course, judged };
  assert.deepEqual(broken(results), []);
  assert.equal(statusOf(results), 2, 'so short a run says nothing of growth');
  const { comparison, deeds, samples, events } = course;
  assert.ok(comparison.acknowledged > 0 && comparison.stored >= comparison.acknowledged);
  assert.ok(comparison.sent > comparison.acknowledged, 'some were refused, or their client vanished');
  assert.ok(Object.values(deeds).every((times) => times > 0) || deeds['mistaken reload'] === 0);
  // One that was about to be replaced anyway is not missed; none dies by itself.
  assert.ok((events['worker died'] ?? 0) <= deeds['worker killed']);
  const kinds = samples.flatMap(({ processes }) => processes.map(({ kind }) => kind));
  assert.deepEqual([...new Set(kinds)].sort(), ['http', 'primary', 'worker']);
  const each = samples.flatMap(({ processes }) => processes);
  assert.ok(each.every(({ descriptors, residentBytes }) => descriptors > 0 && residentBytes > 0));
  assert.match(lines[0] ?? '', /^capacity \d+ messages\/s/);
  assert.match(toMarkdown(results), /\| memory, worker \| .* \| undecided \|/);
  const svg = plotSoak(samples) ?? '';
  assert.equal(svg.match(/<polyline /g)?.length, 10);
  assert.doesNotMatch(svg, /NaN|Infinity/);
});

test('whatever is lost, left or grown breaks it, and says so', async () => {
  const none = {
    lost: [],
    doubled: [],
    altered: [],
    unknown: [],
    refusedButStored: [],
    unansweredButStored: [],
  };
  const good: SoakResults = {
    circumstances,
    seconds: 3600,
    capacity: 100,
    capacityUse: 0.9,
    share: 0.7,
    samples: [],
    deeds: {
      'slow sink': 1,
      'slow names': 1,
      'failing names': 1,
      'downstream restart': 1,
      'worker killed': 1,
      'mistaken reload': 1,
      reload: 1,
    },
    comparison: { sent: 2, acknowledged: 1, stored: 1, ...none },
    held: [],
    left: 0,
    exitStatus: 0,
    events: {},
    mistakes: [],
    judged: [],
  };
  const judged = (finding: 'grows' | 'undecided') => [
    { measure: 'memory, worker', unit: 'MB', limit: 32, median: 200, slope: null, finding },
  ];
  assert.equal(statusOf(good), 0);
  assert.match(toMarkdown(good), /It held\./);
  const bad: readonly [Partial<SoakResults>, RegExp][] = [
    [{ comparison: { ...good.comparison, lost: ['m-1'] } }, /1 lost: m-1/],
    [{ comparison: { ...good.comparison, doubled: ['m-1'] } }, /1 doubled: m-1/],
    [{ comparison: { ...good.comparison, refusedButStored: ['m-1'] } }, /1 refused but stored: m-1/],
    [{ comparison: { ...good.comparison, acknowledged: 0 } }, /nothing was acknowledged/],
    [{ held: ['3 open connections'] }, /still held: 3 open connections/],
    [{ left: 2 }, /2 connections left/],
    [{ exitStatus: 'SIGKILL' }, /ended with SIGKILL/],
    [{ mistakes: ['{"event":"internal error"}'] }, /log: .*internal error/],
    [{ judged: judged('grows') }, /memory, worker grows/],
  ];
  for (const [what, told] of bad) {
    const results = { ...good, ...what };
    assert.equal(statusOf(results), 1);
    assert.match(toMarkdown(results), told);
  }
  assert.equal(statusOf({ ...good, judged: judged('undecided') }), 2);
});

test('how long and at what rate can be said; an hour at 70 % is the default', () => {
  const { minutes, share, write } = readOptions([]);
  assert.deepEqual([minutes, share, write], [60, 0.7, false]);
  assert.equal(readOptions(['--minutes', '20']).minutes, 20);
  assert.throws(() => readOptions(['--minutes', 'no']), /no is not a number above zero/);
});
