// Rates: what went through in the last 15 minutes, and nothing older.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Durations } from '../../src/http/durations.ts';
import { Rates } from '../../src/http/rates.ts';
import { Recent } from '../../src/http/recent.ts';
import { replyClassOf, rowOf } from '../../src/http/rows.ts';
import { record } from './busy-observatory.ts';

/** Rates with a clock that the test moves. */
function ratesAt(start: number) {
  const clock = { ms: start };
  return { clock, rates: new Rates(() => clock.ms) };
}

test('transactions are counted by disposition, reply and listener, in windows that end now', () => {
  const { clock, rates } = ratesAt(5_000_000);
  clock.ms += 100_000;
  for (let i = 0; i < 30; i += 1) rates.add(record(`a${i}`));
  clock.ms += 30_000;
  for (let i = 0; i < 10; i += 1) {
    rates.add(record(`b${i}`, { listener: 'other', disposition: 'tempfail', replyClass: '4xx' }));
  }
  const { now, minute, quarterHour } = rates.answer();
  assert.equal(now.transactions, 10);
  assert.deepEqual(now.replies, { '4xx': 10 });
  assert.equal(minute.transactions, 40);
  assert.deepEqual(minute.dispositions, { accept: 30, tempfail: 10 });
  assert.deepEqual(minute.listeners, { 'after-queue': { '2xx': 30 }, other: { '4xx': 10 } });
  assert.equal(quarterHour.seconds, 130);
  assert.equal(quarterHour.perSecond, Math.round((40 / 130) * 100) / 100);
});

test('what is older than a quarter of an hour is forgotten', () => {
  const { clock, rates } = ratesAt(0);
  rates.add(record('old'));
  clock.ms = 16 * 60_000;
  const { quarterHour, results, latency, history } = rates.answer();
  assert.equal(quarterHour.transactions, 0);
  assert.equal(quarterHour.perSecond, 0);
  assert.deepEqual(results, {});
  assert.deepEqual(latency, {});
  assert.ok(history.all.every((count) => count === 0));
});

test('after hours without mail nothing of the past is taken for the present', () => {
  const { clock, rates } = ratesAt(0);
  // The same place in the ring as it will be then.
  rates.add(record('old'));
  clock.ms = 3 * 900_000;
  rates.add(record('new'));
  assert.equal(rates.answer().quarterHour.transactions, 1);
});

test('the history has whole points only, the last of them just over', () => {
  const { clock, rates } = ratesAt(10_000_000);
  clock.ms += 2_000;
  rates.add(record('a'));
  rates.add(record('b', { replyClass: '5xx' }));
  clock.ms += 4_000;
  rates.add(record('c', { replyClass: '4xx' }));
  const { history } = rates.answer();
  assert.equal(history.all.length, 179);
  assert.deepEqual(history.all.slice(-2), [0, 2]);
  assert.deepEqual(history.permanent.slice(-2), [0, 1]);
  clock.ms += 5_000;
  assert.deepEqual(rates.answer().history.temporary.slice(-2), [0, 1]);
});

test('each value of a check is counted, also where a message has several', () => {
  const { rates } = ratesAt(0);
  rates.add(record('a', { results: { dkim: 'pass,fail,pass', spf: 'none' } }));
  rates.add(record('b', { results: { dkim: 'fail' } }));
  assert.deepEqual(rates.answer().results, { dkim: { pass: 2, fail: 2 }, spf: { none: 1 } });
});

test('names without end take no memory without end, and are counted all the same', () => {
  const { rates } = ratesAt(0);
  for (let i = 0; i < 1000; i += 1) {
    rates.add(record(`a${i}`, { listener: `listener ${i}`, results: { [`x-${i}`]: 'pass' } }));
  }
  const { now, results } = rates.answer();
  assert.equal(Object.keys(now.listeners).length, 65);
  assert.deepEqual(now.listeners.other, { '2xx': 936 });
  assert.equal(Object.keys(results).length, 65);
});

test('percentiles are within 5 % of the truth, and never beyond the longest', () => {
  const durations = new Durations();
  for (let ms = 1; ms <= 1000; ms += 1) durations.add(ms);
  const found = Durations.percentiles([durations]);
  assert.ok(found);
  for (const [got, truth] of [
    [found.p50, 500],
    [found.p90, 900],
    [found.p99, 990],
  ] as const) {
    assert.ok(Math.abs(got / truth - 1) <= 0.05, `${got} is not ${truth}`);
  }
  assert.equal(found.max, 1000);
  assert.equal(found.count, 1000);
  const one = new Durations();
  one.add(7);
  assert.deepEqual(Durations.percentiles([one]), { count: 1, p50: 7, p90: 7, p99: 7, max: 7 });
  const zero = new Durations();
  zero.add(0);
  zero.add(1e12);
  assert.equal(Durations.percentiles([zero])?.max, 1e12);
  assert.equal(Durations.percentiles([]), undefined);
});

test('a transaction counts under the class that its record tells, as in the metrics', () => {
  assert.equal(replyClassOf(record('a', { replies: ['250 ok'], replyClass: '4xx' })), '4xx');
  for (const replyClass of [undefined, 7, '3xx', 'constructor'])
    assert.equal(replyClassOf(record('a', { replyClass })), 'none');
});

test('the reply in a row is one of the class under which it counts', () => {
  const shown = (changes: Readonly<Record<string, unknown>>) => rowOf(record('a', changes), 0).reply;
  assert.equal(shown({ replies: ['250 ok', '550 no', '451 later'], replyClass: '4xx' }), '451 later');
  const recipients = [
    { to: 'a@b', reply: '250 ok' },
    { to: 'b@b', reply: '550 5.1.1 unknown' },
  ];
  assert.equal(shown({ replies: [], recipients, replyClass: '5xx' }), '550 5.1.1 unknown');
  assert.equal(shown({ replies: [], aborted: 'QUIT', replyClass: 'none' }), 'QUIT');
});

test('a record of any shape gives a row', () => {
  for (const odd of [{}, { recipients: 'x', client: null, results: 7, milliseconds: 'soon', replies: [1] }]) {
    const row = rowOf(odd, 0);
    assert.equal(row.id, '');
    assert.equal(row.recipients, 0);
    assert.equal(row.replyClass, 'none');
  }
  const long = rowOf({ from: 'x'.repeat(10_000) }, 0);
  assert.equal(long.from.length, 323);
});

test('recipients whom the record does not name are counted in its row', () => {
  assert.equal(rowOf(record('a', { moreRecipients: 450 }), 0).recipients, 451);
});

test('the last 200 records are kept', () => {
  const recent = new Recent();
  recent.add(record('first', { from: 'alice@example.com' }), 0);
  assert.deepEqual(recent.get('first'), {
    id: 'first',
    time: '1970-01-01T00:00:00.000Z',
    record: record('first', { from: 'alice@example.com' }),
  });
  for (let i = 0; i < 200; i += 1) recent.add(record(`r${i}`), i);
  assert.equal(recent.get('first'), undefined);
  assert.equal(recent.rows().length, 200);
  assert.equal(recent.rows()[0]?.id, 'r199');
  assert.equal(recent.rows()[0]?.time, '1970-01-01T00:00:00.199Z');
});

test('an id that comes again is the youngest', () => {
  const recent = new Recent();
  for (const id of ['again', 'other', 'again']) recent.add(record(id), 0);
  assert.deepEqual(
    recent.rows().map(({ id }) => id),
    ['again', 'other'],
  );
});
