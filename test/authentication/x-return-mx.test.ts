// x-return-mx in each way it can end, against a static zone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, plain, unfolded, values } from './judge.ts';
import { only, wayOf } from './only.ts';

const from = (field: string) => plain.replace('From: Alice <alice@example.com>', field);
const tree = { '_dmarc.example.com': { TXT: ['v=DMARC1; p=none'] } };

const domains: readonly (readonly [what: string, zone: unknown, expected: string])[] = [
  [
    'an MX passes, and is named',
    { 'example.com': { MX: ['10 mx1.example.com', '20 mx2.example.com'] } },
    'pass (MX records found: mx1.example.com, mx2.example.com)',
  ],
  [
    'an A record is a warning',
    { 'example.com': { A: ['192.0.2.1'] } },
    'warn (no MX record, but an address)',
  ],
  [
    'an AAAA record is one too, where A cannot be had',
    { 'example.com': { A: 'SERVFAIL', AAAA: ['2001:db8::1'] } },
    'warn (no MX record, but an address)',
  ],
  [
    'a null MX fails, whatever addresses there are',
    { 'example.com': { MX: ['0 .'], A: ['192.0.2.1'] } },
    'fail reason="the domain takes no mail (null MX)"',
  ],
  [
    'a null MX beside another is no null MX (RFC 7505 §3)',
    { 'example.com': { MX: ['0 .', '10 mx.example.com'] } },
    'pass (MX records found: mx.example.com)',
  ],
  ['a domain that does not exist fails', {}, 'fail reason="neither MX record nor address"'],
  [
    'a domain without either fails',
    { 'example.com': { TXT: ['x'] } },
    'fail reason="neither MX record nor address"',
  ],
  [
    'an MX that cannot be had is a temporary error',
    { 'example.com': { MX: 'TIMEOUT', A: ['192.0.2.1'] } },
    'temperror reason="DNS could not tell"',
  ],
  ['so is an address', { 'example.com': { AAAA: 'SERVFAIL' } }, 'temperror reason="DNS could not tell"'],
  [
    'and a loop of aliases',
    { 'example.com': { CNAME: ['example.com'] } },
    'temperror reason="DNS could not tell"',
  ],
];
for (const [what, zone, expected] of domains) {
  test(`x-return-mx: ${what}`, async () => {
    const outcome = await judge({ zone, checks: only('x-return-mx') });
    const found = `mx.example.org; x-return-mx=${expected} smtp.domain=example.com header.domain=example.com`;
    assert.equal(unfolded(outcome), found);
  });
}

const above: readonly (readonly [what: string, zone: unknown, expected: string])[] = [
  [
    'a name without anything is looked for at its organisational domain',
    { ...tree, 'example.com': { MX: ['10 mx.example.com'] } },
    'pass (MX records found: mx.example.com) header.domain=news.example.com policy.org-domain=example.com',
  ],
  [
    'an organisational domain with an address alone is a warning',
    { ...tree, 'example.com': { A: ['192.0.2.1'] } },
    'warn (no MX record, but an address) header.domain=news.example.com policy.org-domain=example.com',
  ],
  [
    'one with nothing fails',
    tree,
    'fail reason="neither MX record nor address" header.domain=news.example.com policy.org-domain=example.com',
  ],
  [
    'a name that has an address itself is not looked for above',
    { ...tree, 'example.com': { MX: ['10 mx.example.com'] }, 'news.example.com': { A: ['192.0.2.1'] } },
    'warn (no MX record, but an address) header.domain=news.example.com',
  ],
  [
    'one that says that it takes no mail neither',
    { ...tree, 'example.com': { MX: ['10 mx.example.com'] }, 'news.example.com': { MX: ['0 .'] } },
    'fail reason="the domain takes no mail (null MX)" header.domain=news.example.com',
  ],
  [
    'a tree that cannot be walked is a temporary error',
    { '_dmarc.example.com': { TXT: 'SERVFAIL' }, 'example.com': { MX: ['10 mx.example.com'] } },
    'temperror reason="DNS could not tell" header.domain=news.example.com',
  ],
];
for (const [what, zone, expected] of above) {
  test(`x-return-mx: ${what}`, async () => {
    const message = from('From: News <alice@News.Example.com>');
    const outcome = await judge({ zone, from: '', message, checks: only('x-return-mx') });
    assert.equal(unfolded(outcome), `mx.example.org; x-return-mx=${expected}`);
  });
}

test('x-return-mx: sender and author are a result each', async () => {
  const zone = { 'example.net': { MX: ['10 mx.example.net'] } };
  const outcome = await judge({ zone, from: 'bounce@example.net', checks: only('x-return-mx') });
  assert.equal(
    unfolded(outcome),
    'mx.example.org; x-return-mx=pass (MX records found: mx.example.net) smtp.domain=example.net; ' +
      'x-return-mx=fail reason="neither MX record nor address" header.domain=example.com',
  );
});

test('x-return-mx: a sender without a domain, and an author without one, leave nothing to ask', async () => {
  const nothing = 'none reason="neither the envelope sender nor an author has a domain"';
  for (const [sender, message] of [
    ['', from('Subject: none')],
    ['postmaster', from('From: undisclosed')],
    ['a@[192.0.2.1]', from('From: a@[192.0.2.1]')],
    ['a@192.0.2.1', from('From: <>')],
  ] as const) {
    const outcome = await judge({ from: sender, message, checks: only('x-return-mx') });
    assert.equal(unfolded(outcome), `mx.example.org; x-return-mx=${nothing}`, sender);
  }
});

test('x-return-mx: a domain in another alphabet is asked for by its A-label', async () => {
  const zone = { 'xn--bcher-kva.example': { MX: ['10 mx.example'] } };
  const message = from('From: a@bücher.example');
  const outcome = await judge({ zone, from: 'a@bücher.example', message, checks: only('x-return-mx') });
  assert.match(
    unfolded(outcome),
    /pass .* smtp\.domain=xn--bcher-kva\.example header\.domain=xn--bcher-kva\.example$/,
  );
});

test('x-return-mx: hundreds of authors cost the questions of five', async () => {
  const list = Array.from({ length: 200 }, (_, i) => `a@a.b.c.d.e.f.g.h.n${i}.example`).join(',\r\n ');
  const outcome = await judge({
    from: '',
    message: from(`From: ${list}`),
    checks: only('x-return-mx'),
    options: { explain: true },
  });
  assert.deepEqual(
    values(outcome),
    Array.from({ length: 5 }, () => 'x-return-mx=fail'),
  );
  const { questions } = wayOf(outcome, 'x-return-mx');
  assert.ok(questions.length <= 5 * 14, `asked ${questions.length}`);
});

test('x-return-mx: says nothing about own clients, but about unknown ones', async () => {
  const checks = only('x-return-mx');
  assert.deepEqual(values(await judge({ client: { ip: '10.0.0.1' }, checks })), []);
  assert.deepEqual(values(await judge({ client: { ip: '203.0.113.5' }, checks })), []);
  assert.deepEqual(values(await judge({ client: {}, checks })), ['x-return-mx=fail']);
});
