// dkim: signatures in each way they can end, against a static zone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { propertyOf } from '../../src/authentication/result.ts';
import { signField } from '../support/field-signer.ts';
import { makeKey, sign } from '../support/signing.ts';
import { type Case, judge, plain, unfolded, values } from './judge.ts';
import { only, wayOf } from './only.ts';

const rsa = makeKey('example.com', 's1');
const ed25519 = makeKey('example.com', 'e1', 'ed25519');
const signed = await sign(plain, rsa);

test('dkim: each signature is a result of its own, with its key', async () => {
  const message = await sign(signed, ed25519);
  const outcome = await judge({ zone: { ...rsa.zone, ...ed25519.zone }, message, checks: only('dkim') });
  const [first = '', second = ''] = unfolded(outcome).split('; ').slice(1);
  assert.match(
    first,
    /^dkim=pass \(ed25519 key\) header\.d=example\.com header\.i=@example\.com header\.s=e1 header\.a=ed25519-sha256 header\.b=\S{8,10}$/,
  );
  assert.match(
    second,
    /^dkim=pass \(2048-bit rsa key\) header\.d=example\.com .* header\.s=s1 header\.a=rsa-sha256 /,
  );
});

const revoked = { [rsa.recordName]: { TXT: ['v=DKIM1; p='] } };
const broken = Buffer.from(signed.toString('latin1').replace('A body.', 'Another.'), 'latin1');
const reworded = Buffer.from(signed.toString('latin1').replace('hello', 'hullo'), 'latin1');
const dkimCases: readonly (readonly [string, Case, string, RegExp])[] = [
  ['a changed body fails', { zone: rsa.zone, message: broken }, 'fail', /body hash/],
  ['a changed Subject fails', { zone: rsa.zone, message: reworded }, 'fail', /bad signature/],
  ['a missing key leaves the signature unprocessed', { zone: {}, message: signed }, 'neutral', /key/],
  ['a revoked key leaves the signature unprocessed', { zone: revoked, message: signed }, 'neutral', /key/],
  [
    'a key that cannot be had now is temporary',
    { zone: { [rsa.recordName]: { TXT: 'SERVFAIL' } }, message: signed },
    'temperror',
    /ESERVFAIL/,
  ],
];
for (const [what, given, expected, reason] of dkimCases) {
  test(`dkim: ${what}`, async () => {
    const { results } = await judge({ ...given, checks: only('dkim') });
    assert.deepEqual(
      results.map(({ value }) => value),
      [expected],
    );
    assert.match(results[0]?.reason ?? '', reason);
  });
}

test('dkim: a key shorter than RFC 8301 allows is local policy', async () => {
  const weak = makeKey('example.com', 'weak', 'rsa', 1024);
  const message = await sign(plain, weak);
  assert.deepEqual(values(await judge({ zone: weak.zone, message, checks: only('dkim') })), ['dkim=pass']);
  const tiny = makeKey('example.com', 'weak', 'rsa', 768);
  const outcome = await judge({ zone: tiny.zone, message, checks: only('dkim') });
  assert.match(unfolded(outcome), /^mx\.example\.org; dkim=policy .*policy\.dkim-rules=weak-key$/);
});

test('dkim: an unsigned message is none', async () => {
  const outcome = await judge({ checks: only('dkim') });
  assert.equal(unfolded(outcome), 'mx.example.org; dkim=none (message not signed)');
});

test('dkim: what arrives in single bytes verifies like the whole', async () => {
  const message = Buffer.concat([signed, Buffer.alloc(0)]);
  assert.deepEqual(values(await judge({ zone: rsa.zone, message, chunk: 1, checks: only('dkim') })), [
    'dkim=pass',
  ]);
});

test('dkim: a signature over a large body verifies, with back-pressure', async () => {
  const message = await sign(plain + 'A line of the body.\r\n'.repeat(200_000), rsa);
  const outcome = await judge({ zone: rsa.zone, message, chunk: 50_000, checks: only('dkim') });
  assert.deepEqual(values(outcome), ['dkim=pass']);
});

const byHand = (how: Parameters<typeof signField>[2], message = plain) => signField(message, rsa, how);
const testing = { [rsa.recordName]: { TXT: [`${rsa.record}; t=y`] } };

test('dkim: what is signed by hand, far from the library, verifies', async () => {
  const outcome = await judge({ zone: rsa.zone, message: byHand({}), checks: only('dkim') });
  assert.deepEqual(values(outcome), ['dkim=pass']);
});

