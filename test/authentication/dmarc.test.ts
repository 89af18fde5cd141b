// DMARC: policy discovery, alignment, overrides and what the result says, against a static zone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dmarc as check } from '../../src/authentication/checks/dmarc.ts';
import type { CheckExplanation } from '../../src/authentication/story/explanation.ts';
import { signField } from '../support/field-signer.ts';
import { NameServer } from '../support/name-server.ts';
import { makeKey, seal, sign } from '../support/signing.ts';
import { type Case, judge, plain, unfolded, zoneResolver } from './judge.ts';

const checks = { iprev: false, dkim: {}, spf: {}, arc: false, dmarc: {} };
const rsa = makeKey('example.com', 's1');
const signed = await sign(plain, rsa);
const from = (field: string) => plain.replace('From: Alice <alice@example.com>', field);

const record = (domain: string, text: string) => ({ [`_dmarc.${domain}`]: { TXT: [text] } });
const reject = record('example.com', 'v=DMARC1; p=reject; sp=quarantine');
const spfPass = { 'example.com': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] } };
const spfFail = { 'example.com': { TXT: ['v=spf1 -all'] } };

/** The result, without `dmarc=`. */
async function dmarc(given: Case): Promise<string> {
  const outcome = await judge({ checks, ...given });
  return (unfolded(outcome).split('; dmarc=').at(-1) ?? '').split('; ', 1)[0] ?? '';
}

const failed = (published: string, policy: string, published0 = 'reject', domain = 'example.com') =>
  `fail (${published}) header.from=${domain} policy.dmarc=${policy} ` +
  `policy.published-domain-policy=${published0} policy.applied-disposition=${policy}`;
const rejected = failed('p=reject sp=quarantine', 'reject');
const passed = 'pass (p=reject sp=quarantine) header.from=example.com policy.dmarc=reject';

