// Privacy: what is masked in fields and texts, and that no local part and no client gets past it.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLog } from '../../src/telemetry/log.ts';
import { maskAddress, maskAddresses, maskIps, maskName } from '../../src/telemetry/mask-text.ts';
import { Masker, type Privacy } from '../../src/telemetry/privacy.ts';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { FakePool } from '../transaction/fakes.ts';
import { Driven } from '../transaction/start.ts';

test('of an address the first character and the domain stay', () => {
  assert.equal(maskAddress('alice@example.com'), 'a***@example.com');
  assert.equal(maskAddress('"alice b"@example.com'), '***@example.com');
  assert.equal(maskAddress(''), '');
});

test('a local part that is all there is, or so short that one character would tell it, is masked whole', () => {
  assert.equal(maskAddress('ab@example.com'), '***@example.com');
  assert.equal(maskAddress('postmaster'), 'p***');
});

test('addresses are found in any text', () => {
  const cases = [
    ['550 5.1.1 <alice@example.com>: no such user', '550 5.1.1 <a***@example.com>: no such user'],
    ['see mailto:alice@example.com, bob@example.net.', 'see mailto:a***@example.com, b***@example.net.'],
    ['<"al ice"@example.com>', '<***@example.com>'],
    ['<"a@b"@example.com>', '<***@example.com>'],
    ['<"a\\"b"@example.com>', '<***@example.com>'],
    ['SRS0=HHH=TT=example.org=alice@fwd.example', 'S***@fwd.example'],
    ['alice@[192.0.2.1]', 'a***@[192.0.2.1]'],
    ['jürgen@bücher.example', 'j***@bücher.example'],
    ['no address @ all', 'no address @ all'],
  ];
  for (const [text = '', masked] of cases) assert.equal(maskAddresses(text), masked);
});

test('IP addresses become their networks, and so do their names in the reverse zones', () => {
  const cases = [
    ['from [192.0.2.10]:25', 'from [192.0.2.0/24]:25'],
    ['2001:db8:1:2::3 is listed', '2001:db8:1::/48 is listed'],
    ['[IPv6:2001:db8:1:2::3]', '[IPv6:2001:db8:1::/48]'],
    ['10.2.0.192.in-addr.arpa', '***.2.0.192.in-addr.arpa'],
    [`${'1.'.repeat(20)}${'2.'.repeat(12)}ip6.arpa`, `***.${'2.'.repeat(12)}ip6.arpa`],
    ['127.0.0.1 and ::1', '127.0.0.1 and ::1'],
    ['at 17:40:31, 2.0.0 Ok', 'at 17:40:31, 2.0.0 Ok'],
    ['::ffff:192.0.2.10', '192.0.2.0/24'],
  ];
  for (const [text = '', masked] of cases) assert.equal(maskIps(text), masked);
});

test('of a name two labels stay', () => {
  assert.equal(maskName('c-192-0-2-10.pool.example.net'), '***.example.net');
  assert.equal(maskName('example.net'), 'example.net');
  assert.equal(maskName('alices-laptop'), '***');
  assert.equal(maskName('[192.0.2.10]'), '[192.0.2.0/24]');
  assert.equal(maskName('192.0.2.10'), '192.0.2.0/24');
});

const event = {
  client: { ip: '192.0.2.10', name: 'c10.dyn.example.net', helo: 'alices-laptop' },
  from: 'alice@example.com',
  recipients: [{ to: 'bob@example.org', reply: '550 5.1.1 bob@example.org unknown, 192.0.2.10' }],
  destination: 'smtp://203.0.113.5:25',
};

test('none leaves everything as it is', () => {
  assert.equal(new Masker('none').fields(event), event);
});

test('addresses masks mail addresses and nothing else', () => {
  assert.deepEqual(new Masker('addresses').fields(event), {
    ...event,
    from: 'a***@example.com',
    recipients: [{ to: 'b***@example.org', reply: '550 5.1.1 b***@example.org unknown, 192.0.2.10' }],
  });
});

