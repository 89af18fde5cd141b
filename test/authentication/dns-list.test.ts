// dnswl and dnsbl in each way they can end, against static zones with the entries of RFC 5782 and RFC 8904.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksSchema } from '../../src/authentication/checks.ts';
import { judge, unfolded, values } from './judge.ts';
import { only, wayOf } from './only.ts';

const white = 'list.example.com';
const black = 'bad.example.com';
/** The client is 192.0.2.10. */
const listed = (zone: string, ...A: string[]) => ({
  [`10.2.0.192.${zone}`]: { A },
  [`2.0.0.127.${zone}`]: { A: ['127.0.0.2'] },
});
const one = (zone: string, more: object = {}) => ({ zones: [{ zone, ...more }] });
const levels = {
  '127.0.*.0': { value: 'none', text: 'no trust' },
  '127.0.*.1-2': { value: 'pass', text: 'some trust' },
  '127.0.*.3': { value: 'pass', text: 'high trust' },
};

const refused = 'permerror reason="the zone refuses to answer (over quota, or not for this resolver)"';
const cases: readonly (readonly [
  what: string,
  check: string,
  options: object,
  zone: unknown,
  expected: string,
])[] = [
  [
    'a listed client passes',
    'dnswl',
    one(white),
    {
      '10.2.0.192.list.example.com': {
        A: ['127.0.9.2'],
        TXT: ['fwd.example https://list.example/?d=fwd.example'],
      },
    },
    'dnswl=pass dns.zone=list.example.com policy.ip=127.0.9.2 policy.txt="fwd.example https://list.example/?d=fwd.example"',
  ],
  ['one that is not listed is none', 'dnswl', one(white), {}, 'dnswl=none dns.zone=list.example.com'],
  [
    'a zone in trouble is a temporary error',
    'dnswl',
    one(white),
    { '10.2.0.192.list.example.com': { A: 'SERVFAIL' } },
    'dnswl=temperror reason="the zone could not be asked" dns.zone=list.example.com',
  ],
  [
    'a loop of aliases too',
    'dnswl',
    one(white),
    { '10.2.0.192.list.example.com': { CNAME: ['10.2.0.192.list.example.com'] } },
    'dnswl=temperror reason="the zone could not be asked" dns.zone=list.example.com',
  ],
  [
    'a list that is over its quota lists nobody (RFC 8904 §2)',
    'dnswl',
    one(white),
    listed(white, '127.0.0.255'),
    `dnswl=${refused} dns.zone=list.example.com policy.ip=127.0.0.255`,
  ],
  [
    'an answer to the wrong resolver lists nobody, even where states would have it',
    'dnsbl',
    one(black, { states: { '127.*.*.*': { value: 'fail' } } }),
    listed(black, '127.255.255.254'),
    `dnsbl=${refused} dns.zone=bad.example.com policy.ip=127.255.255.254`,
  ],
  [
    '127.0.0.1 is no listing (RFC 5782 §2.1)',
    'dnsbl',
    one(black),
    listed(black, '127.0.0.1'),
    `dnsbl=${refused} dns.zone=bad.example.com policy.ip=127.0.0.1`,
  ],
  [
    'unless the administrator gives it a meaning',
    'dnsbl',
    one(black, { states: { '127.0.0.1': { value: 'policy', text: 'grey' } } }),
    listed(black, '127.0.0.1'),
    'dnsbl=policy (grey) dns.zone=bad.example.com policy.ip=127.0.0.1',
  ],
  [
    'a listed client fails',
    'dnsbl',
    one(black),
    listed(black, '127.0.0.4', '127.0.0.2'),
    'dnsbl=fail dns.zone=bad.example.com policy.ip="127.0.0.4,127.0.0.2"',
  ],
  [
    'an address outside 127.0.0.0/8 is no listing (RFC 5782 §2.1)',
    'dnsbl',
    one(black),
    { '10.2.0.192.bad.example.com': { A: ['198.51.100.80'] } },
    'dnsbl=none reason="the answer is not in 127.0.0.0/8, and no listing" dns.zone=bad.example.com',
  ],
  [
    'beside a listing it is left out',
    'dnsbl',
    one(black),
    listed(black, '198.51.100.80', '127.0.0.2'),
    'dnsbl=fail dns.zone=bad.example.com policy.ip=127.0.0.2',
  ],
  [
    'a zone that lists its test entry lists everything (RFC 5782 §5)',
    'dnsbl',
    one(black),
    { ...listed(black, '127.0.0.2'), '1.0.0.127.bad.example.com': { A: ['127.0.0.2'] } },
    'dnsbl=permerror reason="the zone lists every address" dns.zone=bad.example.com policy.ip=127.0.0.2',
  ],
  [
    'a test entry that cannot be had is no reason to doubt',
    'dnsbl',
    one(black),
    { ...listed(black, '127.0.0.2'), '1.0.0.127.bad.example.com': { A: 'TIMEOUT' } },
    'dnsbl=fail dns.zone=bad.example.com policy.ip=127.0.0.2',
  ],
  [
    'states say what an answer means',
    'dnswl',
    one(white, { states: levels }),
    listed(white, '127.0.9.2'),
    'dnswl=pass (some trust) dns.zone=list.example.com policy.ip=127.0.9.2',
  ],
  [
    'the first state that fits counts',
    'dnswl',
    one(white, { states: levels }),
    listed(white, '127.0.9.3', '127.0.5.0'),
    'dnswl=none (no trust) dns.zone=list.example.com policy.ip="127.0.9.3,127.0.5.0"',
  ],
  [
    'an answer without a state has no meaning',
    'dnswl',
    one(white, { states: levels }),
    listed(white, '127.0.9.4'),
    'dnswl=none reason="the configuration gives this answer no meaning" dns.zone=list.example.com policy.ip=127.0.9.4',
  ],
  [
    'a text of the zone cannot say more than a text may',
    'dnsbl',
    one(black),
    { '10.2.0.192.bad.example.com': { A: ['127.0.0.2'], TXT: ['"; spf=pass\r\nX-Spam: no\t(ü)'] } },
    'dnsbl=fail dns.zone=bad.example.com policy.ip=127.0.0.2 policy.txt="\\"; spf=pass X-Spam: no (?)"',
  ],
  [
    'a text of 70 kB is cut',
    'dnsbl',
    one(black),
    { '10.2.0.192.bad.example.com': { A: ['127.0.0.2'], TXT: ['long '.repeat(14_000)] } },
    `dnsbl=fail dns.zone=bad.example.com policy.ip=127.0.0.2 policy.txt="${'long '.repeat(60).trim()}"`,
  ],
];
for (const [what, check, options, zone, expected] of cases) {
  test(`${check}: ${what}`, async () => {
    const outcome = await judge({ zone, checks: only(check, { ...options }) });
    assert.equal(unfolded(outcome), `mx.example.org; ${expected}`);
  });
}

