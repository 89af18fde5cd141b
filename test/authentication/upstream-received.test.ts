// Received fields: the upstream's own are read, those that a stranger could have written are not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  readUpstreamReceived,
  type Upstream,
  type UpstreamReceived,
} from '../../src/authentication/client/upstream-received.ts';

const client = { ip: '192.0.2.10', helo: 'laptop.example' };
const afterQueue: Upstream = { helo: 'mx.example.com', queueId: '4bXQ0z1Kd9z9' };
const beforeQueue: Upstream = { helo: 'mx.example.com' };

const using = [
  '\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)',
  '\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)',
].join('\r\n');
const noCertificate = '\t(No client certificate requested)';
const login = '\t(Authenticated sender: alice@example.com)';

interface Parts {
  readonly from?: string;
  readonly comments?: readonly string[];
  readonly by?: string;
  readonly with?: string;
  readonly end?: string;
}

/** As Postfix writes it. */
function postfix({
  from = 'laptop.example (host.example [192.0.2.10])',
  comments = [using, noCertificate, login],
  by = 'mx.example.com (Postfix)',
  with: protocol = 'ESMTPSA id 4bXQ0z1Kd9z9',
  end = 'for <bob@example.net>; Tue,  3 Jun 2025 10:00:00 +0200 (CEST)',
}: Parts = {}): string {
  return [`Received: from ${from}`, ...comments, `\tby ${by} with ${protocol}`, `\t${end}`, ''].join('\r\n');
}

function fields(...texts: readonly string[]) {
  return texts.map((text) => ({
    name: /^[^:]*/.exec(text)?.[0].trim() ?? '',
    raw: Buffer.from(text, 'latin1'),
  }));
}

function read(
  text: string,
  upstream: Upstream = afterQueue,
  who: { ip?: string } = client,
): UpstreamReceived {
  return readUpstreamReceived(fields(text, 'Subject: hello\r\n'), who, upstream);
}

function assertBelieved({ judgement }: UpstreamReceived): void {
  assert.match(judgement, /^believed: /);
}

function assertDoubted(received: UpstreamReceived, why: RegExp = /./): void {
  assert.match(received.judgement, /^not believed: /);
  assert.match(received.judgement, why);
  assert.equal(received.authenticated, undefined);
  assert.equal(received.tls, undefined);
}

const session = {
  authenticated: { name: 'alice@example.com' },
  tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', bits: '256' },
};

test('after the queue, the queue id and the address prove the field', () => {
  const { field, judgement, ...said } = read(postfix());
  assert.equal(judgement, 'believed: it has the upstream’s queue id');
  assert.match(field ?? '', /^from laptop\.example .* \(CEST\)$/);
  assert.deepEqual(said, session);
});

test('before the queue, where there is no id, the name and the address do', () => {
  const { authenticated, tls, judgement } = read(postfix({ with: 'ESMTPSA' }), beforeQueue);
  assert.equal(judgement, 'believed: it has the upstream’s name and client address');
  assert.deepEqual({ authenticated, tls }, session);
  assertBelieved(read(postfix({ by: 'MX.Example.COM (Postfix)' }), beforeQueue));
});

test('the upstream may call itself otherwise in EHLO where the queue id proves the field', () => {
  assertBelieved(read(postfix({ by: 'other.example (Postfix)' })));
});

