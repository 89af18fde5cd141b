// iprev in each way it can end, against a static zone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findClientNames } from '../../src/authentication/client/client-names.ts';
import { parseAddress } from '../../src/authentication/client/reverse-name.ts';
import { judge, unfolded, values } from './judge.ts';
import { only, wayOf } from './only.ts';

const iprevCases: readonly (readonly [string, string, unknown, string])[] = [
  [
    'an address whose name has the address passes',
    '192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { PTR: ['c.example'] }, 'c.example': { A: ['192.0.2.10'] } },
    'iprev=pass policy.iprev=192.0.2.10 (c.example)',
  ],
  [
    'an IPv4-mapped address is the IPv4 address',
    '::ffff:192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { PTR: ['c.example'] }, 'c.example': { A: ['192.0.2.10'] } },
    'iprev=pass policy.iprev=192.0.2.10 (c.example)',
  ],
  [
    'IPv6 is confirmed by AAAA',
    '2001:db8::1',
    {
      '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': { PTR: ['c.example'] },
      'c.example': { AAAA: ['2001:0db8:0::1'], A: ['192.0.2.1'] },
    },
    'iprev=pass policy.iprev="2001:db8::1" (c.example)',
  ],
  [
    'one of several names is enough',
    '192.0.2.10',
    {
      '10.2.0.192.in-addr.arpa': { PTR: ['broken.example', 'other.example', 'c.example'] },
      'broken.example': { A: 'SERVFAIL' },
      'other.example': { A: ['192.0.2.99'] },
      'c.example': { A: ['192.0.2.10'] },
    },
    'iprev=pass policy.iprev=192.0.2.10 (c.example)',
  ],
  [
    'a name of another address fails',
    '192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { PTR: ['c.example'] }, 'c.example': { A: ['192.0.2.11'] } },
    'iprev=fail reason="no name of the address has this address" policy.iprev=192.0.2.10',
  ],
  [
    'an address without a name is a permanent error',
    '192.0.2.10',
    {},
    'iprev=permerror reason="the address has no name" policy.iprev=192.0.2.10',
  ],
  [
    'a name without an address fails (RFC 8601 §2.7.3)',
    '192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { PTR: ['c.example'] }, 'c.example': { MX: ['10 c.example'] } },
    'iprev=fail reason="no name of the address has this address" policy.iprev=192.0.2.10',
  ],
  [
    'a name that does not exist fails',
    '192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { PTR: ['c.example'] } },
    'iprev=fail reason="no name of the address has this address" policy.iprev=192.0.2.10',
  ],
  [
    'an address that is known, but has no name, is a permanent error',
    '192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { TXT: ['nothing here'] } },
    'iprev=permerror reason="the address has no name" policy.iprev=192.0.2.10',
  ],
  [
    'a delegation without octet boundary is followed (RFC 2317)',
    '192.0.2.10',
    {
      '10.2.0.192.in-addr.arpa': { CNAME: ['10.0-127.2.0.192.in-addr.arpa'] },
      '10.0-127.2.0.192.in-addr.arpa': { PTR: ['c.example.'] },
      'c.example': { CNAME: ['d.example'] },
      'd.example': { A: ['192.0.2.10'] },
    },
    'iprev=pass policy.iprev=192.0.2.10 (c.example)',
  ],
  [
    'a name is confirmed in the family of the client alone',
    '2001:db8::1',
    {
      '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': { PTR: ['c.example'] },
      'c.example': { A: ['192.0.2.10'] },
    },
    'iprev=fail reason="no name of the address has this address" policy.iprev="2001:db8::1"',
  ],
  [
    'a loop of aliases is a temporary error',
    '192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { CNAME: ['10.2.0.192.in-addr.arpa'] } },
    'iprev=temperror reason="the address could not be looked up" policy.iprev=192.0.2.10',
  ],
  [
    'a name cannot say more than a comment may',
    '192.0.2.10',
    {
      '10.2.0.192.in-addr.arpa': { PTR: ['a)";spf=pass(.exämple'] },
      'a)";spf=pass(.exämple': { A: ['192.0.2.10'] },
    },
    'iprev=pass policy.iprev=192.0.2.10 (a\\)";spf=pass\\(.ex?mple)',
  ],
  [
    'a reverse zone in trouble is a temporary error',
    '192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { PTR: 'TIMEOUT' } },
    'iprev=temperror reason="the address could not be looked up" policy.iprev=192.0.2.10',
  ],
  [
    'a name that cannot be looked up is a temporary error',
    '192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { PTR: ['c.example'] }, 'c.example': { A: 'SERVFAIL' } },
    'iprev=temperror reason="a name of the address could not be looked up" policy.iprev=192.0.2.10',
  ],
  [
    'the eleventh name is not looked at',
    '192.0.2.10',
    {
      '10.2.0.192.in-addr.arpa': {
        PTR: [...Array.from({ length: 10 }, (_, i) => `n${i}.example`), 'c.example'],
      },
      'n0.example': { A: ['192.0.2.99'] },
      'c.example': { A: ['192.0.2.10'] },
    },
    'iprev=fail reason="no name of the address has this address" policy.iprev=192.0.2.10',
  ],
];
for (const [what, ip, zone, expected] of iprevCases) {
  test(`iprev: ${what}`, async () => {
    const outcome = await judge({ zone, client: { ip }, checks: only('iprev') });
    assert.equal(unfolded(outcome), `mx.example.org; ${expected}`);
  });
}

