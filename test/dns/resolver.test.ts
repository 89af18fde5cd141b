// The resolver against a name server on loopback: cache, joined questions, failures, deadline, zone.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type DnsOptions, Resolver } from '../../src/dns/resolver.ts';
import { parseZone, type Zone } from '../../src/dns/zone.ts';
import { NameServer } from '../support/name-server.ts';

function resolver(t: TestContext, server: NameServer, options: Partial<DnsOptions> = {}): Resolver {
  const made = new Resolver({
    servers: [server.address],
    timeoutMs: 2000,
    tries: 1,
    zoneOnly: false,
    cache: { entries: 100, maxAgeMs: 60_000, failureAgeMs: 60_000 },
    transactionMs: 10_000,
    ...options,
  });
  t.after(() => made.close());
  return made;
}

test('every type comes in the form of dns.promises.resolve', async (t) => {
  await using server = await NameServer.start({
    'A a.example': { values: ['192.0.2.1', '192.0.2.2'] },
    'AAAA a.example': { values: ['2001:db8::1'] },
    'TXT a.example': { values: ['x'.repeat(300)] },
    'MX a.example': { values: ['10 mx.a.example'] },
    'PTR 1.2.0.192.in-addr.arpa': { values: ['a.example'] },
  });
  const { resolve } = resolver(t, server);
  assert.deepEqual(await resolve('a.example', 'A'), ['192.0.2.1', '192.0.2.2']);
  assert.deepEqual(await resolve('a.example', 'AAAA'), ['2001:db8::1']);
  assert.deepEqual(await resolve('a.example', 'TXT'), [['x'.repeat(255), 'x'.repeat(45)]]);
  const [exchange] = await resolve('a.example', 'MX');
  assert.ok(typeof exchange === 'object' && 'exchange' in exchange);
  assert.deepEqual([exchange.exchange, exchange.priority], ['mx.a.example', 10]);
  assert.deepEqual(await resolve('1.2.0.192.in-addr.arpa', 'PTR'), ['a.example']);
});

test('an answer is asked for once, whatever the case of the name, and each caller owns its list', async (t) => {
  await using server = await NameServer.start({ 'TXT a.example': { values: ['one'] } });
  const dns = resolver(t, server);
  const first = await dns.resolve('a.example', 'TXT');
  first.length = 0;
  assert.deepEqual(await dns.resolve('A.EXAMPLE.', 'txt'), [['one']]);
  assert.deepEqual(server.questions, ['TXT a.example']);
  assert.equal(dns.counts.cached, 1);
});

test('a name with a NUL in it is no name, and never asked for as what stands before the NUL', async (t) => {
  await using server = await NameServer.start({ 'TXT evil.example': { values: ['v=spf1 +all'] } });
  const dns = resolver(t, server);
  const answer = dns.resolve('evil.example\0.bank.example', 'TXT');
  await assert.rejects(answer, { code: 'EBADNAME' });
  assert.deepEqual(server.questions, []);
});

test('the same question of several messages goes out once', async (t) => {
  await using server = await NameServer.start({ 'TXT a.example': { values: ['one'] } });
  const dns = resolver(t, server);
  server.hold();
  const answers = Promise.all([1, 2, 3].map(() => dns.resolve('a.example', 'TXT')));
  await server.asked(1);
  server.release();
  assert.deepEqual(await answers, [[['one']], [['one']], [['one']]]);
  assert.deepEqual(server.questions, ['TXT a.example']);
  assert.deepEqual([dns.counts.network, dns.counts.joined], [1, 2]);
});

test('an address with a TTL of 0 is asked for each time', async (t) => {
  await using server = await NameServer.start({ 'A a.example': { values: ['192.0.2.1'], ttl: 0 } });
  const { resolve } = resolver(t, server);
  await resolve('a.example', 'A');
  await resolve('a.example', 'A');
  assert.equal(server.questions.length, 2);
});

