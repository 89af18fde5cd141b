// Whether a series grows: what is found of leaks, of noise, of steps and of a machine that gets busier.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, judgeAll } from '../../bench/soak/criteria.ts';
import type { Sample } from '../../bench/soak/samples.ts';
import { blocksOf, type Point, robustSlopeOf, slopeOf } from '../../bench/soak/slope.ts';
import { Random } from '../faults/random.ts';

const minutes = 60;
const limit = 30;

/** A point each ten seconds for an hour. @param value by the hour and its noise, which is from -1 to 1 */
function series(value: (hours: number, noise: number) => number, seed = 'a'): readonly Point[] {
  const random = new Random(seed);
  return Array.from({ length: minutes * 6 }, (_, i) => {
    const at = i / 360;
    return { group: 'one', at, value: value(at, random.whole(-1000, 1000) / 1000) };
  });
}

function found(points: readonly Point[]) {
  return judge(slopeOf(blocksOf(points, 1 / 40)), limit);
}

test('a leak is found beneath noise, for each of many seeds', () => {
  for (let seed = 0; seed < 50; seed++) {
    const points = series((at, noise) => 200 + 60 * at + 30 * noise, `leak ${seed}`);
    assert.equal(found(points), 'grows', `seed ${seed}`);
  }
});

test('noise alone is flat, hardly ever anything else, and never grows beyond the limit', () => {
  const findings = Array.from({ length: 200 }, (_, seed) =>
    found(series((_at, noise) => 200 + 30 * noise, `noise ${seed}`)),
  );
  assert.deepEqual([...new Set(findings)], ['flat']);
});

test('a slope is that of the line, and its interval has it in 19 of 20 cases', () => {
  const slopes = Array.from({ length: 400 }, (_, seed) =>
    slopeOf(
      blocksOf(
        series((at, noise) => 50 * at + 20 * noise, `line ${seed}`),
        1 / 40,
      ),
    ),
  );
  const within = slopes.filter((slope) => slope && slope.low < 50 && slope.high > 50).length;
  assert.ok(within > 360 && within < 398, `${within} of 400`);
});

test('growth below the limit is flat', () => {
  assert.equal(found(series((at, noise) => 200 + 10 * at + 5 * noise)), 'flat');
});

test('too few points, or too much noise to tell, are undecided', () => {
  assert.equal(found(series((_, noise) => 200 + 30 * noise).slice(0, 20)), 'undecided');
  assert.equal(found(series((_, noise) => 200 + 3000 * noise)), 'undecided');
  assert.equal(slopeOf([]), undefined);
});

test('a step up is not called flat; peaks that come and go are', () => {
  assert.notEqual(found(series((at, noise) => (at < 0.5 ? 200 : 260) + 5 * noise)), 'flat');
  const peaks = series((at, noise) => 200 + 5 * noise + (Math.floor(at * 360) % 7 === 0 ? 500 : 0));
  assert.equal(found(peaks), 'flat');
});

test('garbage that grows and is collected is flat by the least of each block', () => {
  const sawtooth = (leak: number) =>
    series((at, noise) => 200 + leak * at + 80 * ((at * 97) % 1) + 3 * noise);
  assert.equal(found(sawtooth(0)), 'flat');
  assert.equal(found(sawtooth(60)), 'grows');
});

test('memory that is given back now and then, and taken again, is flat by the most of each block', () => {
  const dips = (leak: number) =>
    series(
      (at, noise) => 345 + leak * at - ((at * 4) % 1 < 0.2 ? 120 * (1 - ((at * 20) % 1)) : 0) + 2 * noise,
    );
  const byMost = (leak: number) => judge(slopeOf(blocksOf(dips(leak), 1 / 15, Math.max)), limit);
  assert.equal(byMost(0), 'flat');
  assert.equal(byMost(60), 'grows');
  assert.notEqual(found(dips(0)), 'flat');
});

test('processes that replace each other have levels of their own, and a slope in common', () => {
  const lives = (leak: number) =>
    series((at, noise) => 300 - 100 * Math.floor(at * 3) + leak * ((at * 3) % 1) * (1 / 3) + 5 * noise).map(
      (point) => ({
        ...point,
        group: `process ${Math.floor(point.at * 3)}`,
      }),
    );
  assert.equal(found(lives(0)), 'flat');
  assert.equal(found(lives(60)), 'grows');
});

