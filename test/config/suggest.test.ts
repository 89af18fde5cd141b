// What was probably meant: words that are near, and none where nothing is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didYouMean, nearest } from '../../src/config/suggest.ts';

const keys = ['hostname', 'authservId', 'listeners', 'networks', 'dns', 'checks', 'http', 'log'];

const meant: readonly (readonly [string, string | undefined])[] = [
  ['hostnaem', 'hostname'],
  ['ostname', 'hostname'],
  ['hostnames', 'hostname'],
  ['hosttame', 'hostname'],
  ['listener', 'listeners'],
  ['HTTP', 'http'],
  ['authserv_id', 'authservId'],
  ['authserv-id', 'authservId'],
  ['dsn', 'dns'],
  ['logs', 'log'],
  ['colour', undefined],
  ['x', undefined],
  ['', undefined],
  ['hostname'.repeat(10), undefined],
];

for (const [word, wanted] of meant) {
  test(`${JSON.stringify(word)} is ${wanted ?? 'nothing'}`, () => assert.equal(nearest(word, keys), wanted));
}

test('of several words the nearest is meant', () => {
  assert.equal(nearest('dnsb', ['dnswl', 'dnsbl']), 'dnsbl');
});

test('what is no word has none near', () => {
  for (const value of [5, null, undefined, {}, 'colour']) assert.equal(didYouMean(value, keys), '');
  assert.equal(didYouMean('dn', keys), '; did you mean dns?');
});
