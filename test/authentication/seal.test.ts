// ARC sets of our own: what they cover, when there is none, and that they hold before our own check.
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import type { Outcome } from '../../src/authentication/authentication.ts';
import { Resolver } from '../../src/dns/resolver.ts';
import { HeaderCollector } from '../../src/message/header-section.ts';
import { makeKey, type SigningKey, sign } from '../support/signing.ts';
import { type Case, judge, plain, unfolded, values } from './judge.ts';

const arcOnly = { iprev: false, spf: false, dkim: false, dmarc: false, auth: false, 'x-tls': false, arc: {} };
const first = makeKey('first.example', 's1');
const second = makeKey('second.example', 's2', 'ed25519');
const third = makeKey('third.example', 's3', 'rsa', 1024);
const zone = { ...first.zone, ...second.zone, ...third.zone };

/** Judges a message as a hop that seals with this key. */
function hop(message: string | Buffer, key: SigningKey, given: Case = {}): Promise<Outcome> {
  const { domain, selector, privateKey } = key;
  const options = { seal: { domain, selector, privateKey }, ...given.options };
  return judge({ zone, message, checks: arcOnly, ...given, options });
}

/** The message as it goes downstream. */
function sentOn(message: string | Buffer, { fields, rewrite }: Outcome): Buffer {
  const bytes = Buffer.from(message);
  const collector = new HeaderCollector(bytes.length);
  collector.push(bytes);
  const { fields: header, sizeBytes } = collector.section();
  const kept = header.map(({ name, raw }) => rewrite(name, raw) ?? raw);
  return Buffer.concat([Buffer.from(fields.join(''), 'latin1'), ...kept, bytes.subarray(sizeBytes)]);
}

/** Passes a message through hops that seal, one after the other. */
async function through(message: string | Buffer, ...keys: readonly SigningKey[]): Promise<Buffer> {
  let current: Buffer = Buffer.from(message);
  for (const key of keys) current = sentOn(current, await hop(current, key));
  return current;
}

/** A field of a set, unfolded. */
function named(fields: readonly string[], name: string): string {
  const field = fields.find((each) => each.startsWith(`${name}: `)) ?? '';
  return field.replace(/\r\n(?=[ \t])/g, '').replace(/\r\n$/, '');
}

for (const [how, keys] of [
  ['one RSA seal', [first]],
  ['one Ed25519 seal', [second]],
  ['two seals', [first, second]],
  ['three seals of both kinds', [second, first, third]],
] as const) {
  test(`${how}: the chain holds, and every signature in it`, async () => {
    const message = await through(plain, ...keys);
    const outcome = await judge({ zone, message, checks: arcOnly });
    const names = keys.map(({ domain }) => domain).reverse();
    assert.equal(
      unfolded(outcome),
      `mx.example.org; arc=pass (i=${keys.length} sealed by ${names.join(', ')}) header.d=${names[0]} header.oldest-pass=0 smtp.remote-ip=192.0.2.10`,
    );
  });
}

test('the set stands on top: seal, message signature, results; no line is longer than 78', async () => {
  const { fields } = await hop(plain, first);
  assert.deepEqual(
    fields.map((field) => field.slice(0, field.indexOf(':'))),
    ['ARC-Seal', 'ARC-Message-Signature', 'ARC-Authentication-Results', 'Authentication-Results'],
  );
  for (const line of fields.join('').split('\r\n')) assert.ok(line.length <= 78, line);
  for (const field of fields) assert.match(field, /^[^\r\n]+(?:\r\n[ \t]+[^\r\n]+)*\r\n$/);
  assert.match(named(fields, 'ARC-Seal'), / i=1; a=rsa-sha256; t=[0-9]+; cv=none; d=first\.example; s=s1;/);
  assert.match(named(fields, 'ARC-Message-Signature'), / i=1; a=rsa-sha256; c=relaxed\/relaxed; d=first\.ex/);
});

test('the results in the set are those that we wrote, byte for byte', async () => {
  const { fields } = await hop(await sign(plain, first), second, {
    checks: { ...arcOnly, dkim: {}, spf: {} },
  });
  const written = (fields.at(-1) ?? '').replace('Authentication-Results: ', '');
  const sealed = fields.find((field) => field.startsWith('ARC-Authentication-Results: ')) ?? '';
  assert.equal(sealed, `ARC-Authentication-Results: i=1; ${written}`);
  assert.match(written, /dkim=pass/);
});

