// When a rule applies, and what it does then: each key, each form.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { ResultValue } from '../../src/authentication/result.ts';
import { Policy } from '../../src/policy/policy.ts';
import { rulesSchema } from '../../src/policy/rule-schema.ts';
import { policySchema } from '../../src/policy/schema.ts';
import { describeReply } from '../../src/smtp/reply.ts';
import type { Log, LogFields } from '../../src/telemetry/log.ts';
import { decide, inputOf, type Message, policyOf, rules } from './support.ts';

/** Whether a rule with this `when` applies. */
function applies(when: string, message: Message = {}): boolean {
  return decide(rules(`- { name: it, when: ${when}, then: discard }`), message).rule === 'it';
}

const from = (...lines: string[]): Message => ({ header: lines.map((line) => `From: ${line}`) });
const client = (ip?: string, helo?: string): Message => ({
  outcome: { client: { ...(ip !== undefined && { ip }), ...(helo !== undefined && { helo }) } },
});

/** Each: a `when`, a message it holds for, and one that it does not hold for. */
const conditions: readonly (readonly [string, Message, Message])[] = [
  ['{ results: { spf: fail } }', { results: [['spf', 'fail']] }, { results: [['spf', 'softfail']] }],
  ['{ results: { SPF: fail } }', { results: [['spf', 'fail']] }, {}],
  [
    '{ results: { spf: [fail, softfail] } }',
    { results: [['spf', 'softfail']] },
    { results: [['spf', 'pass']] },
  ],
  [
    '{ results: { dkim: pass } }',
    {
      results: [
        ['dkim', 'fail'],
        ['dkim', 'pass'],
      ],
    },
    {
      results: [
        ['dkim', 'fail'],
        ['spf', 'pass'],
      ],
    },
  ],
  [
    '{ results: { dkim: none, spf: fail } }',
    {
      results: [
        ['dkim', 'none'],
        ['spf', 'fail'],
      ],
    },
    {
      results: [
        ['dkim', 'none'],
        ['spf', 'pass'],
      ],
    },
  ],
  ['{ from: example.com }', from('Alice <alice@EXAMPLE.com.>'), from('a@sub.example.com')],
  ['{ from: .example.com }', from('a@deep.sub.example.com'), from('a@badexample.com')],
  ['{ from: .example.com }', from('a@example.com'), from('a@example.com.evil.example')],
  [
    '{ from: [a.example, b.example] }',
    from('"a@a.example" <x@b.example>'),
    from('"a@a.example" <x@c.example>'),
  ],
  ['{ from: b.example }', from('x@a.example, y@b.example'), from('x@a.example')],
  ['{ from: b.example }', from('x@a.example', 'y@b.example'), {}],
  ['{ from: b.example }', from('authors: x@a.example, y@b.example;'), from('authors:;')],
  ['{ from: täst.example }', from('a@xn--tst-qla.example'), from('a@test.example')],
  ['{ from: xn--tst-qla.example }', from('a@täst.example'), from('a@')],
  [
    '{ from: bank.example }',
    from(`"${'x'.repeat(20_000)}" <a@bank.example>`),
    from(`"${'x'.repeat(20_000)}" <a@bank.example.evil.example>`),
  ],
  ['{ mailFrom: example.com }', { reversePath: 'a@Example.Com' }, { reversePath: 'a@b.example.com' }],
  ['{ mailFrom: .example.com }', { reversePath: 'a@b.example.com' }, { reversePath: '' }],
  ['{ mailFrom: Bob@Example.com }', { reversePath: 'bob@example.COM' }, { reversePath: 'rob@example.com' }],
  [
    '{ mailFrom: jürgen@täst.example }',
    { reversePath: Buffer.from('Jürgen@TÄST.example').toString('latin1') },
    { reversePath: 'jurgen@xn--tst-qla.example' },
  ],
  [
    '{ mailFrom: example.com }',
    { reversePath: '"a@bank.example"@example.com' },
    { reversePath: '"a@example.com"@evil.example' },
  ],
  ['{ mailFrom: "<>" }', { reversePath: '' }, { reversePath: 'a@b' }],
  [
    '{ mailFrom: täst.example }',
    { reversePath: Buffer.from('a@täst.example').toString('latin1') },
    { reversePath: 'a@t\xe4st.example' },
  ],
  ['{ dkim: example.com }', { signedBy: ['other.example', 'example.com'] }, { signedBy: ['a.example.com'] }],
  ['{ dkim: .example.com }', { signedBy: ['a.example.com'] }, { results: [['dkim', 'pass']] }],
  ['{ networks: 192.0.2.0/24 }', client('192.0.2.99'), client('198.51.100.1')],
  ['{ networks: [10.0.0.1, "2001:db8::/32"] }', client('2001:db8::1'), client()],
  ['{ networks: 192.0.2.7 }', client('::ffff:192.0.2.7'), client('192.0.2.8')],
  ['{ helo: ylmf-pc }', client('192.0.2.1', 'YLMF-PC'), client('192.0.2.1')],
  [
    '{ helo: .isp.example }',
    client('192.0.2.1', 'pool-1.isp.example'),
    client('192.0.2.1', 'isp.example.org'),
  ],
  ['{ helo: pc.example. }', client('192.0.2.1', 'pc.example'), client('192.0.2.1', 'pc.example.org')],
  ['{ helo: pc.example }', client('192.0.2.1', 'pc.example.'), client('192.0.2.1', 'a.pc.example')],
  ['{ helo: "[127.0.0.1]" }', client('192.0.2.1', '[127.0.0.1]'), client('192.0.2.1', '127.0.0.1')],
  ['{ clients: stranger }', {}, { outcome: { clientClass: 'local' } }],
  ['{ clients: [local, trusted] }', { outcome: { clientClass: 'trusted' } }, {}],
  ['{ listener: in }', {}, { listener: 'out' }],
  ['{ listener: [in, out] }', { listener: 'out' }, { listener: 'store' }],
  ['{ list: true }', { outcome: { listMail: true } }, {}],
  ['{ list: false }', {}, { outcome: { listMail: true } }],
  [
    '{ from: bank.example, list: false, networks: 192.0.2.0/24 }',
    from('a@bank.example'),
    { ...from('a@bank.example'), ...client('198.51.100.1') },
  ],
];
const shown = (message: Message) => JSON.stringify(message).slice(0, 120);
for (const [when, holds, fails] of conditions) {
  test(`${when} holds for ${shown(holds)}, not for ${shown(fails)}`, () => {
    assert.equal(applies(when, holds), true);
    assert.equal(applies(when, fails), false);
  });
}