test('dnswl: the example of RFC 8904, but for dns.sec, which needs a validating resolver', async () => {
  const zone = {
    '10.2.0.192.list.dnswl.example': {
      A: ['127.0.10.1'],
      TXT: ['fwd.example https://dnswl.example/?d=fwd.example'],
    },
  };
  const outcome = await judge({ zone, checks: only('dnswl', one('list.dnswl.example')) });
  assert.equal(
    unfolded(outcome),
    'mx.example.org; dnswl=pass dns.zone=list.dnswl.example policy.ip=127.0.10.1 ' +
      'policy.txt="fwd.example https://dnswl.example/?d=fwd.example"',
  );
});

test('dnsbl: IPv6 clients are asked for by nibbles (RFC 5782 §2.4)', async () => {
  const nibbles = '1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2';
  const zone = { [`${nibbles}.v6.example`]: { A: ['127.0.0.2'] } };
  const client = { ip: '2001:db8::cb01' };
  const outcome = await judge({
    zone,
    client,
    checks: only('dnsbl', one('v6.example')),
    options: { explain: true },
  });
  assert.deepEqual(values(outcome), ['dnsbl=fail']);
  assert.deepEqual(wayOf(outcome, 'dnsbl').questions, [
    `A ${nibbles}.v6.example`,
    // ::FFFF:7F00:1 (RFC 5782 §5)
    'A 1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.v6.example',
    `TXT ${nibbles}.v6.example`,
  ]);
});