test('dkim: rsa-sha1 is policy, however well it is signed (RFC 8301 §3.1)', async () => {
  const message = byHand({ algorithm: 'rsa-sha1' });
  const outcome = await judge({ zone: rsa.zone, message, checks: only('dkim') });
  assert.match(
    unfolded(outcome),
    /; dkim=policy reason="weak algorithm" header\.d=example\.com .* header\.a=rsa-sha1 .* policy\.dkim-rules=weak-algorithm$/,
  );
});

test('dkim: the shortest key is a matter of configuration, down to what RFC 8301 allows', async () => {
  const checks = only('dkim', { minimumKeyBits: 3072 });
  const outcome = await judge({ zone: rsa.zone, message: signed, checks });
  assert.match(
    unfolded(outcome),
    /dkim=policy reason="RSA key of less than 3072 bits" .*dkim-rules=weak-key$/,
  );
  await assert.rejects(judge({ checks: only('dkim', { minimumKeyBits: 512 }) }), /minimumKeyBits/);
});

test('dkim: an expired signature is neutral and says since when', async () => {
  const message = byHand({ tags: 't=1000000000; x=1100000000' });
  const outcome = await judge({ zone: rsa.zone, message, checks: only('dkim') });
  assert.match(
    unfolded(outcome),
    /dkim=neutral \(2048-bit rsa key\) reason="expired at 2004-11-09T11:33:20.000Z"/,
  );
});

test('dkim: a signature of tomorrow passes, and is remarked upon (RFC 6376 §3.5 t=)', async () => {
  const message = byHand({ tags: 't=1893456000' });
  const options = { clock: () => new Date('2026-01-05T10:00:00Z') };
  const outcome = await judge({ zone: rsa.zone, message, checks: only('dkim'), options });
  assert.match(unfolded(outcome), /dkim=pass \(2048-bit rsa key, signed in the future\)/);
});

test('dkim: what l= leaves unsigned is counted (RFC 6376 §8.2)', async () => {
  const message = Buffer.concat([byHand({ limit: 9 }), Buffer.from('Appended.\r\n')]);
  const outcome = await judge({ zone: rsa.zone, message, checks: only('dkim') });
  assert.match(unfolded(outcome), /dkim=pass \(2048-bit rsa key, 11 octets of the body not signed\)/);
});

test('dkim: an l= larger than the body is an error, however it is canonicalized (RFC 6376 §3.5)', async () => {
  for (const [limit, value] of [
    [6, 'pass'],
    [7, 'neutral'],
  ] as const) {
    const message = byHand({ limit }, `${plain.slice(0, plain.indexOf('\r\n\r\n'))}\r\n\r\nText\r\n\r\n`);
    const outcome = await judge({ zone: rsa.zone, message, checks: only('dkim') });
    assert.deepEqual(values(outcome), [`dkim=${value}`]);
    if (value === 'neutral') assert.match(unfolded(outcome), /reason="l= exceeds the body"/);
  }
});

test('dkim: several l= over one body are each held to their own', async () => {
  const body = `${plain}One.\r\nTwo.\r\n`;
  let message = body;
  for (const limit of [0, 3, 8, 14, 21]) message = byHand({ limit }, message).toString();
  const outcome = await judge({ zone: rsa.zone, message, checks: only('dkim'), chunk: 5 });
  assert.deepEqual(
    outcome.results.map(({ value, comment }) => [value, comment]),
    [
      ['pass', '2048-bit rsa key'],
      ['pass', '2048-bit rsa key, 7 octets of the body not signed'],
      ['pass', '2048-bit rsa key, 13 octets of the body not signed'],
      ['pass', '2048-bit rsa key, 18 octets of the body not signed'],
      ['pass', '2048-bit rsa key, 21 octets of the body not signed'],
    ],
  );
});

for (const [what, message, expected] of [
  ['passes', signed, 'pass (2048-bit rsa key, testing)'],
  [
    'is neutral when the header was changed',
    reworded,
    'neutral (2048-bit rsa key, testing) reason="bad signature"',
  ],
  [
    'is neutral when the body was changed',
    broken,
    'neutral (2048-bit rsa key, testing) reason="body hash did not verify"',
  ],
] as const) {
  test(`dkim: the signature of a key in test mode ${what} (RFC 6376 §3.6.1)`, async () => {
    const outcome = await judge({ zone: testing, message, checks: only('dkim') });
    assert.ok(unfolded(outcome).startsWith(`mx.example.org; dkim=${expected} `), unfolded(outcome));
  });
}

test('dkim: internationalised domains are looked up and told as A-labels (RFC 8616 §4)', async () => {
  const key = makeKey('xn--bcher-kva.example', 's1');
  const idn = { ...key, domain: 'b\u00fccher.example' };
  const outcome = await judge({ zone: key.zone, message: signField(plain, idn), checks: only('dkim') });
  assert.match(
    unfolded(outcome),
    /dkim=pass .* header\.d=xn--bcher-kva\.example header\.i=@xn--bcher-kva\.example/,
  );
});

