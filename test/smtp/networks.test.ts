// Lists of networks of both families.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Networks } from '../../src/smtp/networks.ts';

interface Case {
  readonly network: string;
  readonly inside: readonly string[];
  readonly outside: readonly string[];
}

const cases: readonly Case[] = [
  { network: '192.0.2.7', inside: ['192.0.2.7'], outside: ['192.0.2.6', '192.0.2.8', '::c000:207'] },
  {
    network: '10.0.0.0/8',
    inside: ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3', '::ffff:a01:203'],
    outside: ['9.255.255.255', '11.0.0.0', '::ffff:11.0.0.0', '::1'],
  },
  { network: '10.1.2.3/8', inside: ['10.9.9.9'], outside: ['11.1.2.3'] },
  { network: '192.0.2.4/31', inside: ['192.0.2.4', '192.0.2.5'], outside: ['192.0.2.3', '192.0.2.6'] },
  { network: '192.0.2.4/32', inside: ['192.0.2.4'], outside: ['192.0.2.5'] },
  { network: '0.0.0.0/0', inside: ['0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4'], outside: ['::1'] },
  { network: '::1', inside: ['::1', '0:0:0:0:0:0:0:1'], outside: ['::2', '::', '127.0.0.1', '0.0.0.1'] },
  {
    network: '2001:db8::/32',
    inside: ['2001:db8::', '2001:DB8:ffff:ffff:ffff:ffff:ffff:ffff'],
    outside: ['2001:db7:ffff::', '2001:db9::', '32.1.13.184'],
  },
  { network: '2001:db8::/33', inside: ['2001:db8:7fff::'], outside: ['2001:db8:8000::'] },
  { network: 'fe80::/10', inside: ['fe80::1', 'febf::1'], outside: ['fec0::1'] },
  { network: '::/0', inside: ['::1', '2001:db8::1'], outside: ['192.0.2.1', '::ffff:192.0.2.1'] },
  { network: '::ffff:192.0.2.7', inside: ['192.0.2.7', '::ffff:192.0.2.7'], outside: ['192.0.2.8'] },
  {
    network: '::ffff:10.0.0.0/104',
    inside: ['10.1.2.3', '::ffff:10.1.2.3'],
    outside: ['11.0.0.1', '::ffff:11.0.0.1'],
  },
  { network: '127.0.0.0/8', inside: ['127.0.0.1'], outside: ['::127.0.0.1', '::7f00:1'] },
  { network: '::127.0.0.1', inside: ['::127.0.0.1', '::7f00:1'], outside: ['127.0.0.1', '::127.0.0.2'] },
  { network: '::ffff:0:0/96', inside: ['192.0.2.1', '::ffff:192.0.2.1'], outside: ['::1'] },
];

for (const { network, inside, outside } of cases) {
  test(`${network}: what is inside, and what is beside it`, () => {
    const networks = new Networks([network]);
    for (const address of inside) assert.equal(networks.includes(address), true, address);
    for (const address of outside) assert.equal(networks.includes(address), false, address);
  });
}

test('an address in any of several networks is included; an empty list has none', () => {
  const networks = new Networks(['192.0.2.0/24', '2001:db8::/32', '::1']);
  assert.equal(networks.includes('::1'), true);
  assert.equal(networks.includes('192.0.2.1'), true);
  assert.equal(networks.includes('198.51.100.1'), false);
  assert.equal(new Networks([]).includes('192.0.2.1'), false);
});

test('what is no address is in no network', () => {
  const everything = new Networks(['0.0.0.0/0', '::/0']);
  for (const text of [
    '',
    'unknown',
    'localhost',
    '192.0.2.256',
    '::192.0.2.256',
    '192.0.2.1/24',
    '[::1]',
    'IPV6:::1',
    '1::2::3',
  ]) {
    assert.equal(everything.includes(text), false, JSON.stringify(text));
  }
});

test('a text that is no network is an error that names it', () => {
  const bad = [
    '',
    'localhost',
    '10',
    '10.1/16',
    '10.0.0.0/',
    '/8',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/a',
  ];
  for (const text of [
    ...bad,
    '10.0.0.256',
    '::10.0.0.256',
    ' 10.0.0.1',
    '10.0.0.0 /8',
    '0x0a.0.0.1',
    '2001:db8::g/32',
    '[::1]',
  ]) {
    assert.throws(
      () => new Networks(['192.0.2.1', text]),
      (error) => error instanceof Error && error.message.includes(JSON.stringify(text)),
      JSON.stringify(text),
    );
  }
});

test('a prefix length over the width of its family is an error', () => {
  assert.throws(() => new Networks(['10.0.0.0/33']), /"10.0.0.0\/33" has a prefix length over 32/);
  assert.throws(() => new Networks(['::1/129']), /"::1\/129" has a prefix length over 128/);
});
