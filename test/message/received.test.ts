// Tests of the Received field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReceivedInput, receivedField } from '../../src/message/received.ts';

const usual: ReceivedInput = {
  client: { helo: 'mail.example.com', name: 'client.example.com', ip: '192.0.2.10' },
  by: 'mx.example.org',
  with: 'ESMTP',
  id: '1a2b3c',
  for: 'kim@example.org',
  date: new Date(Date.UTC(2025, 10, 5, 7, 8, 9)),
};

test('a usual message gives a field as RFC 5321 has it', () => {
  assert.equal(
    receivedField(usual),
    'Received: from mail.example.com (client.example.com [192.0.2.10])\r\n' +
      ' by mx.example.org with ESMTP id 1a2b3c for <kim@example.org>;\r\n' +
      ' Wed, 05 Nov 2025 07:08:09 +0000\r\n',
  );
});

test('each field has the time of its own message', () => {
  for (const second of [9, 10, 9]) {
    const field = receivedField({ ...usual, date: new Date(Date.UTC(2025, 10, 5, 7, 8, second)) });
    assert.equal(field.split('\r\n')[2], ` Wed, 05 Nov 2025 07:08:${String(second).padStart(2, '0')} +0000`);
  }
});

test('what is not known of the client is unknown', () => {
  assert.match(
    receivedField({ ...usual, client: {} }),
    /^Received: from unknown \(unknown \[unknown\]\)\r\n/,
  );
  assert.match(
    receivedField({ ...usual, client: { helo: '', ip: '192.0.2.1' } }),
    /^Received: from unknown \(unknown \[192\.0\.2\.1\]\)\r\n/,
  );
});

test('an IPv6 address is tagged, an address literal in HELO is kept', () => {
  const field = receivedField({ ...usual, client: { helo: '[IPv6:2001:db8::1]', ip: '2001:db8::1' } });
  assert.match(field, /^Received: from \[IPv6:2001:db8::1\] \(unknown \[IPv6:2001:db8::1\]\)\r\n/);
});

test('without a recipient there is no for clause', () => {
  assert.match(
    receivedField({ ...usual, for: undefined }),
    /\r\n by mx\.example\.org with ESMTP id 1a2b3c;\r\n/,
  );
});

test('a recipient over 254 characters, which no address has, is left out', () => {
  const longest = `${'r'.repeat(242)}@example.org`;
  assert.equal(longest.length, 254);
  assert.ok(receivedField({ ...usual, for: longest }).includes(` for <${longest}>;`));
  assert.match(receivedField({ ...usual, for: `r${longest}` }), / id 1a2b3c;\r\n/);
});

test('a quoted local part and a path in angle brackets stand in the for clause', () => {
  assert.match(receivedField({ ...usual, for: '<"a b;c"@example.org>' }), / for <"a b;c"@example\.org>;\r\n/);
  assert.match(receivedField({ ...usual, for: '<postmaster>' }), / for <postmaster>;\r\n/);
});

test('an address that could break the field is left out', () => {
  for (const bad of [
    'a>b@example.org',
    'a;b@example.org',
    'a\r\nX: y@example.org',
    '"a\0"@b',
    'a b@c',
    'm\xfc@b',
    '',
  ]) {
    assert.match(receivedField({ ...usual, for: bad }), / id 1a2b3c;\r\n/, bad);
  }
});

test('nothing that a client says ends the line, the comment or the word', () => {
  const field = receivedField({
    ...usual,
    client: { helo: 'a\r\nX-Evil: (b', name: 'n) by evil; <x>\0', ip: '1.2.3.4\r\n' },
    id: 'i;d\n',
  });
  assert.match(
    field,
    /^Received: from a\?\?X-Evil:\?\?b \(n\?\?by\?evil\?\?\?x\?\? \[1\.2\.3\.4\?\?\]\)\r\n/,
  );
  assert.match(field, / id i\?d\? /);
});

/** A text's UTF-8 bytes, one character each. */
function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

test('bytes over 126 become question marks, and stay where the transaction speaks UTF-8', () => {
  const helo = bytes('müller.example');
  assert.match(receivedField({ ...usual, client: { helo } }), /^Received: from m\?\?ller\.example /);
  const field = receivedField({
    ...usual,
    client: { helo },
    with: 'UTF8SMTPS',
    for: bytes('用户@example.org'),
  });
  assert.ok(field.startsWith(bytes('Received: from müller.example ')));
  assert.ok(field.includes(bytes(' with UTF8SMTPS id 1a2b3c for <用户@example.org>;')));
});

test('no text becomes a control character or a line end on the way to bytes', () => {
  const helo = bytes('\u010a\u010d\u2028\u0085.example');
  const field = receivedField({
    ...usual,
    client: { helo },
    with: 'UTF8SMTP',
    for: bytes('\u010a@example.org'),
  });
  assert.ok(field.startsWith(bytes('Received: from \u010a\u010d??.example (')));
  assert.equal(field.split('\n').length, 4);
  assert.doesNotMatch(field, /[^\r]\n|\r[^\n]/);
});

test('lines are folded at 78 where possible and never exceed 998 bytes', () => {
  const field = receivedField({
    ...usual,
    client: {
      helo: `h${'\xff'.repeat(400)}`,
      name: `${'n'.repeat(60)}.example`,
      ip: '2001:db8:1234:5678:9abc:def0:1234:5678',
    },
    with: 'UTF8LMTPS',
    by: `${'b'.repeat(50)}.example.org`,
    for: `${'r'.repeat(50)}@example.org`,
  });
  const lines = field.split('\r\n');
  for (const line of lines) assert.ok(line.length <= 998);
  for (const line of lines.slice(1)) assert.ok(line.length <= 78, line);
  assert.ok(lines.slice(1, -1).every((line) => line.startsWith(' ')));
});

test('a line is folded only where the next word would pass column 78', () => {
  const lineOf = (by: string) => receivedField({ ...usual, by, for: undefined }).split('\r\n')[1];
  const rest = ' with ESMTP id 1a2b3c;';
  const longest = 'b'.repeat(78 - ' by '.length - rest.length);
  assert.equal(lineOf(longest), ` by ${longest}${rest}`);
  assert.equal(lineOf(`b${longest}`), ` by b${longest} with ESMTP`);
});