test('all masks clients too, and leaves the administrator’s own addresses', () => {
  assert.deepEqual(new Masker('all').fields(event), {
    client: { ip: '192.0.2.0/24', name: '***.example.net', helo: '***' },
    from: 'a***@example.com',
    recipients: [{ to: 'b***@example.org', reply: '550 5.1.1 b***@example.org unknown, 192.0.2.0/24' }],
    destination: 'smtp://203.0.113.5:25',
  });
});

test('all masks the HELO of a connection, which stands beside its client', () => {
  const connection = { client: '192.0.2.10', helo: 'alices-laptop.home.example.net' };
  assert.deepEqual(new Masker('all').fields(connection), { client: '192.0.2.0/24', helo: '***.example.net' });
});

test('what is masked already stays as it is', () => {
  for (const privacy of ['addresses', 'all'] as const) {
    const masker = new Masker(privacy);
    const once = masker.fields(event);
    assert.deepEqual(masker.fields(once), once);
  }
});

test('errors are masked with their stacks and causes, and stay errors', () => {
  const error = new Error('no alice@example.com', { cause: new Error('bob@example.com') });
  const { error: masked } = new Masker('all').fields({ error });
  assert.ok(masked instanceof Error && masked.cause instanceof Error);
  assert.equal(masked.message, 'no a***@example.com');
  assert.equal(masked.cause.message, 'b***@example.com');
  assert.doesNotMatch(String(masked.stack), /alice/);
});

test('people are found in texts that name them in other words', () => {
  const people = { client: event.client, addresses: ['alice@example.com'] };
  const texts = ['Alice unknown', '10.2.0.192.list.example', 'alice._spf.example.com', 'c10.dyn.example.net'];
  assert.deepEqual(new Masker('all').data(texts, people), [
    'a*** unknown',
    '***.2.0.192.list.example',
    'a***._spf.example.com',
    '***.example.net',
  ]);
});

test('people are found in any case and alphabet, as whole words, the longest name first', () => {
  const addresses = [
    'JÜRGEN@example.com',
    'ΟΔΟΣ@example.com',
    'alice@example.com',
    'alice.b@example.com',
    '𝔞𝔟𝔠@example.com',
  ];
  const cases = [
    ['jürgen, Jürgenson', 'J***, Jürgenson'],
    ['οδος and οδοσ', '*** and ***'],
    ['alice.b is not alice, nor malice, nor alice7', 'a*** is not a***, nor malice, nor alice7'],
    ['alice.bc', 'a***.bc'],
    ['𝔞𝔟𝔠 and 𝔞𝔟𝔠𝔞', '*** and 𝔞𝔟𝔠𝔞'],
    ['İstanbul, alice', 'İstanbul, a***'],
  ];
  const masker = new Masker('addresses');
  for (const [text = '', masked] of cases) assert.equal(masker.data(text, { client: {}, addresses }), masked);
});

test('an event about people of whom nothing was told before takes no longer than one about those of the last', () => {
  const masker = new Masker('all');
  let count = 0;
  const tell = (number: number) => {
    const begun = performance.now();
    const addresses = [`alice${number}@example.com`, `bob${number}@example.org`];
    masker.fields(event, { client: event.client, addresses });
    return performance.now() - begun;
  };
  const others: number[] = [];
  const same: number[] = [];
  for (let i = 0; i < 300; i += 1) {
    others.push(tell(++count));
    same.push(tell(0));
  }
  const median = (times: number[]) => times.sort((one, other) => one - other)[150] ?? 0;
  // A regular expression for each, compiled, takes ten times as long.
  assert.ok(median(others) < 3 * median(same), `${median(others)} ms, ${median(same)} ms`);
});

test('a text of nothing but what is looked for takes no time to speak of', () => {
  const masker = new Masker('all');
  for (const part of ['@', 'a@', '"', '"@', '1.', '1.1.1.1.', 'a:', 'a.', ':', 'IPv6:', 'a']) {
    const begun = performance.now();
    masker.fields(
      { text: part.repeat(200_000 / part.length) },
      {
        client: {},
        addresses: ['aaa@example.com', 'a.a@example.com', '@@@@@example.com', '1.1@example.com'],
      },
    );
    assert.ok(performance.now() - begun < 2000, `${part}: ${performance.now() - begun} ms`);
  }
});

