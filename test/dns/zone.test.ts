// The zone file: what it may hold, and what it answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askZone, parseZone, type Zone } from '../../src/dns/zone.ts';

function zone(value: unknown): Zone {
  const parsed = parseZone(value);
  assert.ok(!Array.isArray(parsed), String(parsed));
  return parsed as Zone;
}

const example = zone({
  'Example.COM': { TXT: ['v=spf1 -all', 'other'], MX: ['10 mx.example.com', '20 mx2.example.com.'] },
  'client.example.com.': { A: ['192.0.2.10'], AAAA: ['2001:db8::10'] },
  '10.2.0.192.in-addr.arpa': { PTR: ['client.example.com'] },
  'www.example.com': { CNAME: ['client.example.com'] },
  'away.example.com': { CNAME: ['elsewhere.example'] },
  'loop.example.com': { CNAME: ['loop.example.com'] },
  'broken.example': { TXT: 'SERVFAIL', A: 'TIMEOUT', MX: 'NXDOMAIN' },
  'nomail.example': { MX: ['0 .'] },
});

test('records are answered in the form of dns.promises.resolve, whatever the case of the name', () => {
  assert.deepEqual(askZone(example, 'EXAMPLE.com', 'TXT'), { answer: [['v=spf1 -all'], ['other']] });
  assert.deepEqual(askZone(example, 'example.com.', 'MX'), {
    answer: [
      { exchange: 'mx.example.com', priority: 10 },
      { exchange: 'mx2.example.com', priority: 20 },
    ],
  });
  assert.deepEqual(askZone(example, 'client.example.com', 'AAAA'), { answer: ['2001:db8::10'] });
  assert.deepEqual(askZone(example, '10.2.0.192.in-addr.arpa', 'PTR'), { answer: ['client.example.com'] });
  assert.deepEqual(askZone(example, 'nomail.example', 'MX'), { answer: [{ exchange: '', priority: 0 }] });
});

test('a listed name has no data of other types, and an unlisted one is unknown', () => {
  assert.deepEqual(askZone(example, 'client.example.com', 'TXT'), { failure: 'ENODATA' });
  assert.deepEqual(askZone(example, 'nobody.example', 'TXT'), { unknown: 'nobody.example' });
});

test('a type can fail in each of three ways', () => {
  assert.deepEqual(askZone(example, 'broken.example', 'TXT'), { failure: 'ESERVFAIL' });
  assert.deepEqual(askZone(example, 'broken.example', 'A'), { failure: 'ETIMEOUT' });
  assert.deepEqual(askZone(example, 'broken.example', 'MX'), { failure: 'ENOTFOUND' });
});

test('aliases are followed, out of the zone too, and a loop is a failure', () => {
  assert.deepEqual(askZone(example, 'www.example.com', 'A'), { answer: ['192.0.2.10'] });
  assert.deepEqual(askZone(example, 'www.example.com', 'CNAME'), { answer: ['client.example.com'] });
  assert.deepEqual(askZone(example, 'away.example.com', 'A'), { unknown: 'elsewhere.example' });
  assert.deepEqual(askZone(example, 'loop.example.com', 'A'), { failure: 'ESERVFAIL' });
});

test('an empty file is an empty zone', () => {
  assert.equal(zone(null).size, 0);
});

const mistakes: readonly (readonly [string, unknown, string])[] = [
  ['a list', [], 'a zone is a mapping of names to records'],
  ['a name without records', { 'a.example': 'x' }, 'a.example: expected a mapping of record types to values'],
  [
    'an unknown type',
    { 'a.example': { SOA: ['x'] } },
    'a.example.SOA: expected one of A, AAAA, CNAME, MX, PTR, TXT',
  ],
  [
    'an inherited key',
    { 'a.example': { toString: ['x'] } },
    'a.example.toString: expected one of A, AAAA, CNAME, MX, PTR, TXT',
  ],
  [
    'a bare value',
    { 'a.example': { A: '192.0.2.1' } },
    'a.example.A: expected a list of values, or one of NXDOMAIN, SERVFAIL, TIMEOUT',
  ],
  [
    'an empty list',
    { 'a.example': { A: [] } },
    'a.example.A: expected a list of values, or one of NXDOMAIN, SERVFAIL, TIMEOUT',
  ],
  [
    'a wrong address',
    { 'a.example': { A: ['192.0.2.1', '::1'] } },
    'a.example.A[1]: expected an IPv4 address',
  ],
  [
    'an MX without preference',
    { 'a.example': { MX: ['mx.example'] } },
    'a.example.MX[0]: expected a preference and a name such as "10 mx.example.com"',
  ],
  ['a number as text', { 'a.example': { TXT: [1] } }, 'a.example.TXT[0]: expected a text'],
  [
    'a name twice',
    { 'a.example': {}, 'A.example.': {} },
    'A.example.: listed twice (case and a final dot do not matter)',
  ],
  ['an empty label', { 'a..example': {} }, 'a..example: not a name'],
];
for (const [what, value, expected] of mistakes) {
  test(`${what} is a mistake that names its key`, () => assert.deepEqual(parseZone(value), [expected]));
}
