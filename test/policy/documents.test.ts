// The examples of docs/policy.md are rules that can be loaded, and do what the text says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { Result } from '../../src/authentication/result.ts';
import { decide, inputOf, type Message, policyOf } from './support.ts';

const text = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8');
const examples = [...text.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, yaml = '']) => parse(yaml) as unknown);

/** The policy of an example: that of a configuration, or a list of rules. */
function policyIn(example: unknown): unknown {
  return Array.isArray(example) ? { rules: example } : (example as { policy: unknown }).policy;
}

/** The policy of the example that contains this text. */
function exampleWith(part: string): unknown {
  const found = examples.filter((example) => JSON.stringify(example).includes(part));
  assert.equal(found.length, 1, `${found.length} examples with ${part}`);
  return policyIn(found[0]);
}

test('each example is a policy without mistakes', () => {
  assert.ok(examples.length >= 8);
  for (const example of examples) assert.ok(decide(policyIn(example)));
});

const dmarc = { domain: 'partner.example', policy: 'reject', result: 'fail', aligned: [] } as const;
const fromPartner: Message = { header: ['From: news@partner.example'], outcome: { dmarc } };

test('the partner passes from its network, and from no other', () => {
  const policy = exampleWith('"name":"partner"');
  const inside = { ...fromPartner, outcome: { dmarc, client: { ip: '192.0.2.14' } } };
  const outside = { ...fromPartner, outcome: { dmarc, client: { ip: '192.0.2.16' } } };
  assert.equal(decide(policy, inside).disposition.kind, 'accept');
  assert.equal(decide(policy, outside).disposition.kind, 'reject');
});

test('the newsletter service passes with its signature', () => {
  const policy = exampleWith('"dkim":[".newsletter.example"]');
  assert.equal(decide(policy, fromPartner).disposition.kind, 'reject');
  const signed = { ...fromPartner, signedBy: ['mail.newsletter.example'] };
  assert.equal(decide(policy, signed).disposition.kind, 'accept');
});

test('who enforces DMARC refuses what has no author’s domain to ask', () => {
  const policy = exampleWith('no-author');
  const kind = (value: 'permerror' | 'none') =>
    decide(policy, { results: [['dmarc', value]] }).disposition.kind;
  assert.deepEqual([kind('permerror'), kind('none')], ['reject', 'accept']);
});

test('the campaign is rejected until it is over', () => {
  const policy = exampleWith('invoice-campaign');
  const message: Message = { reversePath: 'x@a.cheap-hosting.example', results: [['dkim', 'none']] };
  const kindAt = (now: string) =>
    policyOf(policy, { clock: () => new Date(now) }).decide(inputOf(message)).disposition.kind;
  assert.equal(kindAt('2026-11-23T23:59:59Z'), 'reject');
  assert.equal(kindAt('2026-11-24T00:00:00Z'), 'accept');
});

test('our own domain is quarantined where nothing proves it, and other domains and our own people are not', () => {
  const policy = exampleWith('"name":"own-from-outside"');
  const own = { header: ['From: Chief <chief@staff.example.org>'] };
  const forged = (value: Result['value']) => [{ method: 'dmarc', value, properties: [] }];
  const kinds = [
    { ...own, outcome: { results: forged('fail') } },
    { ...own, outcome: { results: forged('permerror') } },
    { ...own, outcome: { results: forged('pass') } },
    { ...own, outcome: { results: [] } },
    { header: ['From: a@example.net'], outcome: { results: forged('fail') } },
  ].map((each) => decide(policy, each).disposition.kind);
  assert.deepEqual(kinds, ['quarantine', 'quarantine', 'accept', 'accept', 'accept']);
});
