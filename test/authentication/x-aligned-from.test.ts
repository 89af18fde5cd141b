// x-aligned-from in each way it can end, against a static zone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, plain, unfolded, values } from './judge.ts';
import { only, wayOf } from './only.ts';

const from = (field: string) => plain.replace('From: Alice <alice@example.com>', field);
const tree = { '_dmarc.example.com': { TXT: ['v=DMARC1; p=none'] } };
const aligned = (how: string, comment: string) => `pass (${comment}) policy.aligned-from=${how}`;
const nothingInCommon = 'fail reason="envelope sender and author have no domain in common"';

const cases: readonly (readonly [
  what: string,
  sender: string,
  field: string,
  expected: string,
  zone?: unknown,
])[] = [
  ['the same address', 'alice@example.com', 'From: <alice@example.com>', aligned('address', 'same address')],
  [
    'case does not matter',
    'Alice@Example.COM',
    'From: aLICE@example.com',
    aligned('address', 'same address'),
  ],
  [
    'quotes do not matter',
    '"alice"@example.com',
    'From: alice@example.com',
    aligned('address', 'same address'),
  ],
  [
    'a final dot does not matter',
    'alice@example.com.',
    'From: alice@example.com',
    aligned('address', 'same address'),
  ],
  [
    'neither does the alphabet',
    'a@xn--bcher-kva.example',
    'From: a@bücher.example',
    aligned('address', 'same address'),
  ],
  [
    'another address of the domain',
    'bounce+1@example.com',
    'From: alice@example.com',
    aligned('domain', 'same domain'),
  ],
  [
    'domains of one organisation',
    'bounce@mail.example.com',
    'From: alice@news.example.com',
    aligned('org-domain', 'both belong to example.com'),
    tree,
  ],
  [
    'a domain and the organisational domain above it',
    'bounce@mail.example.com',
    'From: alice@example.com',
    aligned('org-domain', 'both belong to example.com'),
    tree,
  ],
  [
    'names of which nobody says that they belong together',
    'a@mail.example.com',
    'From: a@example.com',
    nothingInCommon,
  ],
  [
    'neighbours below a public suffix',
    'a@one.co.example',
    'From: a@two.co.example',
    nothingInCommon,
    { '_dmarc.co.example': { TXT: ['v=DMARC1; p=none; psd=y'] } },
  ],
  ['another domain', 'a@example.net', 'From: a@example.com', nothingInCommon, tree],
  ['a domain that ends like the other', 'a@notexample.com', 'From: a@example.com', nothingInCommon, tree],
  ['different addresses of hosts', 'a@[192.0.2.1]', 'From: a@[192.0.2.2]', nothingInCommon],
  [
    'a tree that cannot be walked',
    'a@mail.example.com',
    'From: a@example.com',
    'temperror reason="DNS could not tell the organisational domains"',
    { '_dmarc.example.com': { TXT: 'TIMEOUT' } },
  ],
  ['a null sender', '', 'From: alice@example.com', 'none reason="null sender"'],
  [
    'a sender without a domain',
    'alice',
    'From: alice@example.com',
    'none reason="the envelope sender has no domain"',
  ],
  ['no From', 'alice@example.com', 'X-From: alice@example.com', 'none reason="no author in From"'],
  ['a From without an address', 'alice@example.com', 'From: ', 'none reason="no author in From"'],
  [
    'two From fields',
    'alice@example.com',
    'From: alice@example.com\r\nFrom: eve@example.net',
    'permerror reason="several From fields"',
  ],
  [
    'the same From twice',
    'alice@example.com',
    'From: alice@example.com\r\nFrom: alice@example.com',
    'permerror reason="several From fields"',
  ],
  [
    'two authors',
    'alice@example.com',
    'From: alice@example.com, bob@example.com',
    'permerror reason="several authors in From"',
  ],
  [
    'an author of two domains',
    'alice@example.com',
    'From: <alice@example.com@example.net>',
    'permerror reason="the address in From can not be read"',
  ],
];
for (const [what, sender, field, expected, zone = {}] of cases) {
  test(`x-aligned-from: ${what}`, async () => {
    const outcome = await judge({ zone, from: sender, message: from(field), checks: only('x-aligned-from') });
    assert.equal(unfolded(outcome), `mx.example.org; x-aligned-from=${expected}`);
  });
}

test('x-aligned-from: ten From fields, and five thousand authors, have their result', async () => {
  const ten = Array.from({ length: 10 }, (_, i) => `From: a${i}@example.com`).join('\r\n');
  const many = `From: ${Array.from({ length: 5000 }, (_, i) => `a${i}@example.com`).join(',\r\n ')}`;
  for (const field of [ten, many]) {
    const outcome = await judge({ message: from(field), checks: only('x-aligned-from') });
    assert.deepEqual(values(outcome), ['x-aligned-from=permerror']);
  }
});

test('x-aligned-from: the explanation shows both domains and what is above them', async () => {
  const outcome = await judge({
    zone: tree,
    from: 'a@mail.example.com',
    checks: only('x-aligned-from'),
    options: { explain: true },
  });
  assert.deepEqual(wayOf(outcome, 'x-aligned-from').facts, {
    domains: { sender: 'mail.example.com', author: 'example.com' },
    'organisational domains': { sender: 'example.com', author: 'example.com' },
  });
});

test('x-aligned-from: says nothing about own clients', async () => {
  for (const ip of ['10.0.0.1', '203.0.113.5']) {
    assert.deepEqual(values(await judge({ client: { ip }, checks: only('x-aligned-from') })), []);
  }
});