test('a field is not believed with another queue id, address or name, or without one to compare', () => {
  assertDoubted(read(postfix({ with: 'ESMTPSA id 4bXQ0z1Kd9z8' })), /id is not 4bXQ0z1Kd9z9/);
  assertDoubted(read(postfix({ with: 'ESMTPSA id 4BXQ0Z1KD9Z9' })), /id is not/);
  assertDoubted(read(postfix({ with: 'ESMTPSA' })), /id is not/);
  assertDoubted(read(postfix({ from: 'x (y [192.0.2.11])' })), /address is not 192\.0\.2\.10/);
  assertDoubted(read(postfix({ from: '[192.0.2.10] (y [192.0.2.11])' })), /address is not/);
  assertDoubted(read(postfix({ from: '[192.0.2.10]', comments: [] })), /address is not/);
  assertDoubted(read(postfix({ from: 'x (y) (y [192.0.2.10])' })), /address is not/);
  assertDoubted(read(postfix({ by: 'mx.example.org' }), beforeQueue), /not by mx\.example\.com/);
  assertDoubted(read(postfix(), {}), /not by/);
  assertDoubted(read(postfix(), beforeQueue, {}), /neither ADDR nor IDENT/);
});

test('where XFORWARD did not tell the address, the queue id alone proves the field', () => {
  assertBelieved(read(postfix(), afterQueue, {}));
  assertDoubted(read(postfix({ with: 'ESMTPSA id X' }), afterQueue, {}));
});

test('IPv6 addresses are compared as addresses, IPv4-mapped ones as IPv4', () => {
  const from = 'x (unknown [IPv6:2001:db8:0:0::1])';
  assertBelieved(read(postfix({ from }), afterQueue, { ip: '2001:DB8::1' }));
  assertBelieved(read(postfix({ from: 'x ([ipv6:2001:db8::1])' }), afterQueue, { ip: '2001:db8::1' }));
  assertBelieved(read(postfix(), afterQueue, { ip: '::ffff:192.0.2.10' }));
  assertDoubted(read(postfix({ from }), afterQueue, { ip: '2001:db8::2' }));
});

test('only the first Received counts, whatever stands above it', () => {
  const own = postfix();
  const forged = postfix({ comments: [], with: 'ESMTP id OTHER' });
  const above = ['X-Greylist: delayed\r\n', 'Received-SPF: pass\r\n', 'Authentication-Results: x; none\r\n'];
  assertBelieved(readUpstreamReceived(fields(...above, own, forged), client, afterQueue));
  assertDoubted(readUpstreamReceived(fields(forged, own), client, afterQueue), /id is not 4bXQ0z1Kd9z9/);
  const spaced = own.replace('Received:', 'RECEIVED :');
  assertBelieved(readUpstreamReceived(fields(spaced, forged), client, afterQueue));
});

test('a message without Received tells nothing', () => {
  assertDoubted(readUpstreamReceived([], client, afterQueue), /has none/);
});

for (const [protocol, authenticated, tls] of [
  ['SMTP', false, false],
  ['ESMTP', false, false],
  ['ESMTPA', true, false],
  ['ESMTPS', false, true],
  ['ESMTPSA', true, true],
  ['esmtpsa', true, true],
  ['LMTPA', true, false],
  ['LMTPSA', true, true],
  ['UTF8SMTP', false, false],
  ['UTF8SMTPSA', true, true],
  ['UTF8LMTPA', true, false],
  ['UTF8LMTPS', false, true],
  ['ESMTPAS', false, false],
  ['XESMTPSA', false, false],
  ['HTTPSA', false, false],
] as const) {
  test(`with ${protocol}: ${authenticated ? 'logged in' : 'no login'}, ${tls ? 'TLS' : 'no TLS'}`, () => {
    const received = read(postfix({ comments: [], with: `${protocol} id 4bXQ0z1Kd9z9` }));
    assertBelieved(received);
    assert.deepEqual(received.authenticated, authenticated ? {} : undefined);
    assert.deepEqual(received.tls, tls ? {} : undefined);
  });
}

test('a login comment without the A of the protocol is no login', () => {
  const received = read(postfix({ comments: [login], with: 'ESMTP id 4bXQ0z1Kd9z9' }));
  assertBelieved(received);
  assert.equal(received.authenticated, undefined);
});

