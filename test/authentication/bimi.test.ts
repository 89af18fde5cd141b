// BIMI: conditions, record, fields of ours and of others, against a static zone; nothing is fetched.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import type { Outcome } from '../../src/authentication/authentication.ts';
import { makeKey } from '../support/signing.ts';
import { type Case, judge, plain, unfolded } from './judge.ts';

const checks = { iprev: false, dkim: {}, spf: {}, arc: false, dmarc: {}, bimi: {} };
const dmarcRecord = { '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject'] } };
const spf = { TXT: ['v=spf1 ip4:192.0.2.10 -all'] };
const base = { ...dmarcRecord, 'example.com': spf };
const assertion = (record: string, name = 'default._bimi.example.com') => ({ [name]: { TXT: [record] } });
const logo = 'v=BIMI1; l=https://brand.example/logo.svg; a=https://brand.example/mark.pem';

/** The result, without `bimi=`. */
const result = (outcome: Outcome) => unfolded(outcome).split('; bimi=').at(-1) ?? '';
const bimi = async (given: Case) => result(await judge({ checks, ...given }));
const added = (outcome: Outcome) => outcome.fields.filter((field) => /^BIMI-/.test(field));
const withField = (field: string) => plain.replace('\r\n\r\n', `\r\n${field}\r\n\r\n`);

const cases: readonly (readonly [string, Case, string])[] = [
  [
    'a record at the author domain passes',
    { zone: { ...base, ...assertion(logo) } },
    'pass header.d=example.com header.selector=default policy.authority=none policy.authority-uri="https://brand.example/mark.pem"',
  ],
  [
    'evidence is not asked for',
    { zone: { ...base, ...assertion('v=BIMI1; l=https://brand.example/l.svg') } },
    'pass header.d=example.com header.selector=default policy.authority=none',
  ],
  ['no record', { zone: base }, 'none'],
  ['other records at the name are passed over', { zone: { ...base, ...assertion('v=spf1 -all') } }, 'none'],
  [
    'the domain declines',
    { zone: { ...base, ...assertion('v=BIMI1; l=; a=;') } },
    'declined header.d=example.com header.selector=default',
  ],
  [
    'a subdomain falls back to the organisation',
    {
      zone: { ...base, ...assertion(logo), 'sub.example.com': spf },
      from: 'a@sub.example.com',
      message: plain.replace('alice@example.com', 'alice@sub.example.com'),
    },
    'pass header.d=example.com header.selector=default policy.authority=none policy.authority-uri="https://brand.example/mark.pem"',
  ],
  [
    'a location without TLS is wrong',
    { zone: { ...base, ...assertion('v=BIMI1; l=http://brand.example/logo.svg') } },
    'fail reason="invalid location value in dns record" header.d=example.com header.selector=default',
  ],
  [
    'two records are too many',
    { zone: { ...base, 'default._bimi.example.com': { TXT: [logo, logo] } } },
    'fail reason="multiple BIMI records for default._bimi.example.com"',
  ],
  [
    'a record that cannot be had now is temporary',
    { zone: { ...base, 'default._bimi.example.com': { TXT: 'TIMEOUT' } } },
    'temperror reason="failed to resolve default._bimi.example.com"',
  ],
  [
    'a message that fails DMARC has no indicator',
    { zone: { ...dmarcRecord, ...assertion(logo) } },
    'skipped (message failed DMARC)',
  ],
  [
    'a domain that only looks on has none',
    { zone: { ...base, '_dmarc.example.com': { TXT: ['v=DMARC1; p=none'] }, ...assertion(logo) } },
    'skipped (too lax DMARC policy)',
  ],
  [
    'a domain that tests its policy has none',
    { zone: { ...base, '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject; t=y'] }, ...assertion(logo) } },
    'skipped (too lax DMARC policy)',
  ],
  [
    'a domain that lets its subdomains be forged has none',
    { zone: { ...base, '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject; sp=none'] }, ...assertion(logo) } },
    'skipped (too lax DMARC subdomain policy)',
  ],
  [
    'two authors have none',
    {
      zone: { ...base, ...assertion(logo) },
      message: plain.replace('<alice@example.com>', '<alice@example.com>, b@example.com'),
    },
    'skipped (multiple From addresses)',
  ],
  [
    'without an author domain there was no DMARC',
    { zone: { ...base, ...assertion(logo) }, message: plain.replace('From:', 'X-From:') },
    'skipped (DMARC not evaluated)',
  ],
  [
    'without the dmarc check there is nothing to go by',
    { zone: { ...base, ...assertion(logo) }, checks: { ...checks, dmarc: false } },
    'skipped (DMARC not evaluated)',
  ],
];
for (const [what, given, expected] of cases) {
  test(`bimi: ${what}`, async () => {
    assert.equal(await bimi(given), expected);
  });
}

test('bimi: off by default, and nothing of it is touched then', async () => {
  const outcome = await judge({ zone: { ...base, ...assertion(logo) } });
  assert.doesNotMatch(unfolded(outcome), /bimi/);
  assert.equal(outcome.rewrite('BIMI-Location', Buffer.from('BIMI-Location: v=BIMI1; l=x\r\n')), undefined);
});

test('bimi: the location is added when it passes, and only then; evidence that nobody looked at is not named', async () => {
  const zone = { ...base, ...assertion(logo) };
  assert.deepEqual(added(await judge({ zone, checks })), [
    'BIMI-Location: v=BIMI1; l=https://brand.example/logo.svg\r\n',
  ]);
  assert.deepEqual(added(await judge({ zone: base, checks })), []);
  assert.deepEqual(added(await judge({ zone, from: 'eve@other.example', checks })), []);
});