test('a hostile From costs little time', () => {
  const policy = policyOf(rules('- { when: { from: [.a.example, b.example] }, then: discard }'));
  for (const part of ['@a', 'a@b,', '@é', '<', '(', '"', 'a:', '@'.repeat(3), '\\', '.']) {
    const input = inputOf(from(part.repeat(Math.floor(1_000_000 / part.length))));
    const begun = performance.now();
    assert.equal(policy.decide(input).disposition.kind, 'accept');
    const milliseconds = performance.now() - begun;
    assert.ok(milliseconds < 2000, `${part}: ${milliseconds} ms`);
  }
});

test('an empty `when` is every message', () => assert.equal(applies('{}'), true));

/** What a `then` does before the queue. */
const actions: readonly (readonly [string, string])[] = [
  ['accept', 'accept'],
  ['quarantine', 'X-Disposition-Quarantine: rule it\r\n'],
  ['discard', '250 2.0.0 Message accepted and discarded'],
  ['reject', '550 5.7.1 Message rejected by local policy'],
  ['tempfail', '451 4.7.1 Message put off by local policy, try again later'],
  ['{ reject: {} }', '550 5.7.1 Message rejected by local policy'],
  ['{ reject: { code: 554, enhancedCode: 5.7.0, text: "No, thank you" } }', '554 5.7.0 No, thank you'],
  ['{ reject: { text: Not here } }', '550 5.7.1 Not here'],
  [
    '{ tempfail: { code: 450, enhancedCode: 4.2.0 } }',
    '450 4.2.0 Message put off by local policy, try again later',
  ],
];
for (const [then, expected] of actions) {
  test(`\`then: ${then}\` is ${JSON.stringify(expected)}`, () => {
    const { disposition } = decide(rules(`- { name: it, when: {}, then: ${then} }`));
    const shown =
      'reply' in disposition
        ? describeReply(disposition.reply)
        : 'fields' in disposition
          ? disposition.fields.join('')
          : disposition.kind;
    assert.equal(shown, expected);
    if ('reason' in disposition) assert.equal(disposition.reason, 'rule it');
  });
}

