// XFORWARD: read with every mistake named, written within 512 octets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatXforward,
  maxXforwardCommand,
  parseXforward,
  type XforwardAttributes,
  type XforwardName,
  xforwardNames,
} from '../../src/smtp/xforward.ts';

function parsed(text: string): Record<string, string | undefined> {
  const attributes = parseXforward(text);
  assert.ok(typeof attributes !== 'string', `${text}: ${attributes}`);
  return Object.fromEntries(attributes);
}

const all: ReadonlySet<string> = new Set(xforwardNames);

function attributes(values: Partial<Record<XforwardName, string>>): XforwardAttributes {
  return new Map(
    xforwardNames.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]] as const])),
  );
}

test('attributes are read in any order and case, values decoded', () => {
  assert.deepEqual(
    parsed(
      '  helo=a+2Bb  NAME=client.example.com\tAddr=192.0.2.1 PORT=2525 PROTO=ESMTP IDENT=4Xyz source=remote',
    ),
    {
      HELO: 'a+b',
      NAME: 'client.example.com',
      ADDR: '192.0.2.1',
      PORT: '2525',
      PROTO: 'ESMTP',
      IDENT: '4Xyz',
      SOURCE: 'REMOTE',
    },
  );
});

test('[UNAVAILABLE], in any case and for any attribute, is said and is no value', () => {
  const text = xforwardNames
    .map((name, i) => `${name}=${i % 2 ? '[unavailable]' : '[UNAVAILABLE]'}`)
    .join(' ');
  assert.deepEqual(parsed(text), Object.fromEntries(xforwardNames.map((name) => [name, undefined])));
  assert.deepEqual(parsed('ADDR=+5BUNAVAILABLE]'), { ADDR: undefined }, 'encoded as well');
});

test('of an attribute that is named twice the last counts', () => {
  assert.deepEqual(parsed('NAME=a NAME=b'), { NAME: 'b' });
});

test('addresses of both families lose their prefix', () => {
  assert.deepEqual(parsed('ADDR=IPV6:2001:db8::1'), { ADDR: '2001:db8::1' });
  assert.deepEqual(parsed('ADDR=ipv6:::1'), { ADDR: '::1' });
  assert.deepEqual(parsed('ADDR=2001:db8::1'), { ADDR: '2001:db8::1' });
  assert.deepEqual(parsed('ADDR=::ffff:192.0.2.1'), { ADDR: '::ffff:192.0.2.1' });
});

test('a zone, which names an interface of the upstream, is no part of the address', () => {
  assert.deepEqual(parsed('ADDR=IPV6:fe80::1%eth0'), { ADDR: 'fe80::1' });
});

test('an address that only ends like this host is not read as this host', () => {
  assert.deepEqual(parsed('ADDR=IPV6:::127.0.0.1'), { ADDR: '::7f00:1' });
  assert.deepEqual(parsed('ADDR=::127.0.0.1'), { ADDR: '::7f00:1' });
});

test('bytes over 127 are kept, the last one too', () => {
  assert.deepEqual(parsed('HELO=voil\xc3\xa0'), { HELO: 'voil\xc3\xa0' });
});

test('a value may have 255 characters once it is decoded', () => {
  assert.deepEqual(parsed(`HELO=${'+41'.repeat(255)}`), { HELO: 'A'.repeat(255) });
});

const mistakes: readonly (readonly [text: string, message: string])[] = [
  ['', 'no attribute'],
  ['  \t', 'no attribute'],
  ['FOO=bar', 'unknown attribute FOO'],
  ['NAME', 'unknown attribute NAME'],
  ['NAMEX', 'unknown attribute NAMEX'],
  ['=x', 'unknown attribute '],
  ['NAME=a LOGIN=b', 'unknown attribute LOGIN'],
  ['NAME=', 'bad value of NAME'],
  ['NAME=+4', 'bad value of NAME'],
  ['NAME=a\x01b', 'bad value of NAME'],
  ['NAME=a+0D+0AEvil:+20yes', 'control character in NAME'],
  ['HELO=a+00', 'control character in HELO'],
  ['HELO=+7F', 'control character in HELO'],
  [`HELO=${'a'.repeat(256)}`, 'value of HELO over 255 characters'],
  ['ADDR=client.example.com', 'bad value of ADDR'],
  ['ADDR=192.0.2.256', 'bad value of ADDR'],
  ['ADDR=192.0.2', 'bad value of ADDR'],
  ['ADDR=IPV6:192.0.2.1', 'bad value of ADDR'],
  ['ADDR=IPV6:', 'bad value of ADDR'],
  ['ADDR=IPV6:2001:db8::g', 'bad value of ADDR'],
  ['ADDR=[192.0.2.1]', 'bad value of ADDR'],
  ['ADDR=fe80::1%eth0', 'bad value of ADDR'],
  ['PORT=65536', 'bad value of PORT'],
  ['PORT=-1', 'bad value of PORT'],
  ['PORT=smtp', 'bad value of PORT'],
  ['PORT=123456', 'bad value of PORT'],
  ['SOURCE=ELSEWHERE', 'bad value of SOURCE'],
];