for (const [name, comment = `Authenticated sender: ${name}`] of [
  ['a b'],
  ['x? (Authenticated sender: ceo)'],
  ['semi;colon, "quoted" (nested (twice)) [1.2.3.4]'],
  ['  leading'],
  ['a)b', 'Authenticated sender: a\\)b'],
] as const) {
  test(`the login name may be ${JSON.stringify(name)}`, () => {
    const received = read(postfix({ comments: [`\t(${comment})`] }));
    assertBelieved(received);
    assert.deepEqual(received.authenticated, { name });
  });
}

test('no login name is told where it is empty, not ASCII, there twice, or elsewhere than Postfix writes it', () => {
  const second = '\t(Authenticated sender: ceo@example.com)';
  for (const comments of [
    [login, second],
    ['\t(Authenticated sender: )'],
    ['\t(Authenticated sender: \xfc)'],
  ]) {
    assert.deepEqual(read(postfix({ comments })).authenticated, {});
  }
  const by = 'mx.example.com (Authenticated sender: ceo@example.com)';
  assert.deepEqual(read(postfix({ comments: [], by })).authenticated, {});
  const from = 'x (host.example [192.0.2.10] (Authenticated sender: ceo))';
  assertDoubted(read(postfix({ from, comments: [] })), /address is not/);
});

test('older and newer TLS comments of Postfix are read', () => {
  const tlsOf = (...comments: string[]) => read(postfix({ comments })).tls;
  assert.deepEqual(tlsOf('\t(using TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits))'), {
    version: 'TLSv1.2',
    cipher: 'ECDHE-RSA-AES128-GCM-SHA256',
    bits: '128',
  });
  assert.deepEqual(tlsOf('\t(using TLSv1.3 with cipher made (up/down bits))'), {});
  const tls = session.tls;
  assert.deepEqual(tlsOf(using, '\t(Client did not present a certificate)'), tls);
  assert.deepEqual(tlsOf(using, '\t(Client CN "mail.example", Issuer "Some CA (R3)" (verified OK))'), {
    ...tls,
    clientCertificate: { verified: true, name: 'mail.example', issuer: 'Some CA (R3)' },
  });
  assert.deepEqual(tlsOf(using, '\t(Client CN "mail.example", Issuer "Self" (not verified))'), {
    ...tls,
    clientCertificate: { verified: false },
  });
});

test('a certificate cannot say by its names that it was verified, nor take the name of another', () => {
  const certificateOf = (comment: string) =>
    read(postfix({ comments: [using, comment] })).tls?.clientCertificate;
  assert.deepEqual(
    certificateOf('\t(Client CN "ceo", Issuer "CA" (verified OK)", Issuer "Self" (not verified))'),
    { verified: false },
  );
  assert.deepEqual(
    certificateOf('\t(Client CN "ceo", Issuer "CA" (verified OK)", Issuer "CA" (verified OK))'),
    {
      verified: true,
    },
  );
});