for (const length of [45, 50, 60, 200]) {
  test(`an authserv-id of ${length + 8} octets is folded before it`, async () => {
    const authservId = `${'a'.repeat(length)}.example`;
    const outcome = await hop(plain, first, { options: { authservId } });
    const longest = Math.max(78, length + 11);
    for (const line of outcome.fields.join('').split('\r\n')) assert.ok(line.length <= longest, line);
    const sealed = named(outcome.fields, 'ARC-Authentication-Results').replace(/ +/g, ' ');
    assert.equal(sealed, `ARC-Authentication-Results: i=1; ${unfolded(withoutSet(outcome)).trim()}`);
    assert.match(
      unfolded(await judge({ zone, message: sentOn(plain, outcome), checks: arcOnly })),
      /arc=pass/,
    );
  });
}

function withoutSet(outcome: Outcome): Outcome {
  return { ...outcome, fields: outcome.fields.filter((field) => !field.startsWith('ARC-')) };
}

test('with several result fields, the one named Authentication-Results is sealed', async () => {
  const outcome = await hop(await sign(plain, first), second, {
    checks: { ...arcOnly, dkim: { header: 'X-Dkim-Results' }, arc: { hideNone: true } },
  });
  assert.equal(
    named(outcome.fields, 'ARC-Authentication-Results'),
    'ARC-Authentication-Results: i=1; mx.example.org; none',
  );
  assert.ok(named(outcome.fields, 'X-Dkim-Results').includes('dkim=pass'));
});

/** The arc result of a message, as text. */
async function judged(message: string | Buffer, given: Case = {}): Promise<string> {
  return unfolded(await judge({ zone, message, checks: arcOnly, ...given })).replace('mx.example.org; ', '');
}

test('whatever is covered breaks the seal when it is changed, and the way of a message does not', async () => {
  const message = (await through(`Received: from a by b; now\r\nX-Mine: 1\r\n${plain}`, first)).toString(
    'latin1',
  );
  for (const [from, to] of [
    ['From: Alice', 'From: Malice'],
    ['To: bob', 'To: carol'],
    ['Subject: hello', 'Subject: bye'],
    ['Date: Mon', 'Date: Tue'],
    ['Message-ID: <1@', 'Message-ID: <2@'],
    ['A body.', 'A body!'],
  ] as const) {
    assert.match(await judged(message.replace(from, to)), /^arc=fail/, from);
  }
  for (const [from, to] of [
    ['X-Mine: 1', 'X-Mine: 2'],
    ['Received: from a', 'Received: from c'],
    [/^Authentication-Results:(?:.|\r\n )*\r\n/m, ''],
    ['ARC-Seal', 'Return-Path: <>\r\nReceived: from us\r\nARC-Seal'],
    ['Subject: hello', 'SUBJECT:    hello  '],
    ['A body.\r\n', 'A  body. \r\n\r\n'],
  ] as const) {
    const changed = message.replace(from, to);
    assert.notEqual(changed, message);
    assert.match(await judged(changed), /^arc=(?:pass|fail)/);
    if (from !== 'A body.\r\n') assert.match(await judged(changed), /^arc=pass/, String(from));
  }
});

test('removed fields are not covered, and added ones are', async () => {
  const forged = `List-Id: <kept.example>\r\nAuthentication-Results: mx.example.org; dmarc=pass\r\n${plain}`;
  const adds: NonNullable<Case['options']> = {
    customChecks: [
      {
        name: 'x-list',
        skippedFor: [],
        stages: {
          endOfMessage: () => ({ fields: [{ name: 'List-Owner', value: '<mailto:owner@example.org>' }] }),
        },
      },
    ],
  };
  const outcome = await hop(forged, first, { options: adds });
  const message = sentOn(forged, outcome);
  assert.ok(!message.includes('dmarc=pass'));
  assert.match(named(outcome.fields, 'ARC-Message-Signature'), / h=(?:[A-Za-z-]+: )*List-Id: List-Owner;/);
  assert.match(await judged(message), /^arc=pass/);
  assert.match(await judged(message.toString('latin1').replace('owner@', 'other@')), /^arc=fail/);
});

