// Each check, in each way it can end, against a static zone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeKey, sign } from '../support/signing.ts';
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
