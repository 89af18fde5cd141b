// What an administrator should look at: from which share, number or delay on, and how grave it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOf } from '../../src/http/problems.ts';
import { Rates } from '../../src/http/rates.ts';
import { totalsOf } from '../../src/http/totals.ts';
import type { WorkerStatus } from '../../src/telemetry/status.ts';
import { type Fields, record, worker } from './busy-observatory.ts';

/** What is said of these processes after so many transactions, of which so many are as told. */
function problems(
  changes: Fields = {},
  { of = 0, all = 0, workers = [worker(1)] }: { of?: number; all?: number; workers?: WorkerStatus[] } = {},
): (readonly [string, string])[] {
  const rates = new Rates(() => 1_000_000);
  for (let i = 0; i < all; i += 1) rates.add(record(`id${i}`, i < of ? changes : {}));
  const readiness = { ready: true, reasons: [] };
  const found = problemsOf({ readiness, workers, totals: totalsOf(workers), rates: rates.answer() });
  return found.map(({ severity, text }) => [severity, text]);
}

test('one in twenty that is put off is a warning from the third on, half of them are bad; fewer are chance', () => {
  const later = { replyClass: '4xx' };
  assert.deepEqual(problems(later, { of: 2, all: 2 }), []);
  assert.deepEqual(problems(later, { of: 3, all: 61 }), []);
  assert.deepEqual(problems(later, { of: 3, all: 60 }), [
    ['warn', "5 % of the last minute's transactions were answered 4xx (3 of 60)"],
  ]);
  assert.deepEqual(problems(later, { of: 49, all: 100 })[0]?.[0], 'warn');
  assert.deepEqual(problems(later, { of: 50, all: 100 })[0]?.[0], 'bad');
});

test('a check that fails for want of answers is a warning from the third on, where it is one in twenty', () => {
  const silent = { results: { spf: 'temperror' } };
  assert.deepEqual(problems(silent, { of: 2, all: 2 }), []);
  assert.deepEqual(problems(silent, { of: 3, all: 61 }), []);
  assert.deepEqual(problems(silent, { of: 3, all: 60 }), [
    ['warn', 'spf: 5 % temperror in the last 15 minutes (3 of 60); does DNS answer?'],
  ]);
});

test('a process that is late at times is a warning', () => {
  const late = (p99: number) => problems({}, { workers: [{ ...worker(7), eventLoop: { p50: 0, p99 } }] });
  assert.deepEqual(late(199.9), []);
  assert.deepEqual(late(200), [['warn', 'process 7 is 200 ms late at times: not enough processor time']]);
});

test('a destination that no process reaches is bad, and so is it when there is no process', () => {
  const unreachable = worker(1, { reachable: false });
  assert.deepEqual(problems({}, { workers: [unreachable, { ...unreachable, pid: 2 }] }), [
    [
      'bad',
      'listener mailboxes: no destination answers (lmtp+unix:/run/dovecot/lmtp, lmtp://store-2.example.net:24)',
    ],
  ]);
  assert.deepEqual(problems({}, { workers: [] }), [['bad', 'no process passes mail']]);
});
