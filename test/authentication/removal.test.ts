// Which fields of a message go: whose they are in all spellings, what can't be read, and what only we write.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Removal, type RemovalOptions } from '../../src/authentication/header/removal.ts';
import { parseHeaderSection } from '../../src/message/header-section.ts';
import { judge, plain } from './judge.ts';

const field = 'Authentication-Results';

function removal(options: Partial<RemovalOptions> = {}): Removal {
  const given = { authservIds: ['mx.example.org'], remove: [], alsoIn: [], keepRemoved: false, ...options };
  return new Removal(given, { results: ['X-Our-Results'], others: ['X-Disposition-Quarantine'] });
}

/** What is in the field's place: itself, nothing, or something else. */
function rewritten(text: string | Buffer, options: Partial<RemovalOptions> = {}): string {
  const instead = removal(options).rewrite(Buffer.from(text));
  if (instead === undefined) return 'stays';
  return instead.length === 0 ? 'goes' : instead.toString('latin1');
}

const goes: readonly (readonly [string, string])[] = [
  [field, ' mx.example.org; spf=pass'],
  ['AUTHENTICATION-results', ' MX.Example.ORG; none'],
  [field, 'mx.example.org;none'],
  [field, ' mx.example.org 1; spf=pass'],
  [field, ' mx.example.org 1'],
  [field, ' mx.example.org (one) 01 (two) ; spf=pass'],
  [field, ' mx.example.org/1; spf=pass'],
  [field, '\r\n mx.example.org;\r\n spf=pass'],
  [field, ' "mx.example.org"; spf=pass'],
  [field, ' "mx.exam\\ple.org"; spf=pass'],
  [field, ' "mx.\r\nexample.org"; spf=pass'],
  [field, ' " mx.example.org "; spf=pass'],
  [field, ' (a (nested) comment\\)) mx.example.org (another); spf=pass'],
  [field, ' mx.example(comment).org; spf=pass'],
  [field, ' mx.example.org'],
  [field, ' mx.example.org.; spf=pass'],
  [field, ' mx.example.org..; spf=pass'],
  [field, ' mx\u3002example\uff0eorg; spf=pass'],
  [field, ' mx.example.org\u3002.; spf=pass'],
  [field, ' \xa0mx.example.org; spf=pass'],
  [field, ' mx.example.org\x85; spf=pass'],
  [field, ' "mx.example.org\u2028"; spf=pass'],
  [field, `${' '.repeat(500)}mx.example.org; spf=pass`],
  [field, ` (${'x'.repeat(100_000)}) mx.example.org; spf=pass`],
  [`${field} `, ' mx.example.org; spf=pass'],
  [`${field} \t`, ' mx.example.org; spf=pass'],
  [`${field}${' '.repeat(2000)}`, ' mx.example.org; spf=pass'],
  [` ${field}`, ' mx.example.org; spf=pass'],
  [`${field}\r\n `, ' mx.example.org; spf=pass'],
  [`${field}\0`, ' mx.example.org; spf=pass'],
  [`\ufeff${field}`, ' mx.example.org; spf=pass'],
  ['X-Our-Results', ' mx.example.org; x-custom=pass'],
];
for (const [name, body] of goes) {
  test(`ours, and goes: ${JSON.stringify(`${name}:${body}`).slice(0, 90)}`, () => {
    assert.equal(rewritten(`${name}:${body}\r\n`), 'goes');
  });
}

test('a name with bytes that are no UTF-8, which some take for white space, can be anybody’s, and goes', () => {
  for (const body of [
    '\xa0mx.example.org',
    'mx.example.org\x85',
    '"\xa0mx.example.org"',
    'b\xfccher.example',
  ]) {
    assert.equal(rewritten(Buffer.from(`${field}: ${body}; spf=pass\r\n`, 'latin1')), 'goes', body);
  }
});