test('a rule that rejects by SPF gives the reason of the fail; no other rule or result has it told', () => {
  const told = (when: string, then: string, value: ResultValue) => {
    const results = [
      { method: 'dkim', value: 'fail', reason: 'bad signature', properties: [] },
      { method: 'spf', value, reason: 'example.com explains: no', properties: [] },
    ] as const;
    const { disposition } = decide(rules(`- { when: ${when}, then: ${then} }`), { outcome: { results } });
    return 'reply' in disposition && describeReply(disposition.reply);
  };
  const local = '550 5.7.1 Message rejected by local policy';
  assert.equal(
    told('{ results: { SPF: fail } }', 'reject', 'fail'),
    '550 5.7.1 SPF check failed; example.com explains: no',
  );
  assert.equal(told('{ results: { spf: fail } }', '{ reject: { text: No } }', 'fail'), '550 5.7.1 No');
  assert.equal(told('{ results: { dkim: fail } }', 'reject', 'fail'), local);
  assert.equal(told('{ results: { spf: softfail } }', 'reject', 'softfail'), local);
  assert.equal(
    told('{ results: { spf: fail } }', 'tempfail', 'fail'),
    '451 4.7.1 Message put off by local policy, try again later',
  );
});

test('the first rule that applies decides; one without a name is known by its place', () => {
  const list = rules(
    '[{when: {list: true}, then: accept}, {when: {}, then: reject}, {when: {}, then: discard}]',
  );
  assert.equal(decide(list).rule, 'policy.rules[1]');
  assert.equal(decide(list).disposition.kind, 'reject');
  assert.equal(decide(list, { outcome: { listMail: true } }).rule, 'policy.rules[0]');
});

const numbered = (i: number): Message => ({
  header: [`Message-ID: <${i}@example.com>`, 'From: a@example.com'],
});
const chosen = (percent: number, more = ''): number[] => {
  const policy = policyOf(rules(`- { name: staged, when: {}, then: discard, percent: ${percent} }\n${more}`));
  return Array.from({ length: 2000 }, (_, i) => i).filter(
    (i) => policy.decide(inputOf(numbered(i))).rule === 'staged',
  );
};

test('percent chooses that share, the same messages each time, and a larger share holds the smaller', () => {
  const [none, few, half, all] = [0, 10, 50, 100].map((percent) => chosen(percent));
  assert.equal(none?.length, 0);
  assert.equal(all?.length, 2000);
  assert.ok(few && few.length > 140 && few.length < 260, String(few?.length));
  assert.ok(half && half.length > 900 && half.length < 1100, String(half?.length));
  assert.ok(few.every((i) => half.includes(i)));
  assert.deepEqual(chosen(10, '- { when: {}, then: accept }'), few);
});

const differences: readonly (readonly [string, (i: number) => Message])[] = [
  ['sender', (i) => ({ reversePath: `${i}@example.com` })],
  ['Message-ID', numbered],
  ['Date', (i) => ({ header: [`date: Wed, 05 Nov 2025 07:08:${i} +0000`] })],
  ['author', (i) => ({ header: [`From: ${i}@example.com`] })],
];
for (const [what, message] of differences) {
  test(`messages that differ in nothing but the ${what} are drawn one by one`, () => {
    const policy = policyOf(rules('- { when: {}, then: discard, percent: 50 }'));
    const kinds = Array.from({ length: 60 }, (_, i) => policy.decide(inputOf(message(i))).disposition.kind);
    assert.deepEqual([...new Set(kinds)].sort(), ['accept', 'discard']);
  });
}

test('a retry gets the same answer, also from another client; a rule that is passed over lets the next decide', () => {
  const policy = policyOf(
    rules('[{when: {}, then: discard, percent: 50}, {when: {}, then: reject, percent: 50}]'),
  );
  const kinds = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const first = policy.decide(inputOf(numbered(i)));
    const again = policy.decide(
      inputOf({
        ...numbered(i),
        header: ['Received: from x', ...(numbered(i).header ?? [])],
        ...client('198.51.100.7'),
      }),
    );
    assert.deepEqual(again, first);
    kinds.add(first.disposition.kind);
  }
  assert.deepEqual([...kinds].sort(), ['accept', 'discard', 'reject']);
});