const cases: readonly (readonly [string, Case, string])[] = [
  ['aligned SPF passes', { zone: { ...reject, ...spfPass } }, passed],
  [
    'an aligned signature passes where SPF fails',
    { zone: { ...reject, ...spfFail, ...rsa.zone }, message: signed },
    passed,
  ],
  [
    'SPF of another domain does not help',
    { zone: { ...reject, 'other.example': spfPass['example.com'] }, from: 'eve@other.example' },
    rejected,
  ],
  [
    'with a null reverse-path the HELO name is the identity of SPF',
    { zone: { ...reject, 'client.example.com': spfPass['example.com'] }, from: '' },
    passed,
  ],
  [
    'a subdomain inherits sp',
    {
      zone: { ...reject, 'sub.example.com': { A: ['192.0.2.1'] } },
      message: from('From: a@sub.example.com'),
    },
    failed('p=reject sp=quarantine', 'quarantine', 'reject', 'sub.example.com'),
  ],
  ['a domain without a record is none', { zone: spfPass }, 'none header.from=example.com'],
  [
    'a record that cannot be had now is temporary',
    { zone: { '_dmarc.example.com': { TXT: 'SERVFAIL' } } },
    'temperror reason="ESERVFAIL for TXT _dmarc.example.com" header.from=example.com',
  ],
  [
    'testing lowers reject to quarantine',
    { zone: record('example.com', 'v=DMARC1; p=reject; t=y') },
    failed('p=reject sp=reject t=y', 'quarantine'),
  ],
  [
    'testing lowers quarantine to none',
    { zone: record('example.com', 'v=DMARC1; p=quarantine; t=y') },
    failed('p=quarantine sp=quarantine t=y', 'none', 'quarantine'),
  ],
  [
    'two From fields',
    { zone: reject, message: from('From: a@example.com\r\nFrom: b@example.com') },
    'permerror reason="several From fields"',
  ],
  [
    'two From fields with the same author',
    { zone: { ...reject, ...spfPass }, message: from('From: a@example.com\r\nFROM : a@example.com') },
    'permerror reason="several From fields"',
  ],
  [
    'authors of two domains',
    { zone: reject, message: from('From: a@example.com, b@example.net') },
    'permerror reason="several author domains in From"',
  ],
  ['no From', { zone: reject, message: from('X-From: a') }, 'permerror reason="no author domain in From"'],
  ['an empty From', { zone: reject, message: from('From:') }, 'permerror reason="no author domain in From"'],
  [
    'an author without a domain',
    { zone: reject, message: from('From: "ceo@example.com" <ceo>') },
    'permerror reason="no author domain in From"',
  ],
  [
    'two authors of one domain are judged',
    { zone: { ...reject, ...spfPass }, message: from('From: a@example.com, b@example.com') },
    passed,
  ],
  [
    'the members of a group are authors',
    { zone: { ...reject, ...spfPass }, message: from('From: Board: a@example.com, b@example.com;') },
    passed,
  ],
  [
    'a group without members has no author',
    { zone: reject, message: from('From: undisclosed-senders:;') },
    'permerror reason="no author domain in From"',
  ],
  [
    'the author is whom an obsolete route leads to',
    { zone: reject, message: from('From: A <@relay.example,@other.example:a@example.com>') },
    rejected,
  ],
  [
    'an internationalised domain is asked for and shown as an A-label',
    {
      zone: record('xn--mller-kva.example', 'v=DMARC1; p=reject'),
      message: from('From: a@Müller.example'),
      smtputf8: true,
    },
    failed('p=reject sp=reject', 'reject', 'reject', 'xn--mller-kva.example'),
  ],
  [
    'a domain literal has no policy',
    { zone: reject, message: from('From: a@[192.0.2.1]') },
    'none header.from="[192.0.2.1]"',
  ],
  [
    'an aligned signature whose key cannot be had leaves it open whether the message fails',
    { zone: { ...reject, ...spfFail, [rsa.recordName]: { TXT: 'TIMEOUT' } }, message: signed },
    'temperror (p=reject sp=quarantine) reason="SPF or DKIM could not be evaluated for an aligned domain" header.from=example.com',
  ],
  [
    'trouble of an unrelated domain does not save a forged message',
    { zone: { ...reject, 'other.example': { TXT: 'TIMEOUT' } }, from: 'eve@other.example' },
    rejected,
  ],
  [
    'a policy for names that do not exist',
    {
      zone: record('example.com', 'v=DMARC1; p=none; sp=quarantine; np=reject'),
      message: from('From: a@made-up.example.com'),
    },
    failed('p=none sp=quarantine np=reject', 'reject', 'none', 'made-up.example.com'),
  ],
  [
    'a name that has records of another type exists',
    {
      zone: {
        ...record('example.com', 'v=DMARC1; p=none; sp=quarantine; np=reject'),
        'sub.example.com': { MX: ['10 mx.example.com'] },
      },
      message: from('From: a@sub.example.com'),
    },
    failed('p=none sp=quarantine np=reject', 'quarantine', 'none', 'sub.example.com'),
  ],
  [
    'whether the name exists decides and cannot be had',
    {
      zone: {
        ...record('example.com', 'v=DMARC1; p=none; sp=quarantine; np=reject'),
        'sub.example.com': { A: 'SERVFAIL' },
      },
      message: from('From: a@sub.example.com'),
    },
    'temperror (p=none sp=quarantine np=reject) reason="ESERVFAIL for A sub.example.com" header.from=sub.example.com',
  ],
  [
    'the record of a public suffix holds where the organisation has none',
    {
      zone: record('bank.example', 'v=DMARC1; p=quarantine; sp=reject; psd=y'),
      message: from('From: a@giant.bank.example'),
    },
    failed('p=quarantine sp=reject', 'reject', 'quarantine', 'giant.bank.example'),
  ],
  [
    'below psd=n nothing of the domains above is seen',
    {
      zone: {
        ...reject,
        ...record('unit.example.com', 'v=DMARC1; p=none; psd=n'),
        ...spfPass,
      },
      message: from('From: a@unit.example.com'),
    },
    failed('p=none sp=none', 'none', 'none', 'unit.example.com'),
  ],
  [
    'strict alignment wants the same name',
    {
      zone: {
        ...record('example.com', 'v=DMARC1; p=reject; aspf=s; adkim=s'),
        'sub.example.com': spfPass['example.com'],
      },
      from: 'a@sub.example.com',
    },
    failed('p=reject sp=reject', 'reject'),
  ],
];