/** Local parts that no other text can hold by accident: quoted and not, of all that RFC 5321 allows in them. */
const mark = 'Zq';
const atom = fc
  .string({ unit: fc.constantFrom(...'abcXYZ019!#$%&*+-/=?^_`{|}~.'), minLength: 1, maxLength: 30 })
  .map((text) => `${mark}${text}${mark}`);
const quoted = fc
  .string({ unit: fc.constantFrom(...'ab ,;:@<>()[].', '\\"', '\\\\'), minLength: 1, maxLength: 30 })
  .map((text) => `"${mark}${text}${mark}"`);
const localPart = fc.oneof(atom, quoted);

function envelopeTest(privacy: Privacy) {
  return fc.asyncProperty(localPart, localPart, async (sender, recipient) => {
    const stream = new PassThrough();
    const log = createLog({ level: 'debug', format: 'json', privacy, stream });
    const quotes = `550 5.1.1 <${recipient}@example.net>: User ${recipient} unknown, says ${recipient}@example.net`;
    const pool = new FakePool([{ answers: { RCPT: quotes, MAIL: `250 2.1.0 <${sender}@example.com> ok` } }]);
    const driven = new Driven(pool, {
      masker: new Masker(privacy),
      writeRecord: (level, name, fields) => log[level](name, fields),
    });
    await driven.mail(`MAIL FROM:<${sender}@example.com>`);
    const path = { text: '', address: `${recipient}@example.net`, parameters: [] };
    await driven.transaction.rcpt(`RCPT TO:<${recipient}@example.net>`, path);
    driven.transaction.abort(`gone, <${sender}@example.com>`);
    const lines = String(stream.read() ?? '');
    assert.match(lines, /"event":"transaction"/);
    assert.equal(lines.includes(mark), privacy === 'none', lines);
  });
}

test('an address in a text that nobody knows more of is masked all the same', () => {
  fc.assert(
    fc.property(localPart, fc.constantFrom('', ' ', '<', 'to:', '('), (local, before) => {
      const masked = maskAddresses(`5.1.1 ${before}${local}@example.com unknown`);
      assert.ok(!masked.includes(mark), masked);
    }),
  );
});

test('no local part of an envelope gets into a masked log, whoever quotes it', async () => {
  for (const privacy of ['addresses', 'all'] as const) {
    await fc.assert(envelopeTest(privacy), { numRuns: 200 });
  }
  await fc.assert(envelopeTest('none'), { numRuns: 20 });
});

test('in a running proxy neither log nor story tells who wrote to whom, and from where', async () => {
  await using downstream = await ScriptedDownstream.start();
  await using proxy = await RunningProxy.start({
    zone: { 'example.com': { TXT: ['v=spf1 include:%{l}.%{ir}.spf.example.com -all'] } },
    settings: { trace: { keep: 2 }, log: { privacy: 'all' } },
    listener: { destinations: [downstream.destination] },
  });
  using client = await RawClient.connect(proxy.address);
  await client.line();
  await client.ask('EHLO upstream.example');
  await client.ask('XFORWARD NAME=secretname.dyn.example.net ADDR=192.0.2.10 HELO=secrethelo');
  await client.ask('MAIL FROM:<secretsender@example.com>');
  await client.ask('RCPT TO:<secretrecipient@example.net>');
  await client.ask('DATA');
  await client.ask('From: secretsender@example.com\r\n\r\nbody\r\n.');
  const [summary] = proxy.trace.list();
  const story = proxy.trace.get(summary?.id ?? '');
  assert.ok(Array.isArray(story?.explanation) && story.explanation.length > 0);
  assert.equal(proxy.transactions().length, 1);
  const told = JSON.stringify([proxy.transactions(), summary, story]);
  assert.match(told, /s\*\*\*@example\.com/);
  assert.match(told, /192\.0\.2\.0\/24/);
  assert.match(told, /spf\.example\.com/);
  assert.doesNotMatch(told, /secret|192\.0\.2\.10|10\.2\.0\.192/i);
});
