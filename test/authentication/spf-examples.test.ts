// The examples of RFC 7208: appendix A with its zone files, the macros of section 7.4, the records of sections 4 to 6.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHost } from '../../src/authentication/client/check-host.ts';
import { zoneResolver } from './judge.ts';

/** Appendix A. */
const addresses = {
  'example.com': { MX: ['10 mail-a.example.com', '20 mail-b.example.com'], A: ['192.0.2.10', '192.0.2.11'] },
  'amy.example.com': { A: ['192.0.2.65'] },
  'bob.example.com': { A: ['192.0.2.66'] },
  'mail-a.example.com': { A: ['192.0.2.129'] },
  'mail-b.example.com': { A: ['192.0.2.130'] },
  'www.example.com': { CNAME: ['example.com'] },
  'example.org': { MX: ['10 mail-c.example.org'] },
  'mail-c.example.org': { A: ['192.0.2.140'] },
  '10.2.0.192.in-addr.arpa': { PTR: ['example.com'] },
  '11.2.0.192.in-addr.arpa': { PTR: ['example.com'] },
  '65.2.0.192.in-addr.arpa': { PTR: ['amy.example.com'] },
  '66.2.0.192.in-addr.arpa': { PTR: ['bob.example.com'] },
  '129.2.0.192.in-addr.arpa': { PTR: ['mail-a.example.com'] },
  '130.2.0.192.in-addr.arpa': { PTR: ['mail-b.example.com'] },
  '140.2.0.192.in-addr.arpa': { PTR: ['mail-c.example.org'] },
  '4.0.0.10.in-addr.arpa': { PTR: ['bob.example.com'] },
};

async function resultFor(zone: unknown, ip: string, sender: string, helo = 'client.example.net') {
  const { resolve } = zoneResolver(zone);
  return (await checkHost({ ip, helo, sender, hostname: 'mx.example.net', resolve, explained: true })).value;
}

/** Records for example.com, with clients that pass and clients that fail. */
const simple: readonly (readonly [record: string, pass: readonly string[], fail: readonly string[]])[] = [
  ['v=spf1 +all', ['192.0.2.10', '198.51.100.1', '2001:db8::1'], []],
  ['v=spf1 a -all', ['192.0.2.10', '192.0.2.11'], ['192.0.2.65', '192.0.2.129']],
  ['v=spf1 a:example.org -all', [], ['192.0.2.10', '192.0.2.140']],
  ['v=spf1 mx -all', ['192.0.2.129', '192.0.2.130'], ['192.0.2.10', '192.0.2.140']],
  ['v=spf1 mx:example.org -all', ['192.0.2.140'], ['192.0.2.129', '192.0.2.130']],
  ['v=spf1 mx mx:example.org -all', ['192.0.2.129', '192.0.2.130', '192.0.2.140'], ['192.0.2.10']],
  [
    'v=spf1 mx/30 mx:example.org/30 -all',
    ['192.0.2.128', '192.0.2.131', '192.0.2.140', '192.0.2.143'],
    ['192.0.2.132', '192.0.2.139', '192.0.2.144'],
  ],
  ['v=spf1 ptr -all', ['192.0.2.65'], ['192.0.2.140', '10.0.0.4']],
  ['v=spf1 ip4:192.0.2.128/28 -all', ['192.0.2.129'], ['192.0.2.65']],
];
for (const [record, pass, fail] of simple) {
  test(`RFC 7208 A.1: ${record}`, async () => {
    const zone = { ...addresses, 'example.com': { ...addresses['example.com'], TXT: [record] } };
    for (const ip of pass) assert.equal(await resultFor(zone, ip, 'strong-bad@example.com'), 'pass', ip);
    for (const ip of fail) assert.equal(await resultFor(zone, ip, 'strong-bad@example.com'), 'fail', ip);
  });
}

test('RFC 7208 A.2: domains that share records by include and redirect', async () => {
  const zone = {
    ...addresses,
    'example.com': { ...addresses['example.com'], TXT: ['v=spf1 mx -all'] },
    'example.net': { TXT: ['v=spf1 ip4:198.51.100.7 -all'] },
    'example.org': {
      ...addresses['example.org'],
      TXT: ['v=spf1 include:example.com include:example.net -all'],
    },
    'la.example.org': { TXT: ['v=spf1 redirect=example.org'] },
  };
  for (const sender of ['a@example.org', 'a@la.example.org']) {
    assert.equal(await resultFor(zone, '192.0.2.129', sender), 'pass');
    assert.equal(await resultFor(zone, '198.51.100.7', sender), 'pass');
    assert.equal(await resultFor(zone, '192.0.2.140', sender), 'fail');
  }
});