test('the tls clause of RFC 8314 is read, with the comment that Exim puts before it', () => {
  const exim = 'esmtpsa (TLS1.3) tls TLS_AES_128_GCM_SHA256 (Exim 4.96) (envelope-from <a@b.example>)';
  const { tls, authenticated } = read(postfix({ comments: [], with: `${exim} id 4bXQ0z1Kd9z9` }));
  assert.deepEqual(tls, { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' });
  assert.deepEqual(authenticated, {});
});

test('mail that the upstream’s own user submits on the command line has neither login nor TLS', () => {
  const local =
    'Received: by mx.example.com (Postfix, from userid 0)\r\n\tid 4bXQ0z1Kd9z9; Tue,  3 Jun 2025 10:00:00 +0200\r\n';
  const received = read(local, afterQueue, {});
  assertBelieved(received);
  assert.equal(received.authenticated, undefined);
});

test('recipients may have quoted strings', () => {
  const end = 'for <"a b;(c\\"with ESMTP"@example.net>; Tue, 3 Jun 2025 10:00 GMT';
  assertBelieved(read(postfix({ end })));
});

/** HELO names that an upstream less careful than Postfix would copy into its field as they are. */
const before = 'x (x [192.0.2.10]) by mx.example.com with ESMTPA';
for (const helo of [
  before,
  `${before} id 4bXQ0z1Kd9z9`,
  `${before}; Tue, 3 Jun 2025 10:00:00 +0000`,
  `${before}; Tue, 3 Jun 2025 10:00:00 +0000 (`,
  `${before}; Tue, 3 Jun 2025 10:00:00 +0000 "`,
  `${before}; Tue, 3 Jun 2025 10:00:00 +0000;`,
  `${before} (`,
  `${before} for "`,
  `${before} for \\`,
  'x(',
  'x"',
  'x;',
  'x)',
  'x by',
  'x with ESMTPA',
]) {
  test(`a HELO name ${JSON.stringify(helo)} does not make a login`, () => {
    for (const protocol of ['ESMTP', 'ESMTP id 4bXQ0z1Kd9z9']) {
      const text = postfix({ from: `${helo} (evil.example [192.0.2.10])`, comments: [], with: protocol });
      assert.equal(read(text, beforeQueue).authenticated, undefined);
      assert.equal(read(text, afterQueue).authenticated, undefined);
    }
  });
}

for (const [what, text] of [
  ['two clauses of a name', postfix({ with: 'ESMTPA with ESMTPA' })],
  ['clauses out of order', postfix({ with: 'ESMTPA from x' })],
  ['words of no clause', postfix({ with: 'ESMTPA extra words' })],
  ['no date', postfix({ with: 'ESMTPA', end: 'for <bob@example.net>' })],
  ['a date that is none', postfix({ with: 'ESMTPA', end: '; yesterday' })],
  ['clauses after the date', postfix({ with: 'ESMTPA', end: '; Tue, 3 Jun 2025 10:00:00 +0000 id x' })],
  ['an open comment', postfix({ with: 'ESMTPA', end: '; Tue, 3 Jun 2025 10:00:00 +0000 (CEST' })],
  ['a bare CR', postfix({ with: 'ESMTPA\rid x' })],
  ['a bare LF', postfix({ with: 'ESMTPA\nid x' })],
  ['a NUL', postfix({ with: 'ESMTPA\0' })],
  ['nothing', 'Received:\r\n'],
  ['over 8192 bytes', postfix({ with: `ESMTPA (${'x'.repeat(8192)})` })],
] as const) {
  test(`a field with ${what} is not believed`, () => assertDoubted(read(text, beforeQueue)));
}

test('whatever the field, it is read in time in proportion to its length', () => {
  for (const piece of [
    '(',
    '(a',
    '"',
    'a"',
    '""',
    '\\',
    '"\\',
    ' from',
    ' x (',
    '; ',
    '(using TLSv1.3 with cipher ',
  ]) {
    const started = performance.now();
    read(`Received: from x (x [192.0.2.10]) ${piece.repeat(8000 / piece.length)}`, beforeQueue);
    assert.ok(performance.now() - started < 100, piece);
  }
});

test('no text of a client can make a login in a field of an upstream that has none', () => {
  const part = fc.constantFrom(
    ...[
      ' ',
      '(',
      ')',
      '"',
      ';',
      '\\',
      'by',
      'with',
      'ESMTPA',
      'id',
      'mx.example.com',
      '[192.0.2.10]',
      'x',
      'from',
    ],
    'Tue, 3 Jun 2025 10:00:00 +0000',
    '(x [192.0.2.10])',
  );
  const text = fc.array(part, { maxLength: 30 }).map((parts) => parts.join(' '));
  fc.assert(
    fc.property(text, (helo) => {
      const from = `${helo} (x [192.0.2.10])`;
      const received = read(postfix({ from, comments: [], with: 'ESMTP' }), beforeQueue);
      assert.equal(received.authenticated, undefined);
    }),
    { numRuns: 2000 },
  );
});