const stays: readonly (readonly [string, string])[] = [
  [field, ' mx.example.com; spf=pass'],
  [field, ' example.org; spf=pass'],
  [field, ' sub.mx.example.org; spf=pass'],
  [field, ' amx.example.org; spf=pass'],
  [field, ' other (mx.example.org); spf=pass'],
  [field, ' other; mx.example.org'],
  [field, ' other 1; spf=pass'],
  [field, ' other (amavisd-new)\r\n\t1 (one);\r\n\tdkim=pass (2048-bit key) header.d=example.com;'],
  [field, ' other; dkim=pass header.i=@example.com header.b="a/b; c" reason="(" ; ;; x'],
  [field, ' other; spf=pass smtp.mailfrom=a@b ) ] \\'],
  [field, ' "a name; of (some) \\"sort\\""; none'],
  [field, ' bücher.example; spf=pass reason="für dich"'],
  [field, ` ${'x'.repeat(100_000)}; spf=pass`],
  [`${field}-Too`, ' mx.example.org; spf=pass'],
  ['X-Authentication-Results', ' mx.example.org; spf=pass'],
  ['ARC-Authentication-Results', ' i=1; mx.example.org; spf=pass'],
  ['Subject', ' Authentication-Results: mx.example.org; spf=pass'],
  ['X-Our-Results', ' other; x-custom=pass'],
  ['X-Received-Authentication-Results', ' mx.example.org; spf=pass'],
];
for (const [name, body] of stays) {
  test(`not ours, and stays: ${JSON.stringify(`${name}:${body}`).slice(0, 90)}`, () => {
    assert.equal(rewritten(`${name}:${body}\r\n`), 'stays');
  });
}

const unreadable: readonly (readonly [string, string])[] = [
  ['no authserv-id', ''],
  ['a comment alone', ' (who knows)'],
  ['results alone', ' ; spf=pass'],
  ['a result in its place, as Exchange writes it', ' spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=x'],
  ['an empty authserv-id', ' ""; spf=pass'],
  ['an unclosed comment', ' (other; spf=pass'],
  ['an unclosed comment further on', ' other; spf=pass (because'],
  ['an unclosed comment by an escape', ' other; spf=pass (because\\)'],
  ['an unclosed nested comment', ' other; spf=pass (a (b)'],
  ['an unclosed quoted-string', ' "other; spf=pass'],
  ['an unclosed quoted-string further on', ' other; spf=pass reason="because'],
  ['an unclosed quoted-string by an escape', ' other; spf=pass reason="because\\"'],
  ['a control character', ' other; spf=pass\x00'],
  ['a control character in a comment', ' other; spf=pass (\x1b[2J)'],
  ['a bare CR', ' other; spf=pass\rAuthentication-Results: mx.example.org; dkim=pass'],
  ['a DEL', ' oth\x7fer; spf=pass'],
  ['version 2', ' other 2; spf=pass'],
  ['version 11', ' other 11; spf=pass'],
  ['a version that is a word', ' other one; spf=pass'],
  ['a version that is part of a word', ' other 1x; spf=pass'],
  ['two versions', ' other 1 1; spf=pass'],
  ['a comma after the authserv-id', ' other, mx.example.org; spf=pass'],
  ['two names', ' other mx.example.org; spf=pass'],
  ['an encoded word', ' =?utf-8?q?mx.example.org?=; spf=pass'],
  ['a name that goes on after the quotes', ' "other".example; spf=pass'],
];
for (const [what, body] of unreadable) {
  test(`what can't be read goes: ${what}`, () => {
    assert.equal(rewritten(`${field}:${body}\r\n`), 'goes');
  });
}

test('an internationalised authserv-id is ours in either form', () => {
  const judged = (own: string, id: string) =>
    rewritten(`${field}: ${id}; spf=pass\r\n`, { authservIds: [own] });
  assert.equal(judged('bücher.example', 'xn--bcher-kva.example'), 'goes');
  assert.equal(judged('xn--bcher-kva.example', 'BÜCHER.example'), 'goes');
  assert.equal(judged('xn--bcher-kva.example', '"bücher.example" 1'), 'goes');
  assert.equal(judged('voilà.example', 'voilà.example'), 'goes');
  assert.equal(judged('bücher.example', 'bucher.example'), 'stays');
});

test('the names of all listeners are ours', () => {
  const authservIds = ['in.example.org', 'Out.Example.Org'];
  for (const id of authservIds) assert.equal(rewritten(`${field}: ${id}; none\r\n`, { authservIds }), 'goes');
  assert.equal(rewritten(`${field}: mx.example.org; none\r\n`, { authservIds }), 'stays');
});