const several = 'permerror reason="several author domains in From"';
const shown: readonly (readonly [string, string])[] = [
  ['<eve@evil.example> <a@example.com>', several],
  ['<a@example.com> (who) "<x>" <eve@evil.example>', several],
  ['Board: <eve@evil.example> <a@example.com>;', several],
  ['A <b@example.com> <a@example.com>', rejected],
  ['a@example.com>eve@evil.example', several],
  ['a@example.com]eve@evil.example', several],
  ['a@example.com)eve@evil.example', several],
  ['a@example.com\\eve@evil.example', several],
  ['a@example.com:eve@evil.example\t', several],
  ['<a@example.com>:eve@evil.example', several],
  ['a@example.com><eve@evil.example>', several],
  ['Board: a@example.com>eve@evil.example;', several],
  ['(x@y:) "x@y:" a@[192.0.2.1], eve@[192.0.2.1]', 'none header.from="[192.0.2.1]"'],
  ['Board: a@example.com, A <a@example.com>;', rejected],
  ['eve@evil.example <a@example.com>', rejected],
  ['"<eve@evil.example>" (<eve@evil.example>) <a@example.com>', rejected],
  ['a@example.com\0.evil.example', several],
  ['<a@example.com\0>, eve', rejected],
  ['<a@example.com\x7f>', rejected],
  ['<a@exam\u00adple.com>', rejected],
  ['<a@example\u200b.com>', rejected],
  ['<a@ｅxample。com>', rejected],
  ['<a@example.com\u202e>', 'permerror reason="no author domain in From"'],
  ['<a@example.com\u202e>, eve@evil.example', 'permerror reason="an author in From without a valid domain"'],
];
for (const [field, expected] of shown) {
  test(`dmarc: whomever a reader may be shown is an author: ${JSON.stringify(field)}`, async () => {
    const evil = { 'evil.example': spfPass['example.com'] };
    const message = from(`From: ${field}`);
    assert.equal(await dmarc({ zone: { ...reject, ...evil }, from: 'eve@evil.example', message }), expected);
  });
}

for (const [what, given, expected] of cases) {
  test(`dmarc: ${what}`, async () => {
    assert.equal(await dmarc(given), expected);
  });
}

const label = 'a'.repeat(63);
const tooLong = [
  ['a selector', { ...rsa, selector: [label, label, label, label].join('.') }],
  ['a domain below the author’s', { ...rsa, domain: [label, label, label, label, rsa.domain].join('.') }],
] as const;
for (const [what, signer] of tooLong) {
  test(`dmarc: ${what} too long for any key to have a name leaves nothing open`, async (t) => {
    await using server = await NameServer.start({
      'TXT _dmarc.example.com': { values: ['v=DMARC1; p=reject; sp=quarantine'] },
    });
    const resolver = zoneResolver({}, { zoneOnly: false, servers: [server.address] });
    t.after(() => resolver.close());
    const message = signField(plain, signer);
    const outcome = await judge({ checks, message, options: { resolver } });
    assert.match(unfolded(outcome), / dkim=neutral reason="no key" .* dmarc=fail /);
  });
}