test('bytes of SMTPUTF8 messages stay as they are, in header, results and body', async () => {
  const text = plain
    .replace('From: Alice <alice@example.com>', 'From: J\u00fcrgen \u00c0 <j\u00fcrgen@b\u00fccher.example>')
    .replace('Subject: hello', 'Subject: \u00c0\u00a0\u3000 gr\u00fc\u00df dich \u{1f600}')
    .replace('A body.', 'Gr\u00fc\u00dfe \u00a0 ');
  const invalid = Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xc0, 0x80, 0x0d, 0x0a])]);
  for (const message of [Buffer.from(text), invalid]) {
    const checks = { ...arcOnly, spf: {} };
    const outcome = await hop(message, second, {
      smtputf8: true,
      from: 'j\u00fcrgen@b\u00fccher.example',
      checks,
    });
    const sealed = sentOn(message, outcome);
    assert.ok(sealed.subarray(-message.length).equals(message));
    assert.ok(sealed.toString('utf8').includes('smtp.mailfrom="b\u00fccher.example"'));
    assert.match(await judged(sealed, { smtputf8: true }), /^arc=pass/);
  }
});

test('a chain that fails is sealed with cv=fail, over the new set alone, and then nobody seals any more', async () => {
  const broken = (await through(plain, first, second)).toString('latin1').replace('A body.', 'Another.');
  const outcome = await hop(broken, third);
  assert.match(named(outcome.fields, 'ARC-Seal'), / i=3; .* cv=fail;/);
  const sealed = sentOn(broken, outcome);
  assert.match(await judged(sealed), /^arc=fail reason="i=3 cv=fail"/);
  // RFC 8617 §5.1.2: the seal holds as if this set were the only one.
  const alone = sealed.toString('latin1').replace(/^(?:ARC-[A-Za-z-]+: i=[12];(?:.|\r\n )*\r\n)+/gm, '');
  assert.doesNotMatch(alone, /i=[12];/);
  assert.ok(await sealHolds(alone));
  assert.deepEqual((await hop(sealed, first)).fields.length, 1);
});

/** Whether the seal of a set that signs nothing but its own set verifies (RFC 8617 §5.1.2). */
async function sealHolds(message: string): Promise<boolean> {
  const field = (name: string) => new RegExp(`^${name}:(?:.|\r\n )*\r\n`, 'm').exec(message)?.[0] ?? '';
  const relaxed = (text: string) =>
    text
      .replace(/\r\n(?=[ \t])/g, '')
      .replace(/[ \t]+/g, ' ')
      .replace(/^([^:]*): ?/, (_, name: string) => `${name.toLowerCase()}:`)
      .replace(/ ?\r\n$/, '');
  const seal = relaxed(field('ARC-Seal'));
  const b = /; b=([^;]*)$/.exec(seal)?.[1] ?? '';
  const data = [
    `${relaxed(field('ARC-Authentication-Results'))}\r\n`,
    `${relaxed(field('ARC-Message-Signature'))}\r\n`,
    seal.slice(0, seal.length - b.length),
  ].join('');
  const signature = Buffer.from(b.replaceAll(' ', ''), 'base64');
  return verify('sha256', Buffer.from(data, 'latin1'), createPublicKey(third.privateKey), signature);
}

for (const [what, message] of [
  ['fields of a set without a number', `ARC-Seal: a=rsa-sha256; cv=none\r\n${plain}`],
  ['a set with a number over fifty', `ARC-Seal: i=51; a=rsa-sha256; cv=pass\r\n${plain}`],
  ['more ARC fields than fifty sets have', `${'ARC-Seal: i=1; cv=none\r\n'.repeat(151)}${plain}`],
  ['an ARC field of 300 kB', `ARC-Seal: i=1; cv=none;${'\r\n x=1;'.repeat(60_000)}\r\n${plain}`],
  ['a bare CR in an ARC field', `ARC-Seal: i=1; cv=none;\r\r\r\r\r\n${plain}`],
  ['no From', plain.replace(/^From: .*\r\n/, '')],
  ['no header at all', '\r\nA body.\r\n'],
] as const) {
  test(`a message with ${what} goes on without a seal, and nobody is told`, async () => {
    const outcome = await hop(message, first);
    assert.deepEqual(
      outcome.fields.filter((field) => field.startsWith('ARC-')),
      [],
    );
    assert.equal(outcome.fields.length, 1);
  });
}