test('those of others go when they are named, and their subdomains', () => {
  const options = { remove: ['Example.net', 'xn--bcher-kva.example'] };
  for (const id of ['example.net', 'mx.EXAMPLE.net', '"a.b.example.net."', 'mx.bücher.example']) {
    assert.equal(rewritten(`${field}: ${id}; spf=pass\r\n`, options), 'goes', id);
  }
  for (const id of ['badexample.net', 'example.net.org', 'net', 'example.com', 'example.net-x']) {
    assert.equal(rewritten(`${field}: ${id}; spf=pass\r\n`, options), 'stays', id);
  }
});

test('fields that are read like it are judged like it', () => {
  const options = { alsoIn: ['x-authentication-RESULTS'] };
  assert.equal(rewritten('X-Authentication-Results: mx.example.org; spf=pass\r\n', options), 'goes');
  assert.equal(rewritten('X-AUTHENTICATION-RESULTS : (unclosed\r\n', options), 'goes');
  assert.equal(rewritten('X-Authentication-Results: other; spf=pass\r\n', options), 'stays');
  assert.equal(rewritten('ARC-Authentication-Results: i=1; mx.example.org\r\n', options), 'stays');
  const asked = { alsoIn: ['ARC-Authentication-Results'] };
  assert.equal(rewritten('ARC-Authentication-Results: mx.example.org\r\n', asked), 'stays');
});

test('what only we write goes in any spelling, and is not kept', () => {
  for (const keepRemoved of [false, true]) {
    for (const name of [
      'X-Disposition-Quarantine',
      'x-disposition-QUARANTINE \t',
      'X-Disposition-Quarantine\0',
    ]) {
      assert.equal(rewritten(`${name}: DMARC fail\r\n`, { keepRemoved }), 'goes', name);
    }
  }
  assert.equal(rewritten('X-Disposition: x\r\n'), 'stays');
});

const kept: readonly (readonly [string, string, string])[] = [
  ['its bytes', 'Authentication-Results: mx.example.org; a=b', ': mx.example.org; a=b'],
  ['its folding', 'AUTHENTICATION-RESULTS:\r\n\tmx.example.org;\r\n  a=b', ':\r\n\tmx.example.org;\r\n  a=b'],
  ['its lack of a space', 'Authentication-Results:mx.example.org', ':mx.example.org'],
  ['not what is odd before the colon', 'Authentication-Results \t: mx.example.org', ': mx.example.org'],
  ['its bytes, readable or not', 'Authentication-Results: (\xff', ': (\xff'],
];
for (const [what, before, after] of kept) {
  test(`a removed field that is kept keeps ${what}`, () => {
    const raw = Buffer.from(`${before}\r\n`, 'latin1');
    const instead = removal({ keepRemoved: true }).rewrite(raw);
    assert.equal(instead?.toString('latin1'), `X-Received-Authentication-Results${after}\r\n`);
  });
}

test('a line that would become too long under the longer name is folded', () => {
  for (const space of [' ', '']) {
    const body = `${space}mx.example.org; x=${'y'.repeat(950)}`;
    const text = rewritten(`${field}:${body}\r\n z\r\n`, { keepRemoved: true });
    assert.ok(text.split('\r\n').every((line) => line.length <= 998));
    assert.equal(text.replace(/\r\n(?=\s)/g, ''), `X-Received-${field}: ${body.trim()} z\r\n`);
  }
});

test('a line of 998 octets under the longer name stays in one piece', () => {
  const name = `X-Received-${field}: `;
  const body = 'mx.example.org; x='.padEnd(998 - name.length, 'y');
  assert.equal(rewritten(`${field}: ${body}\r\n`, { keepRemoved: true }), `${name}${body}\r\n`);
  assert.equal(
    rewritten(`${field}: ${body}y\r\n`, { keepRemoved: true }),
    `${name.trimEnd()}\r\n ${body}y\r\n`,
  );
});

test('what comes from outside under the name of what we keep goes where we keep', () => {
  const forged = 'X-Received-Authentication-Results: other; dkim=pass\r\n';
  assert.equal(rewritten(forged, { keepRemoved: true }), 'goes');
  assert.equal(rewritten(forged, { keepRemoved: false }), 'stays');
});

test('lines that are no fields stay', () => {
  for (const line of ['', '\r\n', 'Authentication-Results\r\n', 'mx.example.org; spf=pass\r\n']) {
    assert.equal(rewritten(line), 'stays', JSON.stringify(line));
  }
});