const records: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['two records count as none', ['v=DMARC1; p=reject', 'v=DMARC1; p=none'], /^none /],
  ['another record beside it is passed over', ['v=spf1 -all', 'v=DMARC1; p=reject'], /^fail /],
  ['the version has to come first', ['p=reject; v=DMARC1'], /^none /],
  ['the version is written in capitals', ['v=dmarc1; p=reject'], /^none /],
  ['an empty record', [''], /^none /],
  [
    'without p and with an address for reports it is p=none',
    ['v=DMARC1; rua=mailto:r@example.com'],
    /\(p=none /,
  ],
  ['without p and without an address there is no DMARC', ['v=DMARC1; sp=reject'], /^none /],
  [
    'a wrong np is p=none where reports are wanted',
    ['v=DMARC1; p=reject; np=x; rua=mailto:r@x'],
    /\(p=none /,
  ],
  ['a tag twice makes the record invalid', ['v=DMARC1; p=reject; p=none'], /^none /],
  [
    'unknown tags are ignored',
    ['v=DMARC1; p=reject; x=y; pct=0; constructor=1; __proto__=2'],
    /^fail .*=reject$/,
  ],
  ['bytes that are not ASCII', ['v=DMARC1; p=r\u00e9ject'], /^none /],
  ['a record of 70 kB', [`v=DMARC1; p=reject; x=${'y'.repeat(70_000)}`], /^fail .*=reject$/],
];
for (const [what, TXT, expected] of records) {
  test(`dmarc, records: ${what}`, async () => {
    assert.match(await dmarc({ zone: { '_dmarc.example.com': { TXT } } }), expected);
  });
}

const anyClient = { TXT: ['v=spf1 ip4:192.0.2.10 -all'] };
test('dmarc: alignment as in RFC 9989, appendix B.1', async () => {
  const at = async (sender: string, author: string) =>
    (
      await dmarc({
        zone: { ...record('example.com', 'v=DMARC1; p=reject'), [sender]: anyClient },
        from: `sender@${sender}`,
        message: from(`From: sender@${author}`),
      })
    ).split(' ', 1)[0];
  assert.equal(await at('example.com', 'example.com'), 'pass');
  assert.equal(await at('child.example.com', 'example.com'), 'pass');
  assert.equal(await at('example.net', 'child.example.com'), 'fail');
  const signing = async (author: string, domain: string) => {
    const key = makeKey(domain, 'b', 'ed25519');
    const zone = { ...record('example.com', 'v=DMARC1; p=reject'), ...key.zone };
    const message = await sign(from(`From: sender@${author}`), key);
    return (await dmarc({ zone, from: 'x@elsewhere.example', message })).split(' ', 1)[0];
  };
  assert.equal(await signing('example.com', 'example.com'), 'pass');
  assert.equal(await signing('child.example.com', 'example.com'), 'pass');
  assert.equal(await signing('child.example.com', 'example.net'), 'fail');
});

/** The names that were asked for a policy, in order, each once. */
async function walk(given: Case): Promise<string[]> {
  const outcome = await judge({ checks: { ...checks, dkim: false }, options: { explain: true }, ...given });
  const questions = outcome.explanation?.find(({ check }) => check === 'dmarc')?.questions ?? [];
  return [...new Set(questions.filter(({ type }) => type === 'TXT').map(({ name }) => name))];
}

test('dmarc: the walks of RFC 9989, appendix B.4', async () => {
  const both = {
    ...record('example.com', 'v=DMARC1; p=reject'),
    ...record('signing.example.com', 'v=DMARC1; p=none'),
  };
  const key = makeKey('signing.example.com', 'b', 'ed25519');
  const simple = { zone: { ...both, ...key.zone }, from: '', message: await sign(plain, key) };
  assert.match(await dmarc(simple), /^pass /, 'B.4.1');

  const deep = 'a.b.c.d.e.f.g.h.i.j.k.example.com';
  assert.deepEqual(
    await walk({ zone: both, message: from(`From: x@${deep}`) }),
    [
      deep,
      'g.h.i.j.k.example.com',
      'h.i.j.k.example.com',
      'i.j.k.example.com',
      'j.k.example.com',
      'k.example.com',
      'example.com',
      'com',
    ].map((name) => `_dmarc.${name}`),
    'B.4.2',
  );

  const psd = {
    ...record('bank.example', 'v=DMARC1; p=none; psd=y'),
    ...record('giant.bank.example', 'v=DMARC1; p=reject'),
    'mail.giant.bank.example': anyClient,
    'mail.mega.bank.example': anyClient,
  };
  const message = from('From: x@giant.bank.example');
  assert.match(await dmarc({ zone: psd, from: 'x@mail.giant.bank.example', message }), /^pass /, 'B.4.3');
  assert.match(await dmarc({ zone: psd, from: 'x@mail.mega.bank.example', message }), /^fail .*=reject$/);
  assert.deepEqual(await walk({ zone: psd, message }), ['_dmarc.giant.bank.example', '_dmarc.bank.example']);
});

test('dmarc: its outcome names the domain, the policy that applies, and what is aligned', async () => {
  const outcome = await judge({ zone: { ...reject, ...spfFail } });
  assert.deepEqual(outcome.dmarc, { domain: 'example.com', policy: 'reject', result: 'fail', aligned: [] });
  const open = await judge({ zone: { '_dmarc.example.com': { TXT: 'SERVFAIL' } } });
  assert.equal(open.dmarc, undefined);
  const both = await judge({ zone: { ...reject, ...spfPass, ...rsa.zone }, message: signed });
  assert.deepEqual(both.dmarc?.aligned, ['example.com']);
});

test('dmarc: list mail is visible, and excuses nothing unless the administrator wants it', async () => {
  const message = from('From: a@example.com\r\nList-Id: <l.list.example>');
  const given = { zone: reject, message };
  assert.equal(await dmarc(given), rejected.replace('quarantine)', 'quarantine, list mail)'));
  const excusing = { ...checks, dmarc: { overrides: { mailingList: true } } };
  const outcome = await judge({ ...given, checks: excusing });
  assert.match(
    unfolded(outcome),
    /dmarc=fail \(p=reject sp=quarantine, came through a mailing list\) header\.from=example\.com policy\.dmarc=reject policy\.published-domain-policy=reject policy\.applied-disposition=none policy\.override-reason=mailing_list$/,
  );
  assert.deepEqual(outcome.dmarc, {
    domain: 'example.com',
    policy: 'reject',
    result: 'fail',
    aligned: [],
    override: { kind: 'mailing-list', text: 'came through a mailing list' },
  });
});

const list = makeKey('list.example', 'arc', 'ed25519');
const trusting = { ...checks, arc: { trustedSealers: ['list.example'] } };
/** A message that a list changed, sealed with what the list had found. */
const sealed = (results: string) => seal(plain, list, `list.example; ${results}`);
const excused =
  'fail (p=reject sp=quarantine, trusted ARC sealer list.example saw it pass) header.from=example.com policy.dmarc=reject ' +
  'policy.published-domain-policy=reject policy.applied-disposition=none policy.override-reason=local_policy';

test('dmarc: a trusted sealer that saw the message pass excuses it, and is named', async () => {
  const zone = { ...reject, ...list.zone };
  const message = await sealed('dmarc=pass header.from=example.com');
  assert.equal(await dmarc({ zone, message, checks: trusting }), excused);
  const outcome = await judge({ zone, message, checks: trusting });
  assert.deepEqual(outcome.dmarc?.override, {
    kind: 'trusted-arc',
    text: 'trusted ARC sealer list.example saw it pass',
  });
  assert.equal(outcome.dmarc?.result, 'fail');
});

test('dmarc: a sealer that nobody trusts, that saw it fail, whose seal is broken, or that is not to count, excuses nothing', async () => {
  const zone = { ...reject, ...list.zone };
  const message = await sealed('dmarc=pass header.from=example.com');
  assert.equal(await dmarc({ zone, message, checks: { ...checks, arc: {} } }), rejected);
  assert.equal(await dmarc({ zone, message: await sealed('dmarc=fail'), checks: trusting }), rejected);
  const other = await sealed('dmarc=pass header.from=example.net');
  assert.equal(await dmarc({ zone, message: other, checks: trusting }), rejected);
  const changed = message.toString('latin1').replace('A body.', 'Another.');
  assert.equal(await dmarc({ zone, message: changed, checks: trusting }), rejected);
  const without = { ...trusting, dmarc: { overrides: { trustedArc: false } } };
  assert.equal(await dmarc({ zone, message, checks: without }), rejected);
});

test('dmarc: results of X-Google-DKIM-Signature are never counted, whatever they say', async () => {
  const outcome = await judge({
    zone: reject,
    checks: { ...checks, dmarc: false },
    options: {
      customChecks: [
        {
          name: 'x-google-dkim',
          skippedFor: [],
          stages: {
            endOfHeaders: () => [
              {
                method: 'x-google-dkim',
                value: 'pass',
                properties: [{ ptype: 'header', property: 'd', value: 'example.com' }],
              },
            ],
          },
        },
        {
          name: 'dmarc',
          skippedFor: [],
          stages: {
            endOfMessage: (all) =>
              check.endOfMessage?.(all, { overrides: { trustedArc: false, mailingList: false } }),
          },
        },
      ],
    },
  });
  assert.match(unfolded(outcome), /x-google-dkim=pass header\.d=example\.com; dmarc=fail /);
});

test('dmarc: many aligned-looking signers cost a bounded number of questions', async () => {
  let message: Buffer | string = plain;
  let zone: Record<string, unknown> = { ...reject };
  for (let i = 0; i < 30; i++) {
    const key = makeKey(`a.b.c.d.e.f.s${i}.example.com`, 'k', 'ed25519');
    message = await sign(message, key);
    zone = {
      ...zone,
      ...key.zone,
      [`_dmarc.s${i}.example.com`]: { TXT: ['v=DMARC1; p=none; psd=n'] },
    };
  }
  const told = await story({ zone, message, checks: { ...checks, dkim: { maxSignatures: 30 } } });
  assert.ok(told && told.questions.length <= 2 * (8 + 10 * 8 + 2), `${told?.questions.length} questions`);
  // Any of those that nobody looked at might have been aligned.
  assert.equal(told?.results[0]?.value, 'temperror');
});

test('dmarc: what passes needs no excuse', async () => {
  const message = from('From: a@example.com\r\nList-Id: <l.list.example>');
  const excusing = { ...checks, dmarc: { overrides: { mailingList: true } } };
  assert.equal(await dmarc({ zone: { ...reject, ...spfPass }, message, checks: excusing }), passed);
});

/** What the check told about itself. */
async function story(given: Case): Promise<CheckExplanation | undefined> {
  const { explanation } = await judge({ checks, options: { explain: true }, ...given });
  return explanation?.find(({ check }) => check === 'dmarc');
}

test('dmarc: the story has the record, the organisation, each identifier and the reason for the policy', async () => {
  const zone = {
    ...record('example.com', 'v=DMARC1; p=reject; np=quarantine'),
    'other.example': anyClient,
    ...rsa.zone,
  };
  const told = await story({ zone, from: 'x@other.example', message: signed });
  assert.deepEqual(told?.facts, [
    { fact: 'author domain', value: 'example.com' },
    {
      fact: 'policy record',
      value: { name: '_dmarc.example.com', text: 'v=DMARC1; p=reject; np=quarantine' },
    },
    { fact: 'organisational domain', value: 'example.com' },
    {
      fact: 'identifier',
      value: { method: 'spf', domain: 'other.example', alignment: 'relaxed', aligned: false },
    },
    {
      fact: 'identifier',
      value: { method: 'dkim', domain: 'example.com', alignment: 'relaxed', aligned: true },
    },
    {
      fact: 'policy',
      value: { policy: 'reject', because: "p=reject of the author domain's own record" },
    },
  ]);
  const made = await story({ zone, message: from('From: a@made-up.example.com') });
  assert.deepEqual(made?.facts.at(-1), {
    fact: 'policy',
    value: {
      policy: 'quarantine',
      because: 'np=quarantine, for the author domain does not exist, in the record of example.com',
    },
  });
});
