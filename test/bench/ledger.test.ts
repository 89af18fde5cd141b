// The comparison of the ledgers: it sees every way in which a message can go wrong, and nothing where none did.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agrees, compareLedgers, type Entry, unanswered } from '../../bench/ledger.ts';

const entry = (id: string, outcome = '250', digest = `digest of ${id}`): Entry => ({ id, digest, outcome });
const sent = [entry('a'), entry('b'), entry('c')];
const stored = [entry('c', '9,1'), entry('a', '9,1'), entry('b', '9,1')];

test('ledgers agree when every message is stored once and whole, in any order', async () => {
  const comparison = await compareLedgers(sent, stored);
  assert.equal(agrees(comparison), true);
  assert.deepEqual([comparison.sent, comparison.acknowledged, comparison.stored], [3, 3, 3]);
});

test('a message that was acknowledged and is not stored is lost', async () => {
  const comparison = await compareLedgers(sent, stored.slice(1));
  assert.deepEqual(comparison.lost, ['c']);
  assert.equal(agrees(comparison), false);
});

test('a message that is stored twice is doubled', async () => {
  const comparison = await compareLedgers(sent, [...stored, entry('b', '9,1'), entry('b', '9,1')]);
  assert.deepEqual(comparison.doubled, ['b']);
  assert.equal(agrees(comparison), false);
});

test('a message that is stored with other content is altered', async () => {
  const comparison = await compareLedgers(sent, [...stored.slice(1), entry('c', '9,1', 'another digest')]);
  assert.deepEqual(comparison.altered, ['c']);
  assert.equal(agrees(comparison), false);
});

test('a message that nobody sent is unknown', async () => {
  const comparison = await compareLedgers(sent, [...stored, entry('smuggled', '9,1')]);
  assert.deepEqual(comparison.unknown, ['smuggled']);
  assert.equal(agrees(comparison), false);
});

test('a message that was refused and is stored all the same shows', async () => {
  const comparison = await compareLedgers([entry('a'), entry('b', '451'), entry('c')], stored);
  assert.deepEqual(comparison.refusedButStored, ['b']);
  assert.equal(agrees(comparison), false);
});

test('a message that was refused, or never answered, need not be stored', async () => {
  const comparison = await compareLedgers([entry('a', '451,550'), entry('b', unanswered)], []);
  assert.equal(agrees(comparison), true);
  assert.equal(comparison.acknowledged, 0);
});

test('a message that was stored and never answered is told apart, and is no mistake', async () => {
  const comparison = await compareLedgers([entry('a'), entry('b', unanswered), entry('c')], stored);
  assert.deepEqual(comparison.unansweredButStored, ['b']);
  assert.equal(agrees(comparison), true);
});

test('in LMTP a message counts as acknowledged when one recipient was taken', async () => {
  const comparison = await compareLedgers([entry('a', '450,250')], []);
  assert.deepEqual(comparison.lost, ['a']);
});

test('a message is lost when one of the recipients that were acknowledged did not get it', async () => {
  const comparison = await compareLedgers([entry('a', '250,250,450')], [entry('a', '9,1')]);
  assert.deepEqual(comparison.lost, ['a']);
  assert.equal(agrees(comparison), false);
});

test('a recipient that was refused and got the message all the same shows', async () => {
  const comparison = await compareLedgers([entry('a', '250,450,450')], [entry('a', '9,2')]);
  assert.deepEqual(comparison.refusedButStored, ['a']);
  assert.equal(agrees(comparison), false);
});

test('recipients whose replies never came may have got the message', async () => {
  const comparison = await compareLedgers([entry('a', `250,${unanswered}`)], [entry('a', '9,2')]);
  assert.deepEqual(comparison.unansweredButStored, ['a']);
  assert.deepEqual([comparison.lost, comparison.refusedButStored], [[], []]);
  assert.equal(agrees(comparison), true);
});