test('a chain that could not be judged for want of DNS is not sealed: cv=fail is for ever', async () => {
  const message = await through(plain, first);
  for (const failure of ['TIMEOUT', 'SERVFAIL']) {
    const outcome = await hop(message, second, { zone: { [first.recordName]: { TXT: failure } } });
    assert.deepEqual(values(outcome), ['arc=fail']);
    assert.equal(outcome.fields.length, 1);
  }
  const gone = await hop(message, second, { zone: {} });
  assert.match(named(gone.fields, 'ARC-Seal'), / i=2; .* cv=fail;/);
});

test('a message is not sealed by what an arc check found that ran out of time', async () => {
  const stalled = new Resolver({
    timeoutMs: 1000,
    tries: 1,
    zoneOnly: true,
    cache: { entries: 1, maxAgeMs: 1, failureAgeMs: 1 },
    transactionMs: 50,
  });
  Object.assign(stalled, { forTransaction: () => () => new Promise(() => {}), transactionMs: -950 });
  const outcome = await hop(await through(plain, first), second, { options: { resolver: stalled } });
  assert.deepEqual(values(outcome), ['arc=temperror']);
  assert.equal(outcome.fields.length, 1);
});

for (const [what, privateKey] of [
  [
    'of another kind',
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  ],
  ['that is none', 'not a key'],
  ['that is too short', makeKey('x.example', 's', 'rsa', 512).privateKey],
] as const) {
  test(`a key ${what} is reported, and the message goes on`, async () => {
    const reported: unknown[] = [];
    const outcome = await hop(
      plain,
      { ...first, privateKey: String(privateKey) },
      {
        options: {
          report: (error, check) => {
            assert.equal(check, 'arc');
            reported.push(error);
          },
        },
      },
    );
    assert.equal(outcome.fields.length, 1);
    assert.equal(reported.length, 1);
    assert.ok(reported[0] instanceof Error);
    assert.doesNotMatch(String(reported[0]), /PRIVATE KEY|not a key/);
  });
}

test('of many fields of one name the lowest are covered, so that a signature stays readable', async () => {
  const many = `${'DKIM-Signature: v=1; d=example.com\r\n'.repeat(1000)}${'To: x@example.net\r\n'.repeat(1000)}${plain}`;
  const outcome = await hop(many, first);
  const signature = named(outcome.fields, 'ARC-Message-Signature');
  assert.equal(signature.match(/DKIM-Signature/g)?.length, 8);
  assert.equal(signature.match(/\bTo\b/g)?.length, 8);
  assert.match(await judged(sentOn(many, outcome)), /^arc=pass/);
});

test('a line that is no field is covered with the field above it', async () => {
  const odd = plain.replace('Subject: hello\r\n', 'Subject: hello\r\nthis is no field\r\n');
  assert.match(await judged(await through(odd, first, second)), /^arc=pass .*oldest-pass=0/);
});

for (const line of [
  'no field',
  'no field: either',
  '\xa0 no blank',
  'Authen tication-Results: mx.example.org; spf=pass',
]) {
  test(`"${line}" below a removed field is covered with the field that it stands below then`, async () => {
    const forged = 'Authentication-Results: mx.example.org; dmarc=pass';
    const odd = Buffer.from(`To: bob@example.com\r\n${forged}\r\n${line}\r\n${plain}`, 'latin1');
    const message = await through(odd, first, second);
    assert.doesNotMatch(message.toString('latin1'), /^Authentication-Results: [^;]*; dmarc=pass/m);
    assert.match(await judged(message), /^arc=pass \(i=2 /);
  });
}

test('a message of a header alone is sealed, and names with blanks before the colon are', async () => {
  assert.match(await judged(await through('From : a@example.com\r\nSubject\t: x\r\n', first)), /^arc=pass/);
});

test('whoever does not seal adds no set', async () => {
  const outcome = await judge({ zone, message: plain, checks: arcOnly });
  assert.equal(outcome.fields.length, 1);
});
