// When checks run, for whom, and what happens when they can't.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksSchema } from '../../src/authentication/checks.ts';
import { Resolver } from '../../src/dns/resolver.ts';
import { parseHeaderSection } from '../../src/message/header-section.ts';
import { NameServer } from '../support/name-server.ts';
import { makeKey, sign } from '../support/signing.ts';
import { authentication, feed, judge, plain, unfolded, values } from './judge.ts';

const key = makeKey('example.com', 's1');
const signed = await sign(plain, key);
const zone = {
  ...key.zone,
  'example.com': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
  '_dmarc.example.com': { TXT: ['v=DMARC1; p=reject'] },
};

test('results come in a fixed order, in one field', async () => {
  const outcome = await judge({ zone, message: signed });
  assert.deepEqual(values(outcome), ['iprev=permerror', 'spf=pass', 'dkim=pass', 'arc=none', 'dmarc=pass']);
  assert.equal(outcome.fields.length, 1);
});

for (const ip of ['10.1.2.3', '::ffff:10.1.2.3', '::1', '203.0.113.7']) {
  test(`a client on a local or trusted network (${ip}) is judged by DKIM and ARC alone`, async () => {
    const outcome = await judge({ zone, message: signed, client: { ip } });
    assert.deepEqual(values(outcome), ['dkim=pass', 'arc=none']);
    assert.equal(outcome.dmarc, undefined);
  });
}

test('a client whose address is unknown is judged by DKIM, ARC and DMARC', async () => {
  const outcome = await judge({ zone, message: signed, client: {} });
  assert.deepEqual(values(outcome), ['dkim=pass', 'arc=none', 'dmarc=pass']);
});

test('with all checks off there is no result, and the field says so', async () => {
  const checks = { iprev: false, spf: false, dkim: false, arc: false, dmarc: false };
  assert.equal(unfolded(await judge({ zone, checks })), 'mx.example.org; none');
});

test('Received-SPF is added below, when it is asked for and SPF was checked', async () => {
  const options = { receivedSpf: true };
  const outcome = await judge({ zone, options });
  assert.deepEqual(
    outcome.fields.map((field) => field.split(':', 1)[0]),
    ['Authentication-Results', 'Received-SPF'],
  );
  assert.match(outcome.fields[1] ?? '', /^Received-SPF: pass \(.*\).*client-ip=192\.0\.2\.10;.*\r\n$/s);
  const local = await judge({ zone, options, client: { ip: '10.0.0.1' } });
  assert.equal(local.fields.length, 1);
});

test('an envelope sender in UTF-8 bytes is read as such', async () => {
  const international = {
    'xn--bcher-kva.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
    '_dmarc.xn--bcher-kva.example': { TXT: ['v=DMARC1; p=reject'] },
  };
  const from = Buffer.from('jürgen@bücher.example').toString('latin1');
  const message = plain.replace('alice@example.com', 'jürgen@bücher.example');
  const given = { zone: international, from, message };
  const plainOutcome = await judge(given);
  assert.match(unfolded(plainOutcome), /spf=pass .*smtp\.mailfrom=xn--bcher-kva\.example;/);
  assert.match(unfolded(plainOutcome), /dmarc=pass .*header\.from=xn--bcher-kva\.example /);
  const utf8Outcome = Buffer.from(unfolded(await judge({ ...given, smtputf8: true })), 'latin1').toString();
  assert.match(
    utf8Outcome,
    /spf=pass \(domain of jürgen@bücher\.example .*\) smtp\.mailfrom="bücher\.example";/,
  );
  assert.match(utf8Outcome, /dmarc=pass /);
});

test('a message without header, or without anything, has defined results', async () => {
  for (const message of ['', '\r\n', '\r\nbody only\r\n', 'no colon at all', '\0\0\0\r\n\r\n']) {
    const outcome = await judge({ zone, message });
    assert.deepEqual(
      values(outcome).slice(2),
      ['dkim=none', 'arc=none', 'dmarc=permerror'],
      JSON.stringify(message),
    );
  }
});

test('an aborted run ends, and takes no more bytes', async () => {
  const run = authentication({ zone }).begin({ client: { ip: '192.0.2.10' }, smtputf8: false });
  run.mail('alice@example.com');
  const big = Buffer.alloc(1_000_000, 'x');
  run.header([]);
  run.body(big);
  run.abort();
  run.body(big);
  run.abort();
  const { results } = await run.finish();
  const dkim = results.find(({ method }) => method === 'dkim');
  assert.equal(dkim?.value, 'temperror', 'and nothing is said of a message that never was complete');
});

