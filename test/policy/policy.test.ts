// What is done with a message, for each setting, result and mode.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../src/authentication/authentication.ts';
import type { ResultValue } from '../../src/authentication/result.ts';
import { type DecisionInput, Policy, policySchema } from '../../src/policy/policy.ts';
import { formatReply } from '../../src/smtp/reply.ts';

interface Case {
  readonly policy?: Record<string, unknown>;
  readonly published?: 'none' | 'quarantine' | 'reject';
  readonly result?: ResultValue;
  readonly mode?: DecisionInput['mode'];
  readonly others?: readonly (readonly [string, ResultValue])[];
  readonly domain?: string;
}

function decision(given: Case) {
  const { published = 'reject', result = 'fail', domain = 'example.com' } = given;
  const outcome: Outcome = {
    results: (given.others ?? []).map(([method, value]) => ({ method, value, properties: [] })),
    fields: [],
    dmarc: { domain, policy: published, result, aligned: [] },
    client: {},
    clientClass: 'stranger',
    listMail: false,
    proposals: [],
    rewrite: () => undefined,
  };
  return new Policy(policySchema.parse(given.policy ?? {})).decide({
    outcome,
    mode: given.mode ?? 'before-queue',
    listener: 'test',
    reversePath: 'a@example.com',
  }).disposition;
}

test('by default everything is accepted', () => {
  assert.deepEqual(policySchema.parse({}), {
    dmarc: 'annotate',
    temperror: 'annotate',
    rejectAfterQueue: false,
  });
  assert.deepEqual(decision({ others: [['spf', 'temperror']] }), { kind: 'accept' });
});

test('unknown keys and values are mistakes', () => {
  for (const wrong of [{ dmarc: 'drop' }, { spf: 'reject' }, { rejectAfterQueue: 'yes' }]) {
    assert.equal(policySchema.safeParse(wrong).success, false, JSON.stringify(wrong));
  }
});

test('before the queue a DMARC reject is a 550 that names domain and policy', () => {
  const found = decision({ policy: { dmarc: 'reject' } });
  assert.ok(found.kind === 'reject');
  assert.equal(
    formatReply(found.reply),
    '550 5.7.1 Rejected by the DMARC policy of example.com (p=reject)\r\n',
  );
});

test('after the queue it is quarantined, unless the administrator insists', () => {
  assert.deepEqual(decision({ policy: { dmarc: 'reject' }, mode: 'after-queue' }), {
    kind: 'quarantine',
    reason: 'DMARC fail for example.com (p=reject)',
    fields: ['X-Disposition-Quarantine: DMARC fail for example.com (p=reject)\r\n'],
  });
  const insisted = decision({ policy: { dmarc: 'reject', rejectAfterQueue: true }, mode: 'after-queue' });
  assert.equal(insisted.kind, 'reject');
});

const kinds: readonly (readonly [Case, string])[] = [
  [{ policy: { dmarc: 'reject' }, published: 'quarantine' }, 'quarantine'],
  [{ policy: { dmarc: 'reject' }, published: 'none' }, 'accept'],
  [{ policy: { dmarc: 'reject' }, result: 'pass' }, 'accept'],
  [{ policy: { dmarc: 'reject' }, result: 'temperror' }, 'accept'],
  [{ policy: { dmarc: 'quarantine' } }, 'quarantine'],
  [{ policy: { dmarc: 'quarantine' }, published: 'quarantine' }, 'quarantine'],
  [{ policy: { dmarc: 'quarantine' }, published: 'none' }, 'accept'],
  [{ policy: { dmarc: 'annotate' } }, 'accept'],
  [{ policy: { dmarc: 'reject', temperror: 'tempfail' }, others: [['spf', 'temperror']] }, 'reject'],
  [{ policy: { dmarc: 'quarantine', temperror: 'tempfail' }, others: [['spf', 'temperror']] }, 'tempfail'],
  [{ policy: { temperror: 'tempfail' }, others: [['dkim', 'temperror']], mode: 'after-queue' }, 'accept'],
  [{ policy: { temperror: 'tempfail' }, others: [['dkim', 'permerror']] }, 'accept'],
];
for (const [given, expected] of kinds) {
  test(`${JSON.stringify(given)} is ${expected}`, () => assert.equal(decision(given).kind, expected));
}

test('a temporary error is put off with the code of its method', () => {
  const policy = { temperror: 'tempfail' };
  const code = (...others: [string, ResultValue][]) => {
    const found = decision({ policy, result: 'pass', others });
    return found.kind === 'tempfail' ? formatReply(found.reply) : '';
  };
  assert.match(code(['spf', 'temperror']), /^451 4\.7\.24 /);
  assert.match(code(['dkim', 'temperror'], ['dmarc', 'temperror']), /^451 4\.7\.0 .*\(dkim, dmarc\)/);
});

test('a domain from the message cannot write a field or a reply of its own', () => {
  const domain = `evil\r\nX-Evil: 1${'x'.repeat(2000)}`;
  const quarantined = decision({ policy: { dmarc: 'quarantine' }, domain });
  assert.ok(quarantined.kind === 'quarantine');
  assert.match(quarantined.fields.join(''), /^X-Disposition-Quarantine: [\x20-\x7e]{1,400}\r\n$/);
  const rejected = decision({ policy: { dmarc: 'reject' }, domain });
  assert.ok(rejected.kind === 'reject');
  assert.match(formatReply(rejected.reply), /^550 5\.7\.1 [\x20-\x7e]{1,400}\r\n$/);
});