test('dnswl: any number of zones is asked, each a result of its own, in their order', async () => {
  const zones = ['a.example', 'b.example', 'C.Example.', 'd.example'].map((zone) => ({ zone }));
  const zone = {
    ...listed('a.example', '127.0.0.2'),
    ...listed('c.example', '127.0.0.2'),
    '10.2.0.192.d.example': { A: 'TIMEOUT' },
  };
  const outcome = await judge({ zone, checks: only('dnswl', { zones }) });
  assert.equal(
    unfolded(outcome).replace(/ reason="[^"]*"| policy\.ip=\S+(?=;)/g, ''),
    'mx.example.org; dnswl=pass dns.zone=a.example; dnswl=none dns.zone=b.example; ' +
      'dnswl=pass dns.zone=c.example; dnswl=temperror dns.zone=d.example',
  );
});

test('dnswl: nothing but the address is asked for where a client is not listed', async () => {
  const outcome = await judge({ checks: only('dnswl', one(white)), options: { explain: true } });
  assert.deepEqual(wayOf(outcome, 'dnswl').questions, ['A 10.2.0.192.list.example.com']);
});

test('dnswl: a field of its own tells every result', async () => {
  const options = one(white, { field: 'X-DNSWL', states: levels });
  const tell = async (zone: unknown) =>
    (await judge({ zone, checks: only('dnswl', options) })).fields.slice(1);
  assert.deepEqual(await tell(listed(white, '127.0.9.3')), [
    'X-DNSWL: pass list.example.com 127.0.9.3 (high trust)\r\n',
  ]);
  assert.deepEqual(await tell({}), ['X-DNSWL: none list.example.com\r\n']);
  assert.deepEqual(await tell({ '10.2.0.192.list.example.com': { A: 'TIMEOUT' } }), [
    'X-DNSWL: temperror list.example.com (the zone could not be asked)\r\n',
  ]);
});

test('dnswl: nobody else can write its field, nor in another case', async () => {
  const outcome = await judge({ client: {}, checks: only('dnswl', one(white, { field: 'X-DNSWL' })) });
  const forged = Buffer.from('x-dnswl : pass list.example.com 127.0.9.3\r\n');
  assert.equal(outcome.rewrite('x-dnswl', forged)?.length, 0);
  assert.equal(outcome.rewrite('X-Other', Buffer.from('X-Other: 1\r\n')), undefined);
});

test('dnsbl: own clients and unknown ones are not looked up', async () => {
  for (const client of [{ ip: '10.0.0.1' }, { ip: '203.0.113.5' }, {}]) {
    const outcome = await judge({ client, checks: only('dnsbl', one(black, { field: 'X-Listed' })) });
    assert.deepEqual(values(outcome), []);
    assert.equal(outcome.fields.length, 1);
  }
});

test('dnswl, dnsbl: a mistake in their options is told', () => {
  const wrong: readonly object[] = [
    {},
    { zones: [] },
    one('no name'),
    one('localhost'),
    one(white, { states: { '192.0.2.1': { value: 'pass' } } }),
    one(white, { states: { '127.0.0': { value: 'pass' } } }),
    one(white, { states: { '127.0.0.2': { value: 'listed' } } }),
    // No answer could ever fit.
    one(white, { states: { '127.0.0.256': { value: 'pass' } } }),
    one(white, { states: { '127.0.0.7-4': { value: 'pass' } } }),
    one(white, { states: { '127.0.0.250-260': { value: 'pass' } } }),
    one(white, { states: { '127.0.0.2.*': { value: 'pass' } } }),
    // No name could be asked for an IPv6 client.
    one(`${'a.'.repeat(94)}ab`),
    one(white, { field: 'X DNSWL' }),
    one(white, { field: 'X-Subject:' }),
    // What a message has under that name is removed.
    one(white, { field: 'Subject' }),
  ];
  for (const options of wrong) {
    assert.ok(!checksSchema.safeParse({ dnswl: options }).success, JSON.stringify(options));
    assert.ok(!checksSchema.safeParse({ dnsbl: options }).success, JSON.stringify(options));
  }
});