/** A clock that only goes when it is told to. */
function clock(t: TestContext): (ms: number) => Promise<void> {
  let now = performance.now();
  t.mock.method(performance, 'now', () => now);
  return async (ms) => {
    now += ms;
    // The cache looks at the clock once a millisecond.
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
}

test('an answer is kept for as long as it may be, an address no longer than the shortest TTL', async (t) => {
  const values = ['192.0.2.1', '192.0.2.2'];
  await using server = await NameServer.start({
    'TXT a.example': { values: ['one'], ttl: 10 },
    'A long.example': { values, ttl: 300 },
    'A short.example': { values, ttl: [300, 20] },
  });
  const { resolve } = resolver(t, server);
  const pass = clock(t);
  const askAll = async () => {
    const before = server.questions.length;
    for (const question of ['TXT a.example', 'A long.example', 'A short.example']) {
      const [type = '', name = ''] = question.split(' ');
      await resolve(name, type);
    }
    return server.questions.slice(before);
  };
  assert.equal((await askAll()).length, 3);
  await pass(19_000);
  assert.deepEqual(await askAll(), []);
  await pass(2_000);
  assert.deepEqual(await askAll(), ['A short.example']);
  await pass(40_000);
  assert.deepEqual(await askAll(), ['TXT a.example', 'A long.example', 'A short.example']);
});

test('that there is no name is remembered as long as it may be, trouble of a server for 5 s', async (t) => {
  await using server = await NameServer.start({ 'TXT b.example': { code: 'SERVFAIL' } });
  const dns = resolver(t, server);
  const pass = clock(t);
  const asked = async (name: string) => {
    const before = server.questions.length;
    await assert.rejects(dns.resolve(name, 'TXT'));
    return server.questions.length > before;
  };
  assert.deepEqual([await asked('a.example'), await asked('b.example')], [true, true]);
  await pass(4_900);
  assert.deepEqual([await asked('a.example'), await asked('b.example')], [false, false]);
  await pass(200);
  assert.deepEqual([await asked('a.example'), await asked('b.example')], [false, true]);
  await pass(55_000);
  assert.equal(await asked('a.example'), true);
  assert.deepEqual([dns.counts.network, dns.counts.failed], [4, 2], 'that there is no name is no failure');
});

const failures = [
  ['NXDOMAIN', 'ENOTFOUND'],
  ['NOERROR', 'ENODATA'],
  ['SERVFAIL', 'ESERVFAIL'],
  ['REFUSED', 'EREFUSED'],
] as const;
for (const [code, expected] of failures) {
  test(`${code} is ${expected}, and is remembered`, async (t) => {
    await using server = await NameServer.start({ 'TXT a.example': { code } });
    const { resolve } = resolver(t, server);
    await assert.rejects(resolve('a.example', 'TXT'), { code: expected });
    const asked = server.questions.length;
    await assert.rejects(resolve('a.example', 'TXT'), { code: expected });
    assert.equal(server.questions.length, asked);
  });
}

test('failures are not kept when their age is 0', async (t) => {
  await using server = await NameServer.start({ 'TXT a.example': { code: 'NXDOMAIN' } });
  const { resolve } = resolver(t, server, { cache: { entries: 10, maxAgeMs: 60_000, failureAgeMs: 0 } });
  await assert.rejects(resolve('a.example', 'TXT'));
  server.responses.set('TXT a.example', { values: ['now'] });
  assert.deepEqual(await resolve('a.example', 'TXT'), [['now']]);
});

test('a server that does not answer is a timeout', async (t) => {
  await using server = await NameServer.start({ 'TXT a.example': 'silent' });
  const { resolve } = resolver(t, server, { timeoutMs: 50 });
  await assert.rejects(resolve('a.example', 'TXT'), { code: 'ETIMEOUT' });
});

test('a slow domain has the whole timeout, however quick the server was with others', async (t) => {
  const quick = Array.from({ length: 10 }, (_, i) => `${i}.example`);
  await using server = await NameServer.start({ 'TXT slow.example': { values: ['late'] } });
  const dns = resolver(t, server, { timeoutMs: 5000 });
  for (const name of quick) await assert.rejects(dns.resolve(name, 'TXT'), { code: 'ENOTFOUND' });
  server.hold();
  const slow = dns.resolve('slow.example', 'TXT');
  // By then it is not waited for any more by whoever has learned how quick the server is.
  await Promise.race([server.asked(quick.length + 2), slow]);
  server.release();
  assert.deepEqual(await slow, [['late']]);
});

test('a slow domain is not waited for when the resolver is closed', async (t) => {
  const quick = Array.from({ length: 10 }, (_, i) => `${i}.example`);
  await using server = await NameServer.start({ 'TXT slow.example': 'silent' });
  const dns = resolver(t, server, { timeoutMs: 5000 });
  for (const name of quick) await assert.rejects(dns.resolve(name, 'TXT'), { code: 'ENOTFOUND' });
  const slow = assert.rejects(dns.resolve('slow.example', 'TXT'), { code: 'ECANCELLED' });
  await Promise.race([server.asked(quick.length + 2), slow]);
  dns.close();
  await slow;
});

test('the oldest answers give way when the cache is full', async (t) => {
  await using server = await NameServer.start({
    'TXT a.example': { values: ['a'] },
    'TXT b.example': { values: ['b'] },
  });
  const { resolve } = resolver(t, server, { cache: { entries: 1, maxAgeMs: 60_000, failureAgeMs: 0 } });
  for (const name of ['a.example', 'b.example', 'a.example']) await resolve(name, 'TXT');
  assert.equal(server.questions.length, 3);
});

test('large answers take the places of several in the cache', async (t) => {
  const large = { values: ['x'.repeat(1000)] };
  await using server = await NameServer.start({ 'TXT a.example': large, 'TXT b.example': large });
  const dns = resolver(t, server, { cache: { entries: 4, maxAgeMs: 60_000, failureAgeMs: 0 } });
  for (const name of ['a.example', 'b.example']) await dns.resolve(name, 'TXT');
  assert.equal(dns.entries, 1);
});

test('one transaction waits no longer than it may in sum, and others are not disturbed by that', async (t) => {
  await using server = await NameServer.start({ 'TXT a.example': { values: ['late'] } });
  const dns = resolver(t, server, { transactionMs: 30 });
  server.hold();
  const resolve = dns.forTransaction(new AbortController().signal);
  const patient = dns.resolve('a.example', 'TXT');
  await assert.rejects(resolve('a.example', 'TXT'), { code: 'ETIMEOUT' });
  await assert.rejects(resolve('b.example', 'TXT'), { code: 'ETIMEOUT' });
  server.release();
  assert.deepEqual(await patient, [['late']]);
  assert.deepEqual(server.questions, ['TXT a.example'], 'nothing is asked when the time is used up');
});

test('the time of a transaction is that of questions one after another, of those side by side the longest', async (t) => {
  const names = ['a.example', 'b.example', 'c.example', 'd.example'] as const;
  await using server = await NameServer.start(
    Object.fromEntries(names.map((name) => [`TXT ${name}`, { values: [name] }])),
  );
  const dns = resolver(t, server, { transactionMs: 10_000 });
  const pass = clock(t);
  const { signal } = new AbortController();
  const resolve = dns.forTransaction(signal);
  const asked = async (ms: number, ...some: readonly string[]) => {
    const before = server.questions.length;
    server.hold();
    const answers = Promise.all(some.map((name) => resolve(name, 'TXT')));
    await server.asked(before + some.length);
    await pass(ms);
    server.release();
    return answers;
  };
  await asked(6_000, names[0], names[1]);
  assert.deepEqual(await asked(5_000, names[2]), [[[names[2]]]], 'there were 4 s left');
  await assert.rejects(resolve(names[3], 'TXT'), { code: 'ETIMEOUT' });
  await assert.rejects(resolve(names[0], 'TXT'), { code: 'ETIMEOUT' }, 'nor is what is known told any more');
  assert.equal(server.questions.length, 3);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('an aborted transaction asks nothing and waits for nothing', async (t) => {
  await using server = await NameServer.start({ 'TXT a.example': 'silent' });
  const dns = resolver(t, server);
  const controller = new AbortController();
  const resolve = dns.forTransaction(controller.signal);
  const open = resolve('a.example', 'TXT');
  controller.abort();
  await assert.rejects(open, { code: 'ECANCELLED' });
  await assert.rejects(resolve('b.example', 'TXT'), { code: 'ECANCELLED' });
});

test('the zone answers before the network, which gets the names that the zone lacks', async (t) => {
  await using server = await NameServer.start({
    'TXT a.example': { values: ['from the network'] },
    'TXT b.example': { values: ['b'] },
  });
  const zone = parseZone({
    'a.example': { TXT: ['from the zone'] },
    'c.example': { CNAME: ['b.example'] },
    'd.example': { A: ['192.0.2.1'] },
  }) as Zone;
  const { resolve } = resolver(t, server, { zone });
  assert.deepEqual(await resolve('A.example', 'TXT'), [['from the zone']]);
  assert.deepEqual(await resolve('b.example', 'TXT'), [['b']]);
  assert.deepEqual(await resolve('c.example', 'TXT'), [['b']]);
  await assert.rejects(resolve('d.example', 'TXT'), { code: 'ENODATA' });
  assert.deepEqual(server.questions, ['TXT b.example']);
});

test('with zoneOnly a name that the zone lacks does not exist, and the network is never asked', async (t) => {
  await using server = await NameServer.start({ 'TXT a.example': { values: ['a'] } });
  const { resolve } = resolver(t, server, { zoneOnly: true });
  await assert.rejects(resolve('a.example', 'TXT'), { code: 'ENOTFOUND' });
  assert.deepEqual(server.questions, []);
});

test('what is no name at all is an error of the question', async (t) => {
  await using server = await NameServer.start();
  const { resolve } = resolver(t, server);
  await assert.rejects(resolve(`${'x'.repeat(64)}.example`, 'TXT'), { code: 'EBADNAME' });
});

test('a name is never asked for in part: neither up to a NUL, nor the root for one that no alphabet has', async (t) => {
  await using server = await NameServer.start({
    'TXT key.evil.example': { values: ['cut off'] },
    'TXT xn--bcher-kva.example': { values: ['whole'] },
  });
  const { resolve } = resolver(t, server);
  for (const name of [
    'key.evil.example\0.bank.example',
    '\ufffd.example',
    'a\u200db.example',
    '\u0378.example',
  ]) {
    await assert.rejects(resolve(name, 'TXT'), { code: 'EBADNAME' }, JSON.stringify(name));
  }
  assert.deepEqual(server.questions, []);
  assert.deepEqual(await resolve('bücher.example', 'TXT'), [['whole']]);
});

test('an alias of a name without such records is as good as none, whatever the type', async (t) => {
  const types = ['A', 'AAAA', 'MX', 'TXT', 'PTR'];
  await using server = await NameServer.start(
    Object.fromEntries(types.map((type) => [`${type} a.example`, { alias: 'b.example' }])),
  );
  const { resolve } = resolver(t, server);
  for (const type of types) await assert.rejects(resolve('a.example', type), { code: 'ENODATA' }, type);
});
