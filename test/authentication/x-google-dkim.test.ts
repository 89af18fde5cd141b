// x-google-dkim: the same judgement for another field, and nothing that DMARC would count.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldSignature, signField } from '../support/field-signer.ts';
import { makeKey } from '../support/signing.ts';
import { judge, plain, unfolded, values } from './judge.ts';
import { only } from './only.ts';

const key = makeKey('example.com', '20230601');
const field = 'X-Google-DKIM-Signature';
const byGoogle = (how: FieldSignature = {}, message = plain) => signField(message, key, { field, ...how });
const checks = only('x-google-dkim');

test('x-google-dkim: a signature passes with the properties that dkim has', async () => {
  const outcome = await judge({ zone: key.zone, message: byGoogle(), checks });
  assert.match(
    unfolded(outcome),
    /^mx\.example\.org; x-google-dkim=pass \(2048-bit rsa key\) header\.d=example\.com header\.i=@example\.com header\.s=20230601 header\.a=rsa-sha256 header\.b=\S+$/,
  );
});

test('x-google-dkim: a changed message fails', async () => {
  const message = byGoogle().toString().replace('A body', 'Another');
  const [result] = (await judge({ zone: key.zone, message, checks })).results;
  assert.deepEqual([result?.value, result?.reason], ['fail', 'body hash did not verify']);
});

test('x-google-dkim: a signature made for the other field name does not verify in this one', async () => {
  const message = signField(plain, key).toString().replace('DKIM-Signature', field);
  assert.deepEqual(values(await judge({ zone: key.zone, message, checks })), ['x-google-dkim=fail']);
});

test('x-google-dkim: a key that cannot be had now is temporary', async () => {
  const zone = { [key.recordName]: { TXT: 'SERVFAIL' } };
  assert.deepEqual(values(await judge({ zone, message: byGoogle(), checks })), ['x-google-dkim=temperror']);
});

test('x-google-dkim: without such a field it is none, whatever dkim finds', async () => {
  const both = { ...checks, dkim: {} };
  const outcome = await judge({ zone: key.zone, message: signField(plain, key), checks: both });
  assert.deepEqual(values(outcome), ['dkim=pass', 'x-google-dkim=none']);
});

test('x-google-dkim: dkim and dmarc take no notice of it', async () => {
  const zone = { ...key.zone, '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject'] } };
  const all = { ...checks, dkim: {}, dmarc: {} };
  const outcome = await judge({ zone, message: byGoogle(), checks: all });
  assert.deepEqual(values(outcome), ['dkim=none', 'x-google-dkim=pass', 'dmarc=fail']);
});

test('x-google-dkim: three are verified, the others named', async () => {
  let message = plain;
  for (let i = 0; i < 5; i++) message = byGoogle({ tags: `t=${1_700_000_000 + i}` }, message).toString();
  assert.deepEqual(
    (await judge({ zone: key.zone, message, checks })).results.map(({ value }) => value),
    ['pass', 'pass', 'pass', 'policy', 'policy'],
  );
});

test('x-google-dkim: it is off unless asked for, and says nothing about own people', async () => {
  assert.ok(
    !values(await judge({ zone: key.zone, message: byGoogle() })).some((each) => /google/.test(each)),
  );
  const client = { ip: '10.0.0.1', helo: 'desk.example.org' };
  assert.deepEqual(values(await judge({ zone: key.zone, message: byGoogle(), checks, client })), []);
});