test('RFC 7208 A.3: people on the road, by names that are looked up', async () => {
  const zone = {
    ...addresses,
    'example.com': {
      ...addresses['example.com'],
      TXT: ['v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all'],
    },
    'mobile-users._spf.example.com': { TXT: ['v=spf1 exists:%{l1r+}.%{d}'] },
    'mary.mobile-users._spf.example.com': { A: ['127.0.0.2'] },
    'fred.mobile-users._spf.example.com': { A: ['127.0.0.2'] },
    'remote-users._spf.example.com': { TXT: ['v=spf1 exists:%{ir}.%{l1r+}.%{d}'] },
    '15.15.168.192.joel.remote-users._spf.example.com': { A: ['127.0.0.2'] },
    '16.15.168.192.joel.remote-users._spf.example.com': { A: ['127.0.0.2'] },
  };
  assert.equal(await resultFor(zone, '198.51.100.1', 'mary+list@example.com'), 'pass');
  assert.equal(await resultFor(zone, '192.168.15.15', 'joel@example.com'), 'pass');
  assert.equal(await resultFor(zone, '192.168.15.17', 'joel@example.com'), 'fail');
  assert.equal(await resultFor(zone, '198.51.100.1', 'eve@example.com'), 'fail');
  assert.equal(await resultFor(zone, '192.0.2.129', 'eve@example.com'), 'pass');
});

test('RFC 7208 A.4: two requirements at once', async () => {
  const zone = {
    ...addresses,
    'example.com': {
      ...addresses['example.com'],
      TXT: ['v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all'],
    },
    'ip4._spf.example.com': { TXT: ['v=spf1 -ip4:192.0.2.0/24 +all'] },
    'ptr._spf.example.com': { TXT: ['v=spf1 -ptr:example.com +all'] },
  };
  assert.equal(await resultFor(zone, '192.0.2.65', 'a@example.com'), 'pass');
  assert.equal(await resultFor(zone, '192.0.2.140', 'a@example.com'), 'fail');
  assert.equal(await resultFor(zone, '198.51.100.1', 'a@example.com'), 'fail');
});

/** Section 7.4, for strong-bad@email.example.com from 192.0.2.3, or from 2001:db8::cb01. */
const macros: readonly (readonly [macro: string, expanded: string, ip?: string])[] = [
  ['%{o}', 'email.example.com'],
  ['%{d}', 'email.example.com'],
  ['%{d4}', 'email.example.com'],
  ['%{d3}', 'email.example.com'],
  ['%{d2}', 'example.com'],
  ['%{d1}', 'com'],
  ['%{dr}', 'com.example.email'],
  ['%{d2r}', 'example.email'],
  ['%{l}', 'strong-bad'],
  ['%{l-}', 'strong.bad'],
  ['%{lr}', 'strong-bad'],
  ['%{lr-}', 'bad.strong'],
  ['%{l1r-}', 'strong'],
  ['%{ir}.%{v}._spf.%{d2}', '3.2.0.192.in-addr._spf.example.com'],
  ['%{lr-}.lp._spf.%{d2}', 'bad.strong.lp._spf.example.com'],
  ['%{lr-}.lp.%{ir}.%{v}._spf.%{d2}', 'bad.strong.lp.3.2.0.192.in-addr._spf.example.com'],
  ['%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}', '3.2.0.192.in-addr.strong.lp._spf.example.com'],
  ['%{d2}.trusted-domains.example.net', 'example.com.trusted-domains.example.net'],
  [
    '%{ir}.%{v}._spf.%{d2}',
    '1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com',
    '2001:db8::cb01',
  ],
];
for (const [macro, expanded, ip = '192.0.2.3'] of macros) {
  test(`RFC 7208 §7.4: ${macro} is ${expanded}`, async () => {
    const zone = {
      'email.example.com': { TXT: [`v=spf1 exists:${macro}.test.example -all`] },
      [`${expanded}.test.example`]: { A: ['127.0.0.2'] },
    };
    const { resolve } = zoneResolver(zone);
    const sender = 'strong-bad@email.example.com';
    const answer = await checkHost({
      ip,
      helo: 'x.example',
      sender,
      hostname: 'mx.example.net',
      resolve,
      explained: true,
    });
    assert.equal(answer.value, 'pass');
    assert.equal(answer.mechanism, `exists:${expanded}.test.example`);
    assert.equal(answer.mailFrom, macro.includes('%{l') ? sender : 'email.example.com');
  });
}
