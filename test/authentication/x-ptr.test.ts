// x-ptr in each way it can end, against a static zone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, unfolded, values } from './judge.ts';
import { only, wayOf } from './only.ts';

const zone = {
  '10.2.0.192.in-addr.arpa': { PTR: ['Mail.example.com.', 'other.example', 'forged.example'] },
  'mail.example.com': { A: ['192.0.2.10'] },
  'other.example': { A: ['192.0.2.10'] },
  'forged.example': { A: ['192.0.2.99'] },
};
const unconfirmed = { '10.2.0.192.in-addr.arpa': { PTR: ['forged.example'] } };

const cases: readonly (readonly [what: string, helo: string | undefined, zone: unknown, expected: string])[] =
  [
    [
      'a confirmed name passes',
      'Mail.example.com',
      zone,
      'pass smtp.helo=Mail.example.com policy.ptr=Mail.example.com',
    ],
    [
      'case does not matter',
      'MAIL.EXAMPLE.COM',
      zone,
      'pass smtp.helo=MAIL.EXAMPLE.COM policy.ptr=Mail.example.com',
    ],
    [
      'a final dot does not matter',
      'mail.example.com.',
      zone,
      'pass smtp.helo=mail.example.com. policy.ptr=Mail.example.com',
    ],
    [
      'any confirmed name will do',
      'other.example',
      zone,
      'pass smtp.helo=other.example policy.ptr=other.example',
    ],
    [
      'another name fails',
      'evil.example',
      zone,
      'fail reason="HELO is not a confirmed name of the address" smtp.helo=evil.example policy.ptr=Mail.example.com',
    ],
    [
      'a name above or below it fails',
      'example.com',
      zone,
      'fail reason="HELO is not a confirmed name of the address" smtp.helo=example.com policy.ptr=Mail.example.com',
    ],
    [
      'a name that the address claims, but does not have, fails',
      'forged.example',
      zone,
      'fail reason="HELO is not a confirmed name of the address" smtp.helo=forged.example policy.ptr=Mail.example.com',
    ],
    [
      'an address without a confirmed name fails',
      'forged.example',
      unconfirmed,
      'fail reason="the address has no confirmed name" smtp.helo=forged.example',
    ],
    [
      'a reverse zone in trouble is a temporary error',
      'a.example',
      { '10.2.0.192.in-addr.arpa': { PTR: 'SERVFAIL' } },
      'temperror reason="the address could not be looked up" smtp.helo=a.example',
    ],
    [
      'a name in trouble is a temporary error',
      'forged.example',
      { ...unconfirmed, 'forged.example': { A: 'TIMEOUT' } },
      'temperror reason="a name of the address could not be looked up" smtp.helo=forged.example',
    ],
    [
      'an address literal has no name to compare',
      '[192.0.2.10]',
      zone,
      'none reason="HELO has an address in the place of a name" smtp.helo="[192.0.2.10]"',
    ],
    [
      'neither has a bare address',
      '192.0.2.10',
      zone,
      'none reason="HELO has an address in the place of a name" smtp.helo=192.0.2.10',
    ],
    ['an unknown HELO is none', undefined, zone, 'none reason="the HELO name is not known"'],
  ];
for (const [what, helo, given, expected] of cases) {
  test(`x-ptr: ${what}`, async () => {
    const client = { ip: '192.0.2.10', ...(helo !== undefined && { helo }) };
    const outcome = await judge({ zone: given, client, checks: only('x-ptr') });
    assert.equal(unfolded(outcome), `mx.example.org; x-ptr=${expected}`);
  });
}

test('x-ptr: the explanation names what is confirmed', async () => {
  const outcome = await judge({ zone, checks: only('x-ptr'), options: { explain: true } });
  assert.deepEqual(wayOf(outcome, 'x-ptr').facts, {
    'names that have the address': ['Mail.example.com', 'other.example'],
  });
});

test('x-ptr: is off by default, and silent about own and unknown clients', async () => {
  assert.ok(!values(await judge({ zone })).some((value) => value.startsWith('x-ptr')));
  for (const client of [{ ip: '10.0.0.1', helo: 'a' }, { ip: '203.0.113.5', helo: 'a' }, { helo: 'a' }]) {
    assert.deepEqual(values(await judge({ zone, client, checks: only('x-ptr') })), []);
  }
});
