// Who a client is in the outside world, how far it is trusted, and what that means for what is checked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client, ClientClass } from '../../src/authentication/check.ts';
import { type ClientMapping, Trust, type TrustOptions } from '../../src/authentication/client/trust.ts';
import { judge, unfolded, values } from './judge.ts';

const networks: TrustOptions = {
  local: ['10.0.0.0/8', '::ffff:172.16.0.0/108', 'fc00::/7', '::1'],
  trusted: ['203.0.113.0/24', '2001:db8:1::/48', '10.9.9.9'],
  map: [],
};

const classes: readonly (readonly [string | undefined, ClientClass])[] = [
  [undefined, 'unknown'],
  ['10.255.255.255', 'local'],
  ['::ffff:10.0.0.1', 'local'],
  ['::ffff:0a00:0001', 'local'],
  ['172.31.255.255', 'local'],
  ['172.32.0.1', 'stranger'],
  ['fd12:3456::1', 'local'],
  ['::1', 'local'],
  ['::2', 'stranger'],
  ['11.0.0.1', 'stranger'],
  ['203.0.113.0', 'trusted'],
  ['::ffff:203.0.113.255', 'trusted'],
  ['203.0.114.0', 'stranger'],
  ['2001:DB8:1:ffff::1', 'trusted'],
  ['2001:db8:2::1', 'stranger'],
  ['10.9.9.9', 'trusted'],
  ['10.9.9.90', 'local'],
  ['no address', 'stranger'],
];
for (const [ip, expected] of classes) {
  test(`${ip ?? 'a client without address'} is ${expected}`, () => {
    assert.equal(new Trust(networks).classOf(ip === undefined ? {} : { ip }), expected);
  });
}

const map: readonly ClientMapping[] = [
  {
    client: ['10.1.0.0/16', 'fd00:1::/32'],
    helo: ['MX.inside'],
    as: { ip: '192.0.2.1', helo: 'mx.example.com' },
  },
  { client: ['10.1.0.0/16', 'fd00:1::/32'], as: { ip: '192.0.2.2' } },
  { helo: ['relay.inside', '[10.7.7.7]'], as: { helo: 'relay.example.com' } },
  { client: ['10.2.2.2'], as: { helo: 'two.example.com' } },
  { helo: ['two.inside.'], as: { ip: '2001:db8::2' } },
  { client: ['10.0.0.0/8'], as: { ip: '192.0.2.99' } },
];

const mapped: readonly (readonly [string, Client, Client])[] = [
  [
    'network and name both fit',
    { ip: '10.1.2.3', name: 'in', helo: 'mx.INSIDE' },
    { ip: '192.0.2.1', helo: 'mx.example.com' },
  ],
  ['the network fits, the name does not', { ip: '10.1.2.3', helo: 'x' }, { ip: '192.0.2.2', helo: 'x' }],
  ['the name is not known', { ip: 'fd00:1:2::3' }, { ip: '192.0.2.2' }],
  ['an IPv4-mapped address', { ip: '::ffff:10.1.0.1', helo: 'x' }, { ip: '192.0.2.2', helo: 'x' }],
  [
    'by name alone, from anywhere',
    { ip: '198.51.100.1', name: 'n', helo: 'Relay.Inside.' },
    { ip: '198.51.100.1', name: 'n', helo: 'relay.example.com' },
  ],
  ['by name, the address unknown', { helo: 'two.inside' }, { ip: '2001:db8::2', helo: 'two.inside' }],
  ['by address literal', { helo: '[10.7.7.7]' }, { helo: 'relay.example.com' }],
  ['by address, the name unknown', { ip: '10.2.2.2' }, { ip: '10.2.2.2', helo: 'two.example.com' }],
  [
    'the first that fits counts',
    { ip: '10.2.2.2', helo: 'relay.inside' },
    { ip: '10.2.2.2', helo: 'relay.example.com' },
  ],
  [
    'the last is for all the others',
    { ip: '10.3.3.3', name: 'n', helo: 'h' },
    { ip: '192.0.2.99', helo: 'h' },
  ],
  ['nothing fits', { ip: '11.1.1.1', name: 'n', helo: 'h' }, { ip: '11.1.1.1', name: 'n', helo: 'h' }],
  ['nothing is known', {}, {}],
];
for (const [what, client, expected] of mapped) {
  test(`a client of the map: ${what}`, () => {
    assert.deepEqual(new Trust({ ...networks, map }).outside(client), expected);
  });
}

test('without a map a client is who it is', () => {
  const client = { ip: '10.1.1.1', name: 'n', helo: 'h' };
  assert.deepEqual(new Trust(networks).outside(client), client);
});

test('a client that is mapped to its own address keeps its name', () => {
  const trust = new Trust({ ...networks, map: [{ helo: ['h'], as: { ip: '192.0.2.1', helo: 'x' } }] });
  assert.deepEqual(trust.outside({ ip: '192.0.2.1', name: 'n', helo: 'h' }), {
    ip: '192.0.2.1',
    name: 'n',
    helo: 'x',
  });
});

test('a network that can’t be read is a mistake, wherever it stands', () => {
  for (const wrong of [
    { local: ['10.0.0.0/33'] },
    { trusted: ['mx.example.com'] },
    { map: [{ client: ['10'], as: { ip: '192.0.2.1' } }] },
  ]) {
    assert.throws(() => new Trust({ ...networks, ...wrong }), /is no address|prefix length/);
  }
});

const zone = {
  'example.com': { TXT: ['v=spf1 ip4:192.0.2.1 -all'] },
  '1.2.0.192.in-addr.arpa': { PTR: ['mx.example.com'] },
  'mx.example.com': { A: ['192.0.2.1'] },
};
const checks = { dkim: false, arc: false, dmarc: false };
const options = { networks: { ...networks, map } };

test('the checks see the mapped client, and its class is that of the mapped address', async () => {
  const client = { ip: '10.1.2.3', helo: 'mx.inside' };
  const outcome = await judge({ zone, client, checks, options });
  assert.deepEqual(values(outcome), ['iprev=pass', 'spf=pass']);
  assert.deepEqual(outcome.client, { ip: '192.0.2.1', helo: 'mx.example.com' });
  assert.equal(outcome.clientClass, 'stranger');
  assert.match(unfolded(outcome), /policy\.iprev=192\.0\.2\.1 /);
  const unmapped = await judge({ zone, client, checks, options: { networks } });
  assert.equal(unmapped.clientClass, 'local');
  assert.deepEqual(values(unmapped), []);
});

test('a stranger that is mapped to a local address is local', async () => {
  const local = { ...networks, map: [{ client: ['198.51.100.0/24'], as: { ip: '10.0.0.1' } }] };
  const outcome = await judge({ zone, client: { ip: '198.51.100.7' }, checks, options: { networks: local } });
  assert.equal(outcome.clientClass, 'local');
  assert.deepEqual(values(outcome), []);
});