test('a field of any bytes is judged in a time that grows with its length, not faster', () => {
  const size = 400_000;
  const names = [
    '(',
    '()',
    '(\\',
    '"',
    '""',
    '"\\',
    ' ',
    '\r\n ',
    'a',
    'ü',
    '漢.',
    '漢',
    '0',
    '1 ',
    ';',
    '\0',
    '\t(',
  ];
  for (const end of ['', ':']) {
    for (const piece of names) {
      const repeated = piece.repeat(size / piece.length);
      const raw = Buffer.from(end === ':' ? `${repeated}: x` : `${field}: ${repeated}`);
      const begun = process.cpuUsage();
      removal({ keepRemoved: true, remove: ['example.net'] }).rewrite(raw);
      const { user } = process.cpuUsage(begun);
      assert.ok(user < 500_000, `${user} µs for ${JSON.stringify(piece)}`);
    }
  }
});

test('a thousand names that would have to be converted cost no more than one of their size should', () => {
  const id = `${'漢字仮名交じり文を書く'.repeat(5)}.`.repeat(20);
  const raw = Buffer.from(`${field}: ${id}; spf=pass\r\n`);
  const judged = removal();
  const begun = process.cpuUsage();
  for (let i = 0; i < 1000; i++) judged.rewrite(raw);
  const { user } = process.cpuUsage(begun);
  assert.ok(user < 1_000_000, `${user} µs`);
});

/** The header section as it would go downstream. */
async function downstream(header: string, ip: string, keepRemoved = false): Promise<string> {
  const checks = { iprev: false, arc: false, dmarc: false, spf: { header: 'X-SPF-Results' } };
  const removalOptions = { authservIds: ['mx.example.org'], remove: [], alsoIn: [], keepRemoved };
  const outcome = await judge({
    client: { ip },
    checks,
    message: header + plain,
    options: { removal: removalOptions },
  });
  const { fields } = parseHeaderSection(Buffer.from(header));
  return fields.map(({ name, raw }) => (outcome.rewrite(name, raw) ?? raw).toString()).join('');
}

const forgedHeader = [
  'Authentication-Results: mx.example.org; dkim=pass header.d=forged.example',
  'Authentication-Results: other.example; dkim=pass',
  'X-SPF-Results: mx.example.org; spf=pass',
  'X-Disposition-Quarantine: forged',
  'X-Received-Authentication-Results: forged',
  'Subject: x',
  '',
].join('\r\n');

test('a field of a check’s own is judged too', async () => {
  assert.equal(
    await downstream(forgedHeader, '192.0.2.1'),
    'Authentication-Results: other.example; dkim=pass\r\nX-Received-Authentication-Results: forged\r\nSubject: x\r\n',
  );
});

test('a local client may not forge any more than a stranger', async () => {
  assert.equal(
    await downstream(forgedHeader, '10.0.0.1', true),
    'X-Received-Authentication-Results: mx.example.org; dkim=pass header.d=forged.example\r\n' +
      'Authentication-Results: other.example; dkim=pass\r\n' +
      'X-Received-Authentication-Results: mx.example.org; spf=pass\r\n' +
      'Subject: x\r\n',
  );
});

test('what comes from a trusted client stays, byte for byte', async () => {
  for (const ip of ['203.0.113.7', '::ffff:203.0.113.7']) {
    assert.equal(await downstream(forgedHeader, ip, true), forgedHeader);
  }
});

test('so it does when the client has logged in besides', async () => {
  const received = [
    'Received: from mx2.example (mx2.example [203.0.113.7]) (Authenticated sender: mx2)',
    '\tby mx.example.com (Postfix) with ESMTPSA id 4bXQ0z1Kd9z9; Tue,  3 Jun 2025 10:00:00 +0000 (UTC)',
    '',
  ].join('\r\n');
  const outcome = await judge({
    client: { ip: '203.0.113.7', helo: 'mx2.example' },
    upstream: { helo: 'mx.example.com', queueId: '4bXQ0z1Kd9z9' },
    message: received + plain,
  });
  assert.equal(outcome.clientClass, 'authenticated');
  const raw = Buffer.from('Authentication-Results: mx.example.org; spf=pass\r\n');
  assert.equal(outcome.rewrite('Authentication-Results', raw), undefined);
});