/** RFC 6376 appendices A and C. */
const rfc6376 = {
  zone: {
    'brisbane._domainkey.example.com': {
      TXT: [
        'v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB',
      ],
    },
  },
  message: [
    'DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;',
    '      c=simple/simple; q=dns/txt; i=joe@football.example.com;',
    '      h=Received : From : To : Subject : Date : Message-ID;',
    '      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
    '      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB',
    '      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut',
    '      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV',
    '      4bmp/YzhwvcubU4=;',
    'Received: from client1.football.example.com  [192.0.2.1]',
    '      by submitserver.example.com with SUBMISSION;',
    '      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)',
    'From: Joe SixPack <joe@football.example.com>',
    'To: Suzie Q <suzie@shopping.example.net>',
    'Subject: Is dinner ready?',
    'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
    'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
    '',
    'Hi.',
    '',
    'We lost the game. Are you hungry yet?',
    '',
    'Joe.',
    '',
  ].join('\r\n'),
};

test('dkim: the example of RFC 6376 verifies, and one space more does not', async () => {
  const checks = only('dkim');
  const outcome = await judge({ ...rfc6376, checks });
  assert.equal(
    unfolded(outcome).replace(/^[^;]*; /, ''),
    'dkim=pass (1024-bit rsa key) header.d=example.com header.i=joe@football.example.com header.s=brisbane header.a=rsa-sha256 header.b=AuUoFEfD',
  );
  const changed = rfc6376.message.replace('lost the game. Are', 'lost the game.  Are');
  assert.deepEqual(values(await judge({ ...rfc6376, message: changed, checks })), ['dkim=fail']);
});

/** RFC 8463 appendix A. */
const rfc8463 = {
  zone: {
    'brisbane._domainkey.football.example.com': {
      TXT: ['v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='],
    },
    'test._domainkey.football.example.com': {
      TXT: [
        'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
      ],
    },
  },
  message: [
    'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;',
    ' d=football.example.com; i=@football.example.com;',
    ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :',
    ' subject : date : message-id : from : subject : date;',
    ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
    ' b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus',
    ' Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
    'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;',
    ' d=football.example.com; i=@football.example.com;',
    ' q=dns/txt; s=test; t=1528637909; h=from : to : subject :',
    ' date : message-id : from : subject : date;',
    ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
    ' b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3',
    ' DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz',
    ' dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=',
    'From: Joe SixPack <joe@football.example.com>',
    'To: Suzie Q <suzie@shopping.example.net>',
    'Subject: Is dinner ready?',
    'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
    'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
    '',
    'Hi.',
    '',
    'We lost the game.  Are you hungry yet?',
    '',
    'Joe.',
    '',
  ].join('\r\n'),
};

test('dkim: the example of RFC 8463 verifies, both of its signatures', async () => {
  const outcome = await judge({ ...rfc8463, checks: only('dkim') });
  assert.deepEqual(
    outcome.results.map(({ value, comment }) => `${value} ${comment}`),
    ['pass ed25519 key', 'pass 1024-bit rsa key'],
  );
});

test('dkim: signatures below the first ones are named, not verified', async () => {
  let message = plain;
  for (let i = 0; i < 5; i++) message = byHand({ tags: `t=${1_700_000_000 + i}` }, message).toString();
  const checks = only('dkim', { maxSignatures: 2 });
  const { results } = await judge({ zone: rsa.zone, message, checks });
  assert.deepEqual(
    results.map(({ value, reason = '' }) => `${value} ${reason}`),
    ['pass ', 'pass ', ...Array(3).fill('policy not verified: beyond the first 2')],
  );
  const names = results.map((result) => ['d', 's', 'b'].map((name) => propertyOf(result, 'header', name)));
  for (const [d, s, b = ''] of names) assert.deepEqual([d, s, b.length], ['example.com', 's1', 8]);
  assert.equal(new Set(names.map(([, , b]) => b)).size, 5);
});

test('dkim: a thousand signatures leave a short header behind', async () => {
  const message = `${'DKIM-Signature: v=1; d=example.com; s=s1; b=AAAA\r\n'.repeat(1000)}${plain}`;
  const outcome = await judge({ zone: rsa.zone, message, checks: only('dkim') });
  assert.equal(outcome.results.length, 31);
  assert.equal(outcome.results.at(-1)?.reason, '970 more signatures, not verified');
  assert.ok((outcome.fields[0] ?? '').length < 5000);
});

