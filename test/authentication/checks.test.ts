// Each check, in each way it can end, against a static zone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { propertyOf } from '../../src/authentication/result.ts';
import { makeKey, seal, sign } from '../support/signing.ts';
import { type Case, judge, plain, unfolded, values } from './judge.ts';

const only = (name: string, more: Record<string, unknown> = {}) => ({
  iprev: false,
  spf: false,
  dkim: false,
  arc: false,
  dmarc: false,
  [name]: {},
  ...more,
});

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
    'a name without an address is a permanent error',
    '192.0.2.10',
    { '10.2.0.192.in-addr.arpa': { PTR: ['c.example'] } },
    'iprev=permerror reason="no name of the address has an address" policy.iprev=192.0.2.10',
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

const spfCases: readonly (readonly [string, string, unknown, string])[] = [
  ['a listed client passes', 'v=spf1 ip4:192.0.2.0/24 -all', {}, 'pass'],
  ['another client fails', 'v=spf1 ip4:198.51.100.0/24 -all', {}, 'fail'],
  ['another client of a hesitant domain is a softfail', 'v=spf1 ~all', {}, 'softfail'],
  ['a domain that says nothing is neutral', 'v=spf1 ?all', {}, 'neutral'],
  ['an MX of the domain passes', 'v=spf1 mx -all', { 'mx.example': { A: ['192.0.2.10'] } }, 'pass'],
  ['a syntax error is permanent', 'v=spf1 ip4:nonsense -all', {}, 'permerror'],
  ['eleven lookups are too many', `v=spf1 ${'exists:mx.example '.repeat(11)}-all`, {}, 'permerror'],
  [
    'an include that cannot be looked up is temporary',
    'v=spf1 include:x.example',
    { 'x.example': { TXT: 'SERVFAIL' } },
    'temperror',
  ],
];
for (const [what, record, zone, expected] of spfCases) {
  test(`spf: ${what}`, async () => {
    const domain = { TXT: [record], MX: ['10 mx.example'] };
    const outcome = await judge({
      zone: { 'example.com': domain, ...(zone as object) },
      checks: only('spf'),
    });
    assert.deepEqual(values(outcome), [`spf=${expected}`]);
    assert.equal(outcome.results[0] && propertyOf(outcome.results[0], 'smtp', 'mailfrom'), 'example.com');
  });
}

test('spf: a domain without a record is none, one in trouble temperror', async () => {
  assert.deepEqual(values(await judge({ zone: {}, checks: only('spf') })), ['spf=none']);
  const zone = { 'example.com': { TXT: 'TIMEOUT' } };
  assert.deepEqual(values(await judge({ zone, checks: only('spf') })), ['spf=temperror']);
});

test('spf: with a null reverse-path the HELO identity is checked', async () => {
  const zone = { 'client.example.com': { TXT: ['v=spf1 ip4:192.0.2.10 -all'] } };
  const outcome = await judge({ zone, from: '', checks: only('spf') });
  assert.match(unfolded(outcome), /^mx\.example\.org; spf=pass \(.*\) smtp\.helo=client\.example\.com$/);
});

test('spf: a null reverse-path and an unknown HELO leave nothing to check', async () => {
  const outcome = await judge({ from: '', client: { ip: '192.0.2.10' }, checks: only('spf') });
  assert.deepEqual(values(outcome), ['spf=none']);
});

test('spf: an explanation of the domain is never used', async () => {
  const zone = {
    'example.com': { TXT: ['v=spf1 -all exp=why.example.com'] },
    'why.example.com': { TXT: ['call +1 555 0100 to pay'] },
  };
  const outcome = await judge({ zone, checks: only('spf'), options: { receivedSpf: true } });
  assert.deepEqual(values(outcome), ['spf=fail']);
  assert.equal(outcome.fields.length, 2);
  assert.doesNotMatch(outcome.fields.join(''), /555/);
});

const rsa = makeKey('example.com', 's1');
const ed25519 = makeKey('example.com', 'e1', 'ed25519');
const signed = await sign(plain, rsa);

test('dkim: each signature is a result of its own, with its key', async () => {
  const message = await sign(signed, ed25519);
  const outcome = await judge({ zone: { ...rsa.zone, ...ed25519.zone }, message, checks: only('dkim') });
  const [first = '', second = ''] = unfolded(outcome).split('; ').slice(1);
  assert.match(
    first,
    /^dkim=pass \(ed25519 key\) header\.d=example\.com header\.i=@example\.com header\.s=e1 header\.a=ed25519-sha256 header\.b=\S{8,10}$/,
  );
  assert.match(
    second,
    /^dkim=pass \(2048-bit rsa key\) header\.d=example\.com .* header\.s=s1 header\.a=rsa-sha256 /,
  );
});

