// Replies: read however their bytes are cut, refused when they are none, written without surprises.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  describeReply,
  formatReply,
  isPermanent,
  isPositive,
  makeReply,
  type Reply,
  ReplyReader,
  ReplySyntaxError,
} from '../../src/smtp/reply.ts';

/** Reads bytes that arrive in pieces, each as long as `size` says, the rest in one. */
function read(wire: string, ...sizes: readonly number[]): Reply[] {
  const reader = new ReplyReader();
  const bytes = Buffer.from(wire, 'latin1');
  const replies: Reply[] = [];
  let from = 0;
  for (const size of [...sizes, bytes.length]) {
    replies.push(...reader.push(bytes.subarray(from, from + size)));
    from += size;
  }
  assert.equal(reader.partial, false);
  return replies;
}

const conversation =
  '220 a ESMTP\r\n250-a\r\n250-SIZE 1\r\n250 HELP\r\n250\r\n550-5.1.1 No\r\n550 5.1.1\r\n421 x\n';
const replies: readonly Reply[] = [
  { code: 220, lines: ['a ESMTP'] },
  { code: 250, lines: ['a', 'SIZE 1', 'HELP'] },
  { code: 250, lines: [''] },
  { code: 550, lines: ['5.1.1 No', '5.1.1'] },
  { code: 421, lines: ['x'] },
];

test('replies are read the same, wherever their bytes are cut', () => {
  for (let first = 0; first <= conversation.length; first++) {
    for (let second = 0; second <= conversation.length - first; second++) {
      assert.deepEqual(read(conversation, first, second), replies, `cut after ${first} and ${second}`);
    }
  }
});

test('replies are read byte by byte', () => {
  assert.deepEqual(read(conversation, ...Array.from(conversation, () => 1)), replies);
});

test('a reply comes with its last byte, and no sooner', () => {
  const reader = new ReplyReader();
  assert.equal(reader.partial, false);
  assert.deepEqual(reader.push(Buffer.from('250-a\r\n')), []);
  assert.equal(reader.partial, true);
  assert.deepEqual(reader.push(Buffer.from('250 b\r')), []);
  assert.deepEqual(reader.push(Buffer.from('\n')), [{ code: 250, lines: ['a', 'b'] }]);
  assert.equal(reader.partial, false);
});

test('every byte that a text may hold is kept and written again; what could begin another line is not', () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('');
  const text = bytes.replace('\n', '');
  const kept = text.replace(/[^\t\x20-\x7e\x80-\xff]/g, ' ');
  const [reply] = read(`250 ${text}\r\n`);
  assert.deepEqual(reply, { code: 250, lines: [kept] });
  assert.equal(reply && formatReply(reply), `250 ${kept}\r\n`);
});

test('what is no reply is an error that shows it, and not too much of it', () => {
  const garbage = [
    'HTTP/1.1 400 Bad Request',
    '',
    '25 x',
    '2500 x',
    '250x',
    '250_x',
    '150 x',
    '650 x',
    '050 x',
    ' 250 x',
    '250\tx',
    '\xff\xfe',
  ];
  for (const line of garbage) {
    assert.throws(
      () => read(`${line}\r\n`),
      (error) => error instanceof ReplySyntaxError && error.message.includes(JSON.stringify(line)),
      line,
    );
  }
  assert.throws(
    () => read(`${'x'.repeat(3000)}\r\n`),
    (error) => error instanceof ReplySyntaxError && error.message.length < 120,
  );
});

test('a code that changes inside a reply is an error', () => {
  assert.throws(() => read('250-a\r\n251 b\r\n'), /code changes from 250 to 251/);
  assert.throws(() => read('250-a\r\n550-b\r\n'), ReplySyntaxError);
  assert.deepEqual(read('250 a\r\n550 b\r\n').length, 2, 'but not between two');
});

test('a line may have 4096 octets, however they are cut, and not one more', () => {
  const longest = `250 ${'x'.repeat(4092)}`;
  assert.equal(longest.length, 4096);
  for (const size of [1, 4095, 4096, 4097, 4098]) {
    assert.equal(read(`${longest}\r\n`, size)[0]?.lines[0].length, 4092, `cut after ${size}`);
    assert.throws(() => read(`${longest}x\r\n`, size), ReplySyntaxError, `cut after ${size}`);
  }
});

test('a line that never ends is an error before it is much memory', () => {
  const reader = new ReplyReader();
  const piece = Buffer.alloc(1000, 'x');
  assert.throws(() => {
    for (let i = 0; i < 6; i++) reader.push(piece);
  }, /reply line over 4096 octets/);
});

test('a reply may have 256 lines, and not one more', () => {
  const lines = '250-x\r\n'.repeat(255);
  assert.equal(read(`${lines}250 x\r\n`)[0]?.lines.length, 256);
  assert.throws(() => read(`${lines}250-x\r\n250 x\r\n`), /reply over 256 lines/);
});

test('a reply of ours never becomes two lines or two replies, whatever its text holds', () => {
  for (const bad of ['\r\n', '\n', '\r', '\0', '\t', '\x7f', '\u2028', '\u0100\u010a\u010d', '😀']) {
    const wire = formatReply(makeReply(550, '5.7.1', `a${bad}250 2.0.0 Ok`, `b${bad}c`));
    const [reply, ...more] = read(wire);
    assert.deepEqual(more, []);
    assert.equal(wire.split('\r\n').length, 3, JSON.stringify(bad));
    assert.equal(reply?.code, 550);
    for (const line of reply?.lines ?? []) assert.match(line, /^5\.7\.1 [ab] +(?:250 2\.0\.0 Ok|c)$/);
    assert.equal(Buffer.from(wire, 'latin1').toString('latin1'), wire, 'one byte for each character');
  }
});

test('a reply of ours has its enhanced status code on each line, or none', () => {
  assert.deepEqual(makeReply(451, '4.3.0', 'one', 'two').lines, ['4.3.0 one', '4.3.0 two']);
  assert.deepEqual(makeReply(354, '', 'go').lines, ['go']);
});

test('a reply is written with a hyphen on every line but the last', () => {
  assert.equal(formatReply({ code: 250, lines: ['a', '', 'c'] }), '250-a\r\n250-\r\n250 c\r\n');
  assert.equal(formatReply({ code: 250, lines: [''] }), '250 \r\n');
});

test('a reply in one line, for the log', () => {
  assert.equal(describeReply({ code: 550, lines: ['5.1.1 a', '5.1.1 b'] }), '550 5.1.1 a / 5.1.1 b');
  assert.equal(describeReply({ code: 250, lines: [''] }), '250');
});

test('positive is 2yz, permanent is 5yz', () => {
  const classes = [199, 200, 299, 300, 354, 421, 499, 500, 599, 600].map((code) => {
    const reply: Reply = { code, lines: [''] };
    return [code, isPositive(reply), isPermanent(reply)];
  });
  assert.deepEqual(
    classes.filter(([, positive]) => positive).map(([code]) => code),
    [200, 299],
  );
  assert.deepEqual(
    classes.filter(([, , permanent]) => permanent).map(([code]) => code),
    [500, 599],
  );
});
