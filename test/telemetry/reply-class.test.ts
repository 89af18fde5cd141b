// Under which class of reply a transaction counts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replyClass } from '../../src/telemetry/reply-class.ts';

test('4xx is graver than 5xx, and both are graver than 2xx', () => {
  assert.equal(replyClass(['250 ok', '550 no', '451 later'], []), '4xx');
  assert.equal(replyClass(['250 ok', '550 no'], []), '5xx');
  assert.equal(replyClass(['250 a', '250 b'], ['250 ok', '550 unknown']), '2xx');
});

test('where there is no final reply, what refused the recipients counts', () => {
  assert.equal(replyClass([], ['250 ok', '550 5.1.1 unknown']), '5xx');
  assert.equal(replyClass([], ['550 5.1.1 unknown', '451 4.4.1 later']), '4xx');
  assert.equal(replyClass([], ['250 ok']), 'none');
  assert.equal(replyClass([], []), 'none');
});