test('iprev: the explanation names all names, and those that are confirmed', async () => {
  const zone = {
    '10.2.0.192.in-addr.arpa': { PTR: ['A.example', 'b.example', 'a.example', 'b.example'] },
    'a.example': { A: ['192.0.2.11'] },
    'b.example': { A: ['192.0.2.9', '192.0.2.10'] },
  };
  const outcome = await judge({ zone, checks: only('iprev'), options: { explain: true } });
  const { facts, questions } = wayOf(outcome, 'iprev');
  assert.deepEqual(facts, {
    'names of the address': ['a.example', 'b.example'],
    'names that have the address': ['b.example'],
  });
  assert.equal(questions[0], 'PTR 10.2.0.192.in-addr.arpa');
});

test('iprev: an address with a hundred names costs eleven questions', async () => {
  const PTR = Array.from({ length: 100 }, (_, i) => `n${i}.example`);
  const zone = { '10.2.0.192.in-addr.arpa': { PTR } };
  const outcome = await judge({ zone, checks: only('iprev'), options: { explain: true } });
  assert.deepEqual(values(outcome), ['iprev=fail']);
  assert.equal(wayOf(outcome, 'iprev').questions.length, 11);
});

test('iprev: own clients and unknown ones are not looked at', async () => {
  for (const client of [{ ip: '10.0.0.1' }, { ip: '203.0.113.5' }, {}]) {
    assert.deepEqual(values(await judge({ client, checks: only('iprev') })), []);
  }
});

test('iprev: every confirmed name is found for others who ask, without its final dot', async () => {
  const address = parseAddress('192.0.2.10');
  assert.ok(address);
  const found = await findClientNames(address, async (name, type) => {
    if (type === 'PTR') return ['a.example.', 'b.example.', 'c.example.'];
    if (name === 'b.example') throw Object.assign(new Error('timeout'), { code: 'ETIMEOUT' });
    return ['192.0.2.10'];
  });
  assert.deepEqual(found, {
    names: ['a.example', 'b.example', 'c.example'],
    confirmed: ['a.example', 'c.example'],
    trouble: 'forward',
  });
});

test('iprev: what is no address is none, in whatever form', () => {
  for (const text of [undefined, '', '1', '0x7f.1', '192.0.2', '192.0.2.256', ':::', 'c.example']) {
    assert.equal(parseAddress(text), undefined, text);
  }
  assert.equal(parseAddress('fe80::1%eth0')?.toString(), 'fe80::1');
  assert.equal(parseAddress('::ffff:192.0.2.1')?.toString(), '192.0.2.1');
});