const revoked = { [rsa.recordName]: { TXT: ['v=DKIM1; p='] } };
const broken = Buffer.from(signed.toString('latin1').replace('A body.', 'Another.'), 'latin1');
const reworded = Buffer.from(signed.toString('latin1').replace('hello', 'hullo'), 'latin1');
const dkimCases: readonly (readonly [string, Case, string, RegExp])[] = [
  ['a changed body fails', { zone: rsa.zone, message: broken }, 'fail', /body hash/],
  ['a changed Subject fails', { zone: rsa.zone, message: reworded }, 'fail', /bad signature/],
  ['a missing key leaves the signature unprocessed', { zone: {}, message: signed }, 'neutral', /key/],
  ['a revoked key leaves the signature unprocessed', { zone: revoked, message: signed }, 'neutral', /key/],
  [
    'a key that cannot be had now is temporary',
    { zone: { [rsa.recordName]: { TXT: 'SERVFAIL' } }, message: signed },
    'temperror',
    /ESERVFAIL/,
  ],
];
for (const [what, given, expected, reason] of dkimCases) {
  test(`dkim: ${what}`, async () => {
    const { results } = await judge({ ...given, checks: only('dkim') });
    assert.deepEqual(
      results.map(({ value }) => value),
      [expected],
    );
    assert.match(results[0]?.reason ?? '', reason);
  });
}

test('dkim: a key shorter than RFC 8301 allows is local policy', async () => {
  const weak = makeKey('example.com', 'weak', 'rsa', 1024);
  const message = await sign(plain, weak);
  assert.deepEqual(values(await judge({ zone: weak.zone, message, checks: only('dkim') })), ['dkim=pass']);
  const tiny = makeKey('example.com', 'weak', 'rsa', 768);
  const outcome = await judge({ zone: tiny.zone, message, checks: only('dkim') });
  assert.match(unfolded(outcome), /^mx\.example\.org; dkim=policy .*policy\.dkim-rules=weak-key$/);
});

test('dkim: an unsigned message is none', async () => {
  const outcome = await judge({ checks: only('dkim') });
  assert.equal(unfolded(outcome), 'mx.example.org; dkim=none (message not signed)');
});

test('dkim: what arrives in single bytes verifies like the whole', async () => {
  const message = Buffer.concat([signed, Buffer.alloc(0)]);
  assert.deepEqual(values(await judge({ zone: rsa.zone, message, chunk: 1, checks: only('dkim') })), [
    'dkim=pass',
  ]);
});

test('dkim: a signature over a large body verifies, with back-pressure', async () => {
  const message = await sign(plain + 'A line of the body.\r\n'.repeat(200_000), rsa);
  const outcome = await judge({ zone: rsa.zone, message, chunk: 50_000, checks: only('dkim') });
  assert.deepEqual(values(outcome), ['dkim=pass']);
});

const list = makeKey('list.example', 'arc');
const forwarder = makeKey('forwarder.example', 'arc', 'ed25519');
const sealed = await seal(
  signed,
  list,
  'list.example; spf=pass smtp.mailfrom=example.com; dkim=pass header.d=example.com',
);

test('arc: a chain that holds names its sealers, newest first', async () => {
  const message = await seal(sealed, forwarder, 'forwarder.example; arc=pass', 'pass');
  const zone = { ...list.zone, ...forwarder.zone };
  const outcome = await judge({ zone, message, checks: only('arc') });
  assert.equal(
    unfolded(outcome),
    'mx.example.org; arc=pass (i=2 sealed by forwarder.example, list.example) smtp.remote-ip=192.0.2.10',
  );
});

test('arc: a message changed after the seal fails', async () => {
  const message = Buffer.from(sealed.toString('latin1').replace('A body.', 'Another.'), 'latin1');
  const [result] = (await judge({ zone: list.zone, message, checks: only('arc') })).results;
  assert.equal(result?.value, 'fail');
  assert.match(result?.reason ?? '', /no valid signature/);
});

test('arc: every failure is permanent, that of DNS too (RFC 8617 §5.2.1)', async () => {
  const zone = { [list.recordName]: { TXT: 'TIMEOUT' } };
  assert.deepEqual(values(await judge({ zone, message: sealed, checks: only('arc') })), ['arc=fail']);
});

test('arc: a message without a chain is none', async () => {
  assert.equal(unfolded(await judge({ checks: only('arc') })), 'mx.example.org; arc=none');
});