test('bimi: a location that cannot be written as it is, is not written', async () => {
  const url = `https://brand.example/${'x'.repeat(800)}.svg`;
  const outcome = await judge({ zone: { ...base, ...assertion(`v=BIMI1; l=${url}`) }, checks });
  assert.match(result(outcome), /^pass/);
  assert.deepEqual(added(outcome), []);
});

test('bimi: fields that only we may write are removed from what strangers send, whatever the result', async () => {
  const outcome = await judge({ zone: {}, checks });
  const forged = ['BIMI-Location: x', 'bimi-indicator : x', 'BIMI-Logo-Preference: avp=brand'];
  for (const field of forged) {
    const raw = Buffer.from(`${field}\r\n`);
    assert.equal(outcome.rewrite(field.split(':')[0] ?? '', raw)?.length, 0, field);
  }
  const selector = Buffer.from('BIMI-Selector: v=BIMI1; s=x\r\n');
  assert.equal(outcome.rewrite('BIMI-Selector', selector), undefined);
});

test('bimi: those of a trusted relay stay', async () => {
  const outcome = await judge({ zone: {}, checks, client: { ip: '203.0.113.5' } });
  assert.equal(outcome.rewrite('BIMI-Location', Buffer.from('BIMI-Location: x\r\n')), undefined);
  assert.doesNotMatch(unfolded(outcome), /bimi/);
});

const key = makeKey('example.com', 's1', 'ed25519');
const signedZone = {
  ...base,
  ...key.zone,
  ...assertion('v=BIMI1; l=https://brand.example/default.svg'),
  ...assertion('v=BIMI1; l=https://brand.example/other.svg', 'other._bimi.example.com'),
};
const selectors: readonly (readonly [string, string, string])[] = [
  [
    'that is signed chooses the record',
    'BIMI-Selector: v=BIMI1; s=other;',
    'pass header.d=example.com header.selector=other',
  ],
  [
    'that is folded too',
    'BIMI-Selector: v=BIMI1;\r\n s=other',
    'pass header.d=example.com header.selector=other',
  ],
  [
    'without a version is ignored',
    'BIMI-Selector: s=other',
    'pass header.d=example.com header.selector=default',
  ],
  [
    'that is no name is ignored',
    'BIMI-Selector: v=BIMI1; s=a b',
    'pass header.d=example.com header.selector=default',
  ],
  [
    'of another version is ignored',
    'BIMI-Selector: v=bimi1; s=other',
    'pass header.d=example.com header.selector=default',
  ],
  ['without a record is none, not default', 'BIMI-Selector: v=BIMI1; s=nothing', 'none'],
];
/** Signed with BIMI-Selector among the signed fields. */
async function signSelector(message: string, headerList = 'From:Subject:BIMI-Selector'): Promise<Buffer> {
  const { domain: signingDomain, selector, privateKey } = key;
  const { signatures } = await dkimSign(Buffer.from(message), {
    signingDomain,
    selector,
    privateKey,
    signatureData: [{ signingDomain, selector, privateKey }],
    headerList,
    strict: true,
  });
  return Buffer.concat([Buffer.from(signatures), Buffer.from(message)]);
}
for (const [what, field, expected] of selectors) {
  test(`bimi: a selector ${what}`, async () => {
    const message = await signSelector(withField(field));
    assert.equal((await bimi({ zone: signedZone, message })).split(' policy.', 1)[0], expected);
  });
}

test('bimi: a selector that no aligned signature covers is ignored', async () => {
  const unsigned = withField('BIMI-Selector: v=BIMI1; s=other');
  assert.match(await bimi({ zone: signedZone, message: unsigned }), /header\.selector=default/);
  const without = await signSelector(unsigned, 'From:Subject');
  assert.match(await bimi({ zone: signedZone, message: without }), /header\.selector=default/);
});

test('bimi: two selectors are a failure', async () => {
  const message = await signSelector(
    withField('BIMI-Selector: v=BIMI1; s=other\r\nBIMI-Selector: v=BIMI1; s=default'),
  );
  assert.match(await bimi({ zone: signedZone, message }), /^fail reason="multiple BIMI-Selector headers"/);
});

test('bimi: a body that is not signed to its end is not enough', async () => {
  const { domain: signingDomain, selector, privateKey } = key;
  const { signatures } = await dkimSign(Buffer.from(plain), {
    signingDomain,
    selector,
    privateKey,
    signatureData: [{ signingDomain, selector, privateKey, maxBodyLength: 3 }],
    strict: true,
  });
  const message = Buffer.concat([Buffer.from(signatures), Buffer.from(plain)]);
  assert.equal(
    await bimi({ zone: signedZone, message, from: 'a@other.example' }),
    'skipped (undersized DKIM signature)',
  );
});

const records: readonly (readonly [string, RegExp])[] = [
  ['', /^none/],
  ['v=BIMI1', /^fail reason="missing location/],
  ['v=BIMI1; l=not a url', /^fail/],
  ['v=BIMI1; l=https://brand.example/\u00e9.svg', /^fail/],
  ['v=BIMI1; l=https://u:p@brand.example/l.svg', /^pass/],
  ['v=BIMI1; l=https://brand.example/l.svg; a=ftp://x', /^fail reason="invalid authority/],
  [`v=BIMI1; l=https://brand.example/l.svg; x=${'y'.repeat(70_000)}`, /^pass/],
  ['v=BIMI1; __proto__=1; constructor=2; l=https://brand.example/l.svg', /^pass/],
];
for (const [record, expected] of records) {
  test(`bimi: the record ${JSON.stringify(record.slice(0, 60))}`, async () => {
    assert.match(await bimi({ zone: { ...base, ...assertion(record) } }), expected);
  });
}