test('a slope is found although single blocks are far off, and its interval has it in 19 of 20 cases', () => {
  const slopes = Array.from({ length: 400 }, (_, seed) => {
    const random = new Random(`far off ${seed}`);
    const blocks = blocksOf(
      series((at, noise) => 50 * at + 20 * noise, `robust ${seed}`),
      1 / 40,
    );
    return robustSlopeOf(
      blocks.map((block) => (random.whole(0, 9) === 0 ? { ...block, value: block.value + 1000 } : block)),
    );
  });
  const within = slopes.filter((slope) => slope && slope.low < 50 && slope.high > 50).length;
  assert.ok(within > 360 && within < 398, `${within} of 400`);
  assert.equal(robustSlopeOf([]), undefined);
});

/** A soak of an hour: a primary that lives throughout, a worker that is replaced in the middle. */
function samples(leak: {
  readonly megabytes?: number;
  readonly descriptors?: number;
  readonly milliseconds?: number;
}) {
  const { megabytes = 0, descriptors = 0, milliseconds = 0 } = leak;
  return series((_, noise) => noise).map(({ at, value: noise }): Sample => {
    const worker = at < 0.4 ? 2 : 3;
    // As the pace goes up.
    const open = Math.round(30 + 40 * at);
    const age = worker === 2 ? at : at - 0.4;
    const each = (pid: number, kind: 'primary' | 'worker' | 'http', hours: number, connections = 0) => ({
      pid,
      kind,
      connections,
      // All grow while they are young.
      residentBytes: (150 + 50 * Math.min(1, hours * 10) + megabytes * hours + 5 * noise) * 1e6,
      descriptors: Math.round(30 + connections + descriptors * hours + 2 * noise),
      cpuMs: 0,
    });
    return {
      at: at * 3600,
      processes: [each(1, 'primary', at), each(worker, 'worker', age, open), each(4, 'http', at)],
      accepted: 1000,
      refused: 0,
      unanswered: 0,
      p50: 20 + milliseconds * at + noise,
      p95: 100 + milliseconds * at + 5 * noise,
      beside: 1 + 0.1 * noise,
      cpuMsPerMessage: 1,
      rate: 100,
      use: 0.7,
    };
  });
}

test('a soak without leaks is flat in all respects; each leak shows where it is', () => {
  const not = (leak: Parameters<typeof samples>[0], finding = 'flat') =>
    judgeAll(samples(leak), 3600)
      .filter((judged) => judged.finding !== finding)
      .map(({ measure }) => measure);
  assert.deepEqual(not({}), []);
  assert.deepEqual(not({ megabytes: 80 }), ['memory, primary', 'memory, worker', 'memory, http']);
  assert.deepEqual(not({ descriptors: 20 }), [
    'descriptors, primary',
    'descriptors, worker',
    'descriptors, http',
  ]);
  assert.deepEqual(not({ milliseconds: 100 }), ['latency p50', 'latency p95']);
});

test('a machine that gets busier, or has no time for us at moments, is no growth of latency; what is Postern’s own is', () => {
  for (const [milliseconds, finding] of [
    [0, 'flat'],
    [150, 'grows'],
  ] as const) {
    const busier = samples({ milliseconds }).map((sample, i) => {
      const factor = (1 + sample.at / 3600) * (i % 50 < 15 ? 20 : 1);
      return { ...sample, p50: sample.p50 * factor, p95: sample.p95 * factor, beside: 1 + sample.at / 3600 };
    });
    const latency = judgeAll(busier, 3600).filter(({ measure }) => measure.startsWith('latency'));
    assert.deepEqual(
      latency.map((judged) => judged.finding),
      [finding, finding],
    );
  }
});

test('a run of some minutes is not judged: it is all beginning', () => {
  const early = samples({ megabytes: 80 }).filter(({ at }) => at < 300);
  assert.ok(judgeAll(early, 300).every(({ finding }) => finding === 'undecided'));
});