const untils: readonly (readonly [string, string, boolean])[] = [
  ['2026-12-31', '2026-12-31T23:59:59.999Z', true],
  ['2026-12-31', '2027-01-01T00:00:00Z', false],
  ['2026-12-31T18:00:00Z', '2026-12-31T17:59:59Z', true],
  ['2026-12-31T18:00:00Z', '2026-12-31T18:00:00Z', false],
  ['2026-12-31T18:00+01:00', '2026-12-31T17:30:00Z', false],
];
for (const [until, now, expected] of untils) {
  test(`until ${until} ${expected ? 'still' : 'no longer'} applies at ${now}`, () => {
    const clock = () => new Date(now);
    const policy = policyOf(rules(`- { when: {}, then: discard, until: "${until}" }`), { clock });
    assert.equal(policy.decide(inputOf({})).disposition.kind, expected ? 'discard' : 'accept');
  });
}

test('rules that are over, those of the file too, are warned about at the start', () => {
  const warned: (readonly [string, LogFields | undefined])[] = [];
  const log: Log = {
    error() {},
    info() {},
    debug() {},
    warn: (event, fields) => void warned.push([event, fields]),
  };
  const list = parse(
    '[{name: old, when: {}, then: discard, until: 2026-01-01}, {when: {}, then: discard, until: 2027-01-01}]',
  );
  const more = rulesSchema.parse(parse('[{name: older, when: {}, then: discard, until: 2025-01-01}]'));
  const policy = new Policy(policySchema.parse({ rules: list }), {
    ruleFile: { path: 'rules.yaml', text: '', rules: more, read: async () => '', parse: () => more },
    log,
    clock: () => new Date('2026-06-01'),
  });
  policy.open();
  policy.close();
  assert.deepEqual(warned, [
    ['policy rule has expired', { rule: 'old', until: new Date('2026-01-02') }],
    ['policy rule has expired', { rule: 'older', until: new Date('2025-01-02') }],
  ]);
});

const wrong: readonly string[] = [
  'then: accept',
  'when: {}',
  'when: , then: accept',
  'when: {}, then: drop',
  'when: {}, then: { reject: {}, tempfail: {} }',
  'when: {}, then: {}',
  'when: {}, then: { discard: {} }',
  'when: {}, then: { reject: { code: 450 } }',
  'when: {}, then: { reject: { code: 250 } }',
  'when: {}, then: { reject: { code: 560 } }',
  'when: {}, then: { reject: { enhancedCode: 4.7.1 } }',
  'when: {}, then: { reject: { enhancedCode: 5.7 } }',
  'when: {}, then: { reject: { text: "" } }',
  'when: {}, then: { reject: { text: "two\\nlines" } }',
  'when: {}, then: { reject: { text: "naïve" } }',
  `when: {}, then: { reject: { text: ${'x'.repeat(401)} } }`,
  'when: {}, then: { tempfail: { code: 550 } }',
  'when: {}, then: { tempfail: { code: 421 } }',
  'when: {}, then: { tempfail: { code: 460 } }',
  'when: {}, then: { tempfail: { enhancedCode: 5.7.1 } }',
  'when: {}, then: accept, percent: 101',
  'when: {}, then: accept, percent: -1',
  'when: {}, then: accept, percent: 0.5',
  'when: {}, then: accept, until: 2026-02-31',
  'when: {}, then: accept, until: tomorrow',
  'when: {}, then: accept, until: "2026-12-31T18:00:00"',
  'when: {}, then: accept, until: "2026-12-31T25:00Z"',
  'when: {}, then: accept, name: ""',
  'when: {}, then: accept, name: "a\\nb"',
  'when: {}, then: accept, unless: {}',
  'when: { results: { spf: failed } }, then: accept',
  'when: { results: { spf: [] } }, then: accept',
  'when: { results: { "s pf": fail } }, then: accept',
  'when: { results: spf }, then: accept',
  'when: { from: [] }, then: accept',
  'when: { from: a@example.com }, then: accept',
  'when: { from: "*.example.com" }, then: accept',
  'when: { from: "" }, then: accept',
  'when: { from: .. }, then: accept',
  'when: { mailFrom: "a@" }, then: accept',
  'when: { mailFrom: "a@.example.com" }, then: accept',
  'when: { mailFrom: "*@example.com" }, then: accept',
  'when: { networks: 192.0.2.0/33 }, then: accept',
  'when: { networks: 192.0.2 }, then: accept',
  'when: { helo: "two words" }, then: accept',
  'when: { clients: friend }, then: accept',
  'when: { listener: "" }, then: accept',
  'when: { list: yes }, then: accept',
  'when: { subject: x }, then: accept',
];
for (const rule of wrong) {
  test(`{ ${rule.slice(0, 80)} } is a mistake`, () => {
    assert.equal(policySchema.safeParse(rules(`- { ${rule} }`)).success, false);
  });
}
