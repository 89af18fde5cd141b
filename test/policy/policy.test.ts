// What is done with a message, for each setting, result and mode.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Outcome, Proposal } from '../../src/authentication/authentication.ts';
import type { DmarcOutcome } from '../../src/authentication/dmarc/outcome.ts';
import type { ResultValue } from '../../src/authentication/result.ts';
import type { DecisionInput } from '../../src/policy/facts.ts';
import { policySchema } from '../../src/policy/schema.ts';
import { describeReply, formatReply } from '../../src/smtp/reply.ts';
import { decide, inputOf, type Message, policyOf, rules } from './support.ts';

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
  return decide(given.policy ?? {}, {
    mode: given.mode ?? 'before-queue',
    results: given.others ?? [],
    outcome: { dmarc: { domain, policy: published, result, aligned: [] } },
  }).disposition;
}

test('by default everything is accepted', () => {
  assert.deepEqual(policySchema.parse({}), {
    rules: [],
    dmarc: 'annotate',
    dmarcExempt: { networks: [], dkim: [], lists: false },
    temperror: 'annotate',
    rejectAfterQueue: false,
    dryRun: false,
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
    reason: 'DMARC fail for example.com (p=reject); quarantined, since rejecting it would bounce',
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
  assert.match(
    quarantined.fields.join(''),
    /^X-Disposition-Quarantine:[\x20-\x7e]{0,400}(?:\r\n {2}[\x20-\x7e]{1,400})*\r\n$/,
  );
  const rejected = decision({ policy: { dmarc: 'reject' }, domain });
  assert.ok(rejected.kind === 'reject');
  assert.match(formatReply(rejected.reply), /^550 5\.7\.1 [\x20-\x7e]{1,400}\r\n$/);
});

const failed: DmarcOutcome = { domain: 'example.com', policy: 'reject', result: 'fail', aligned: [] };
const spared = (policy: object, message: Message): unknown => {
  const { outcome, ...rest } = message;
  return decide({ dmarc: 'reject', ...policy }, { ...rest, outcome: { dmarc: failed, ...outcome } })
    .disposition;
};

test('mail that is exempt from DMARC is accepted, and the log says why', () => {
  const networks = { dmarcExempt: { networks: ['192.0.2.0/24', '2001:db8::/32'] } };
  const dkim = { dmarcExempt: { dkim: ['partner.example', '.lists.example'] } };
  const lists = { dmarcExempt: { lists: true } };
  const because = (why: string) => ({
    kind: 'accept',
    reason: `DMARC fail for example.com (p=reject), ${why}`,
  });
  assert.deepEqual(spared(networks, {}), because('exempt: client 192.0.2.10'));
  assert.deepEqual(
    spared(networks, { outcome: { client: { ip: '::ffff:192.0.2.9' } } }),
    because('exempt: client ::ffff:192.0.2.9'),
  );
  assert.deepEqual(
    spared(dkim, { signedBy: ['other.example', 'Partner.Example'] }),
    because('exempt: signed by partner.example'),
  );
  assert.deepEqual(
    spared(dkim, { signedBy: ['a.lists.example'] }),
    because('exempt: signed by a.lists.example'),
  );
  assert.deepEqual(spared(lists, { outcome: { listMail: true } }), because('exempt: mailing list'));
  const override = { kind: 'trusted-arc', text: 'sealed by list.example' } as const;
  assert.deepEqual(
    spared({}, { outcome: { dmarc: { ...failed, override } } }),
    because('not applied: sealed by list.example'),
  );
});

test('mail that only resembles what is exempt is rejected', () => {
  const rejected = (policy: object, message: Message) =>
    assert.equal((spared(policy, message) as { kind: string }).kind, 'reject');
  const exempt = { networks: ['198.51.100.0/24'], dkim: ['partner.example'], lists: false };
  rejected({ dmarcExempt: exempt }, {});
  rejected({ dmarcExempt: exempt }, { outcome: { client: {} } });
  rejected({ dmarcExempt: exempt }, { outcome: { listMail: true } });
  rejected({ dmarcExempt: exempt }, { signedBy: ['sub.partner.example', 'partner.example.evil.example'] });
  const forged = {
    method: 'dkim',
    value: 'fail',
    properties: [{ ptype: 'header', property: 'd', value: 'partner.example' }],
  } as const;
  rejected({ dmarcExempt: exempt }, { outcome: { results: [forged] } });
});

test('what is exempt from DMARC is still put off while its SPF is not known', () => {
  const policy = { temperror: 'tempfail', dmarcExempt: { networks: ['192.0.2.0/24'] } };
  const found = spared(policy, { results: [['spf', 'temperror']] }) as { kind: string };
  assert.equal(found.kind, 'tempfail');
});

test('temporary errors are treated by class of client, and annotated where nothing is said', () => {
  const policy = { temperror: { stranger: 'tempfail', authenticated: 'annotate' } };
  const kind = (clientClass: Outcome['clientClass']) =>
    decide(policy, { results: [['dkim', 'temperror']], outcome: { clientClass } }).disposition.kind;
  assert.deepEqual((['stranger', 'authenticated', 'unknown', 'local', 'trusted'] as const).map(kind), [
    'tempfail',
    'accept',
    'accept',
    'accept',
    'accept',
  ]);
});

test('a list in DNS or a logo that cannot be asked for puts nothing off', () => {
  const results: [string, ResultValue][] = [
    ['dnsbl', 'temperror'],
    ['bimi', 'temperror'],
    ['x-return-mx', 'temperror'],
  ];
  assert.deepEqual(decide({ temperror: 'tempfail' }, { results }).disposition, { kind: 'accept' });
});

const proposals: Record<Proposal['kind'], Proposal> = {
  accept: { kind: 'accept', reason: 'known' },
  quarantine: { kind: 'quarantine', reason: 'odd' },
  reject: { kind: 'reject', reason: 'bad', code: 554, enhancedCode: '5.7.0', text: 'go away' },
  tempfail: { kind: 'tempfail', reason: 'new', text: 'come again' },
  discard: { kind: 'discard', reason: 'noise' },
};

test('the first proposal of a check decides, before DMARC', () => {
  const proposed = (...kinds: Proposal['kind'][]) =>
    decide(
      { dmarc: 'reject' },
      { outcome: { dmarc: failed, proposals: kinds.map((kind) => proposals[kind]) } },
    ).disposition;
  assert.deepEqual(proposed('accept', 'reject'), { kind: 'accept', reason: 'known' });
  assert.deepEqual(proposed('quarantine', 'reject'), {
    kind: 'quarantine',
    reason: 'odd',
    fields: ['X-Disposition-Quarantine: odd\r\n'],
  });
  const reply = (...kinds: Proposal['kind'][]) => {
    const found = proposed(...kinds);
    return 'reply' in found ? describeReply(found.reply) : found.kind;
  };
  assert.equal(reply('reject', 'accept'), '554 5.7.0 go away');
  assert.equal(reply('tempfail'), '451 4.7.1 come again');
  assert.equal(reply('discard', 'reject'), '250 2.0.0 Message accepted and discarded');
});

test('rules come before proposals, and a rule that accepts silences all that follows', () => {
  const outcome = { dmarc: failed, proposals: [proposals.reject] };
  const accepting = { dmarc: 'reject', ...rules('- { name: ours, when: {}, then: accept }') };
  assert.deepEqual(decide(accepting, { outcome, results: [['spf', 'temperror']] }), {
    disposition: { kind: 'accept', reason: 'rule ours' },
    rule: 'ours',
  });
});

test('after the queue nothing is rejected, whoever wants it, unless the administrator insists', () => {
  const spam = rules('- { name: spam, when: {}, then: reject }');
  const mode = 'after-queue';
  const asked: readonly (readonly [object, Message, string])[] = [
    [spam, { mode }, 'rule spam'],
    [{}, { mode, outcome: { proposals: [proposals.reject] } }, 'bad'],
    [{ dmarc: 'reject' }, { mode, outcome: { dmarc: failed } }, 'DMARC fail for example.com (p=reject)'],
  ];
  for (const [policy, message, reason] of asked) {
    assert.deepEqual(decide(policy, message).disposition, {
      kind: 'quarantine',
      reason: `${reason}; quarantined, since rejecting it would bounce`,
      fields: [`X-Disposition-Quarantine: ${reason}\r\n`],
    });
    assert.equal(decide({ ...policy, rejectAfterQueue: true }, message).disposition.kind, 'reject');
  }
});

test('a dry run decides, and accepts', () => {
  const policy = { dryRun: true, ...rules('- { name: spam, when: {}, then: discard }') };
  const { disposition, dry, rule } = decide(policy);
  assert.deepEqual(disposition, { kind: 'accept' });
  assert.equal(dry?.kind, 'discard');
  assert.equal(rule, 'spam');
  assert.deepEqual(decide({ dryRun: true }), { disposition: { kind: 'accept' }, dry: { kind: 'accept' } });
});

test('at MAIL and RCPT only a refusal is heard, and a dry run hears none', () => {
  const early = (kind: Proposal['kind'], mode: DecisionInput['mode'], policy: object = {}) => {
    const refusal = policyOf(policy).decideEarly(proposals[kind], mode);
    return refusal && describeReply(refusal.reply);
  };
  for (const mode of ['before-queue', 'after-queue'] as const) {
    for (const kind of ['accept', 'quarantine', 'discard'] as const)
      assert.equal(early(kind, mode), undefined);
    assert.equal(early('tempfail', mode), '451 4.7.1 come again');
    assert.equal(early('tempfail', mode, { dryRun: true }), undefined);
  }
  assert.equal(early('reject', 'before-queue'), '554 5.7.0 go away');
  assert.equal(early('reject', 'before-queue', { dryRun: true }), undefined);
  assert.equal(early('reject', 'after-queue'), undefined);
  assert.equal(early('reject', 'after-queue', { rejectAfterQueue: true }), '554 5.7.0 go away');
});

test('a proposal cannot refuse with a code that says the opposite', () => {
  const reply = (proposal: Omit<Proposal, 'reason'>) => {
    const said = policyOf({}).decideEarly({ reason: 'why', ...proposal }, 'before-queue');
    return said && describeReply(said.reply);
  };
  assert.equal(reply({ kind: 'reject', code: 250, enhancedCode: '2.0.0' }), '550 5.7.1 why');
  assert.equal(reply({ kind: 'reject', code: 450, enhancedCode: '4.7.1' }), '550 5.7.1 why');
  assert.equal(reply({ kind: 'tempfail', code: 550, enhancedCode: '5.7.1' }), '451 4.7.1 why');
  assert.equal(reply({ kind: 'tempfail', code: 421 }), '451 4.7.1 why');
  assert.equal(reply({ kind: 'tempfail', code: 450, enhancedCode: '4.2.0' }), '450 4.2.0 why');
  assert.equal(reply({ kind: 'reject', code: 550.5 }), '550 5.7.1 why');
  assert.equal(reply({ kind: 'reject', text: ' ' }), '550 5.7.1 no reason given');
});

/** Texts with what could end a line, a word of every length, and bytes of every kind. */
const anything = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 3000 }),
  fc
    .array(fc.constantFrom('\r\n', '\n', '\0', ' ', 'x'.repeat(900), 'é', '\u2028', 'X-Evil: 1', '\ud800'))
    .map((parts) => parts.join('')),
);