test('dkim: signatures that begin alike are told apart (RFC 6008 §4)', async () => {
  const field = (b: string) =>
    `DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; h=from; bh=AA==; b=${b}\r\n`;
  const message = field('AAAAAAAAAAAAAAAA') + field('AAAAAAAAAAAAAAAB') + field('BBBBBBBBBBBBBBBB') + plain;
  const { results } = await judge({ zone: rsa.zone, message, checks: only('dkim') });
  assert.deepEqual(
    results.map((result) => propertyOf(result, 'header', 'b')),
    ['AAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAB', 'BBBBBBBB'],
  );
});

for (const [what, field] of [
  ['as large as nobody needs', `DKIM-Signature: v=1; z=${'a'.repeat(20_000)}`],
  ['of a thousand tags', `DKIM-Signature: v=1; ${'x=1; '.repeat(1000)}`],
  ['that names a thousand fields', `DKIM-Signature: v=1; d=example.com; h=from${':a'.repeat(1000)}`],
] as const) {
  test(`dkim: a signature ${what} is policy, and the next one is verified`, async () => {
    const message = `${field}\r\n${signed.toString('latin1')}`;
    const { results } = await judge({ zone: rsa.zone, message, checks: only('dkim') });
    assert.deepEqual(
      results.map(({ value }) => value),
      ['policy', 'pass'],
    );
    assert.match(results[0]?.reason ?? '', /^not verified: /);
  });
}

test('dkim: a field added under a name that is signed once more than it occurs breaks the signature', async () => {
  const message = byHand({ names: ['From', 'From', 'Subject', 'Subject'] }).toString();
  const zone = rsa.zone;
  assert.deepEqual(values(await judge({ zone, message, checks: only('dkim') })), ['dkim=pass']);
  for (const added of ['From: eve@example.net', 'from : eve@example.net', 'SUBJECT\r\n : other']) {
    const { results } = await judge({ zone, message: `${added}\r\n${message}`, checks: only('dkim') });
    assert.deepEqual([results[0]?.value, results[0]?.reason], ['fail', 'bad signature'], added);
  }
});

test('dkim: a From field that is not signed, beside one that is, leaves nobody authenticated', async () => {
  const zone = rsa.zone;
  const message = byHand({ names: ['From', 'Subject'] }).toString();
  for (const message2 of [
    `From: eve@example.net\r\n${message}`,
    `From\r\n : eve@example.net\r\n${message}`,
  ]) {
    const { results } = await judge({ zone, message: message2, checks: only('dkim') });
    assert.deepEqual(
      results.map(({ value, reason }) => [value, reason]),
      [['policy', 'not all From fields are signed']],
    );
  }
  const twice = `From: eve@example.net\r\n${plain}`;
  for (const [names, value] of [
    [['From'], 'policy'],
    [['From', 'from'], 'pass'],
  ] as const) {
    const { results } = await judge({
      zone,
      message: signField(twice, rsa, { names }),
      checks: only('dkim'),
    });
    assert.deepEqual([results[0]?.value], [value]);
  }
});

test('dkim: a signature that is not base64 is none, also where decoders would look away', async () => {
  for (const junk of ['*', '!!', '(x)', '\u00e9', '-', 'a=b', '']) {
    const message = byHand({})
      .toString('latin1')
      .replace(/; b=(.{20})(.*)/, junk === '' ? '; b=' : `; b=$1${junk}$2`);
    const { results } = await judge({
      zone: rsa.zone,
      message: Buffer.from(message, 'latin1'),
      checks: only('dkim'),
    });
    assert.deepEqual([results[0]?.value, results[0]?.reason], ['neutral', 'signature syntax error'], junk);
  }
});

test('dkim: the key in the comment is the one that was found, whatever a= says', async () => {
  const message = byHand({}).toString().replace('a=rsa-sha256', 'a=ed25519-sha256');
  const { results } = await judge({ zone: rsa.zone, message, checks: only('dkim') });
  assert.equal(results[0]?.comment, '2048-bit rsa key');
  assert.equal(results[0]?.reason, 'inappropriate key algorithm');
});

test('dkim: every signature tells what was found out about it', async () => {
  const options = { explain: true };
  const outcome = await judge({ zone: rsa.zone, message: broken, checks: only('dkim'), options });
  const { facts, questions } = wayOf(outcome, 'dkim');
  assert.deepEqual(questions, [`TXT ${rsa.recordName}`]);
  const told = facts['signature 1'] as Record<string, Record<string, unknown>>;
  assert.equal(told.key?.name, rsa.recordName);
  assert.equal(told.key?.record, rsa.record.replaceAll(' ', ''));
  assert.equal(told.canonicalization, 'relaxed/relaxed');
  assert.match(String(told.signedFields), /From/);
  assert.notEqual(told.bodyHash?.expected, told.bodyHash?.computed);
  assert.equal(told.reason, 'body hash did not verify');
});