for (const [text, message] of mistakes) {
  test(`${JSON.stringify(text.slice(0, 40))}: ${message}`, () => {
    assert.equal(parseXforward(text), message);
  });
}

test('what was read is written in the order of the list, and read again the same', () => {
  const text = 'HELO=a+2Bb IDENT=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 NAME=m\xfc PORT=25 SOURCE=LOCAL';
  const first = parseXforward(text);
  assert.ok(typeof first !== 'string');
  const commands = formatXforward(first, all);
  assert.deepEqual(commands, [
    'XFORWARD NAME=m+FC ADDR=IPV6:2001:db8::1 PORT=25 HELO=a+2Bb IDENT=[UNAVAILABLE] SOURCE=LOCAL',
  ]);
  assert.deepEqual(parsed(commands[0]?.slice('XFORWARD'.length) ?? ''), Object.fromEntries(first));
});

test('only what the downstream offers is sent; nothing is no command', () => {
  const said = attributes({ NAME: 'a', ADDR: '192.0.2.1', IDENT: 'q' });
  assert.deepEqual(formatXforward(said, new Set(['ADDR', 'NAME'])), ['XFORWARD NAME=a ADDR=192.0.2.1']);
  assert.deepEqual(formatXforward(said, new Set(['SOURCE'])), []);
  assert.deepEqual(formatXforward(said, new Set()), []);
  assert.deepEqual(formatXforward(new Map(), all), []);
});

test('a command that would be over 512 octets with its CRLF becomes two', () => {
  const name = 'n'.repeat(255);
  const room = maxXforwardCommand - 2 - `XFORWARD NAME=${name} HELO=`.length;
  const fits = formatXforward(attributes({ NAME: name, HELO: 'h'.repeat(room) }), all);
  assert.deepEqual(
    fits.map(({ length }) => length + 2),
    [512],
  );
  const split = formatXforward(attributes({ NAME: name, HELO: 'h'.repeat(room + 1) }), all);
  assert.deepEqual(split, [`XFORWARD NAME=${name}`, `XFORWARD HELO=${'h'.repeat(room + 1)}`]);
});

test('the longest values of all attributes leave in commands within 512 octets, none lost', () => {
  const long = 'x'.repeat(255);
  const said = attributes({
    NAME: long,
    ADDR: '2001:db8:1111:2222:3333:4444:5555:6666',
    PORT: '65535',
    PROTO: long,
    HELO: long,
    IDENT: long,
    SOURCE: 'REMOTE',
  });
  const commands = formatXforward(said, all);
  const read: Record<string, string | undefined> = {};
  for (const command of commands) {
    assert.ok(command.length + 2 <= maxXforwardCommand, `${command.length + 2} octets`);
    Object.assign(read, parsed(command.slice('XFORWARD'.length)));
  }
  assert.deepEqual(read, Object.fromEntries(said));
});

test('a value that no command has room for once it is encoded is not available', () => {
  const said = attributes({ NAME: 'a', HELO: '\xe9'.repeat(200), IDENT: 'q' });
  assert.deepEqual(formatXforward(said, all), ['XFORWARD NAME=a HELO=[UNAVAILABLE] IDENT=q']);
  const longest = Math.floor((maxXforwardCommand - 2 - 'XFORWARD HELO='.length) / 3);
  const [command = ''] = formatXforward(attributes({ HELO: '\xe9'.repeat(longest) }), all);
  assert.deepEqual(parsed(command.slice('XFORWARD'.length)), { HELO: '\xe9'.repeat(longest) });
});