test('whatever domains and texts come, a reply is one line and a field is one field, in ASCII', () => {
  const oneReply = /^[245][0-9]{2} [245]\.[0-9]{1,3}\.[0-9]{1,3} [\x20-\x7e]{1,490}\r\n$/;
  const oneField = /^X-Disposition-Quarantine:[\x20-\x7e]*(?:\r\n {1,2}[!-~][\x20-\x7e]*)*\r\n$/;
  fc.assert(
    fc.property(
      anything,
      anything,
      fc.option(fc.integer(), { nil: 550 }),
      fc.constantFrom<Proposal['kind']>('quarantine', 'reject', 'tempfail', 'discard'),
      fc.constantFrom<DecisionInput['mode']>('before-queue', 'after-queue'),
      (domain, text, code, kind, mode) => {
        const proposal: Proposal = { kind, reason: domain, text, code, enhancedCode: text };
        const inputs: readonly (readonly [object, Partial<Outcome>])[] = [
          [{ dmarc: 'reject' }, { dmarc: { ...failed, domain } }],
          [{ dmarc: 'quarantine' }, { dmarc: { ...failed, domain } }],
          [{ temperror: 'tempfail' }, { results: [{ method: 'spf', value: 'temperror', properties: [] }] }],
          [{}, { proposals: [proposal] }],
        ];
        for (const [policy, outcome] of inputs) {
          const { disposition } = policyOf(policy).decide(inputOf({ mode, outcome }));
          if ('reply' in disposition) assert.match(formatReply(disposition.reply), oneReply);
          if (disposition.kind !== 'quarantine') continue;
          assert.equal(disposition.fields.length, 1);
          for (const field of disposition.fields) {
            assert.match(field, oneField);
            for (const line of field.split('\r\n')) assert.ok(line.length <= 998);
            assert.ok(field.length < 2000);
          }
        }
        const early = policyOf({}).decideEarly(proposal, mode);
        if (early) assert.match(formatReply(early.reply), oneReply);
      },
    ),
  );
});