/** A resolver that asks this name server once, and hardly remembers what it says. */
function asking(server: NameServer, times: { timeoutMs: number; transactionMs: number }): Resolver {
  const cache = { entries: 10, maxAgeMs: 1000, failureAgeMs: 1000 };
  return new Resolver({ servers: [server.address], tries: 1, zoneOnly: false, cache, ...times });
}

test('names that nobody answers for are temperrors in bounded time, never a lost message', async () => {
  await using server = await NameServer.start();
  server.hold();
  const resolver = asking(server, { timeoutMs: 10_000, transactionMs: 50 });
  const outcome = await judge({ message: signed, options: { resolver } });
  resolver.close();
  assert.deepEqual(values(outcome), [
    'iprev=temperror',
    'spf=temperror',
    'dkim=temperror',
    'arc=none',
    'dmarc=temperror',
  ]);
});

test('whoever waits for the outcome can end the waiting', async () => {
  await using server = await NameServer.start();
  server.hold();
  const resolver = asking(server, { timeoutMs: 10_000, transactionMs: 10_000 });
  const run = authentication({ options: { resolver } }).begin({
    client: { ip: '192.0.2.10' },
    smtputf8: false,
  });
  run.mail('alice@example.com');
  await feed(run, signed);
  const outcome = await run.finish(AbortSignal.abort());
  resolver.close();
  assert.deepEqual(
    outcome.results.map(({ reason }) => reason),
    Array.from({ length: 5 }, () => 'the check ran out of time'),
  );
});

test('SPF and iprev are asked for before the message arrives', async () => {
  await using server = await NameServer.start();
  const resolver = asking(server, { timeoutMs: 1000, transactionMs: 1000 });
  const run = authentication({ options: { resolver } }).begin({
    client: { ip: '192.0.2.10' },
    smtputf8: false,
  });
  await server.asked(1);
  run.mail('alice@example.com');
  await server.asked(2);
  assert.deepEqual(server.questions, ['PTR 10.2.0.192.in-addr.arpa', 'TXT example.com']);
  run.abort();
  resolver.close();
});

test('keys and policy are asked for while the body still arrives', async () => {
  await using server = await NameServer.start();
  const resolver = asking(server, { timeoutMs: 1000, transactionMs: 1000 });
  const run = authentication({ options: { resolver } }).begin({ client: {}, smtputf8: false });
  const { fields, sizeBytes } = parseHeaderSection(signed.subarray(0, signed.indexOf('\r\n\r\n') + 2));
  run.header(fields);
  await server.asked(2);
  assert.deepEqual(server.questions.sort(), ['TXT _dmarc.example.com', 'TXT s1._domainkey.example.com']);
  run.body(signed.subarray(sizeBytes + 2));
  await run.finish();
  assert.deepEqual(
    server.questions.filter((question) => question.includes('_domainkey')),
    ['TXT s1._domainkey.example.com'],
    'and not again',
  );
  resolver.close();
});

test('a field of a check’s own is not written when hideNone leaves nothing to say in it', async () => {
  const message = 'From: a@nowhere.example\r\n\r\n';
  const names = async (hideNone: boolean) => {
    const checks = { spf: { header: 'X-SPF-Results', hideNone } };
    const { fields } = await judge({ zone, message, from: 'a@nowhere.example', checks });
    return fields.map((field) => field.split(':', 1)[0]);
  };
  assert.deepEqual(await names(false), ['Authentication-Results', 'X-SPF-Results']);
  assert.deepEqual(await names(true), ['Authentication-Results']);
});

test('each check is on by default, can be off, and has no options that it does not know', () => {
  const { spf, bimi } = checksSchema.parse({});
  assert.deepEqual(spf, {
    helo: 'null-sender',
    explanation: false,
    hideNone: false,
    header: 'Authentication-Results',
  });
  assert.equal(bimi, false);
  assert.equal(checksSchema.parse({ spf: false }).spf, false);
  for (const wrong of [
    { spam: {} },
    { spf: true },
    { spf: { strict: true } },
    { spf: { header: 'no name' } },
    { dkim: null },
    { bimi: true },
  ]) {
    assert.equal(checksSchema.safeParse(wrong).success, false, JSON.stringify(wrong));
  }
});
