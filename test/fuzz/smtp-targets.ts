// The parsers of commands and replies: what they read is what was written, however it is cut.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseExtensions } from '../../src/smtp/extensions.ts';
import { parsePathArgument, unofferedParameter } from '../../src/smtp/path.ts';
import { formatReply, makeReply, ReplyReader, ReplySyntaxError } from '../../src/smtp/reply.ts';
import { formatXforward, maxXforwardCommand, parseXforward, xforwardNames } from '../../src/smtp/xforward.ts';
import { decodeXtext, encodeXtext } from '../../src/smtp/xtext.ts';
import { downstreamId } from '../../src/transaction/downstream-id.ts';
import { bytesOf, cuts, hostileText, inPieces, type Target, target } from './target.ts';

const latin1 = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 80 });
const oneLine = /^[\t\x20-\x7e\x80-\xff]*$/;

// biome-ignore format: words, not lines
const paths = hostileText(
  '<a@example.com>', '<>', '<@a,@b:c@d>', '<"a b"@c>', '<"\\">"@x>', '<a>', ' SIZE=1', ' BODY=8BITMIME',
  ' SMTPUTF8', ' ENVID=QQ+3D', ' ORCPT=rfc822;a@b', ' NOTIFY=NEVER', '<', '>', '"', '\\', '@', ' ', '=',
  'size=2', 'a@example.com', '< ', ' AUTH=<>',
);

function readPath(text: string): void {
  const path = parsePathArgument(text);
  if (typeof path === 'string') return;
  assert.equal(path.text, text);
  assert.match(text, oneLine, 'nothing that ends a line');
  assert.ok(text.includes(path.address));
  const keywords = path.parameters.map(({ keyword }) => keyword);
  assert.equal(new Set(keywords).size, keywords.length);
  for (const { keyword, value } of path.parameters) {
    assert.match(keyword, /^[A-Z0-9][A-Z0-9-]*$/);
    assert.doesNotMatch(value ?? '', /[ \t]/);
  }
  const offered = new Set(['SIZE', '8BITMIME', 'SMTPUTF8', 'DSN']);
  if (keywords.some((keyword) => keyword !== 'AUTH'))
    assert.ok(keywords.includes(unofferedParameter('MAIL', path.parameters, new Set()) ?? ''));
  if (keywords.every((keyword) => keyword === 'SIZE')) {
    assert.equal(unofferedParameter('MAIL', path.parameters, offered), undefined);
  }
  // Blanks between the words are all that may be written in another way.
  const written = pathIn(text);
  const again = parsePathArgument(
    [
      written,
      ...path.parameters.map(({ keyword, value }) => (value === undefined ? keyword : `${keyword}=${value}`)),
    ].join(' '),
  );
  assert.ok(typeof again === 'object' && again.address === path.address);
  assert.deepEqual(again.parameters, path.parameters);
}

/** The path, with its angle brackets where it has them. */
function pathIn(text: string): string {
  return (
    /^[ \t]*(?:<[ \t]*(?:"(?:[^"\\]|\\.)*"|[^"<> \t])*[ \t]*>|(?:"(?:[^"\\]|\\.)*"|[^"<> \t])*)/.exec(
      text,
    )?.[0] ?? ''
  );
}

// biome-ignore format: words, not lines
const xforwards = hostileText(
  'NAME=', 'ADDR=', 'PORT=25', 'PROTO=ESMTP', 'HELO=', 'IDENT=', 'SOURCE=LOCAL', '[UNAVAILABLE]',
  '[unavailable]', '192.0.2.1', 'IPV6:2001:db8::1', 'IPV6:fe80::1%eth0', '::1', 'example.com', '+0D+0A',
  '+00', '+3D', '+2B', '+', '=', ' ', '\t', 'x'.repeat(200),
);

function readXforward(text: string): void {
  const attributes = parseXforward(text);
  if (typeof attributes === 'string') return;
  assert.ok(attributes.size > 0);
  for (const value of attributes.values()) assert.match(value ?? '', /^[\x20-\x7e\x80-\xff]{0,255}$/);
  const commands = formatXforward(attributes, new Set(xforwardNames));
  const again = new Map();
  for (const command of commands) {
    assert.ok(command.length + 2 <= maxXforwardCommand);
    assert.match(command, /^XFORWARD [\x21-\x7e]+(?: [\x21-\x7e]+)*$/);
    const read = parseXforward(command.slice('XFORWARD '.length));
    assert.ok(typeof read === 'object', command);
    for (const [name, value] of read) again.set(name, value);
  }
  for (const [name, value] of attributes) {
    // A value that is too long for a command once it is encoded is not known downstream.
    if (again.get(name) === undefined && value !== undefined) assert.ok(encodeXtext(value).length > 400);
    else assert.equal(again.get(name), value);
  }
}

// biome-ignore format: words, not lines
const replies = hostileText(
  '250 ok\r\n', '250-a\r\n', '250\r\n', '354 go\n', '421 4.3.2 bye\r\n', '550-5.1.1 x\r\n550 5.1.1 y\r\n',
  '250', '-', ' ', '\r', '\n', '999 x\r\n', '25', 'x'.repeat(3000),
);

function readReplies(text: string, sizes: readonly number[]): void {
  const read = (pieces: readonly Buffer[]) => {
    const reader = new ReplyReader();
    const found: string[] = [];
    try {
      for (const piece of pieces) found.push(...reader.push(piece).map(formatReply));
    } catch (error) {
      assert.ok(error instanceof ReplySyntaxError, String(error));
      assert.ok(error.message.length < 500);
      return { found, failed: true };
    }
    return { found, failed: false };
  };
  // A connection hands over line by line, so that garbage does not take the replies before it along.
  const lines = inPieces(bytesOf(text), sizes).flatMap((piece) =>
    piece
      .toString('latin1')
      .split(/(?<=\n)/)
      .map(bytesOf),
  );
  const cut = read(lines);
  // All at once is one call, which fails as a whole.
  const whole = read(text.split(/(?<=\n)/).map(bytesOf));
  assert.deepEqual(cut, whole);
  for (const reply of cut.found) {
    assert.match(
      reply,
      /^(?:[2-5][0-9]{2}-[\t\x20-\x7e\x80-\xff]*\r\n)*[2-5][0-9]{2} [\t\x20-\x7e\x80-\xff]*\r\n$/,
    );
    const [again] = new ReplyReader().push(bytesOf(reply));
    assert.ok(again);
    assert.equal(formatReply(again), reply);
    assert.ok((downstreamId(again) ?? '').length <= 1000);
    for (const [keyword, value] of parseExtensions(again)) {
      assert.match(keyword, /^[^ \t=]+$/);
      assert.doesNotMatch(value, /^[ \t]|[ \t]$/);
    }
  }
}

// biome-ignore format: words, not lines
const offer = hostileText(
  'SIZE 1', 'SIZE', 'XFORWARD NAME ADDR', 'XFORWARD', 'AUTH=LOGIN', 'AUTH PLAIN LOGIN', 'AUTH=', 'SMTPUTF8', 'DSN',
  '8BITMIME', 'PIPELINING', 'STARTTLS', 'size=', ' ', '\t', '=', '  ', '-', '250-', 'x'.repeat(200),
).map((text) => text.replaceAll(/[\r\n]/g, ' '));

function readOffers(lines: readonly string[]): void {
  const extensions = parseExtensions({ code: 250, lines: ['peer.example', ...lines] });
  for (const [keyword, value] of extensions) {
    assert.match(keyword, /^[^ \t=]+$/);
    assert.equal(keyword, keyword.toUpperCase());
    assert.doesNotMatch(value, /^[ \t]|[ \t]$/);
  }
  // Word by word: the line that comes last says what a keyword's parameters are.
  const plain = new Map<string, string>();
  for (const line of lines) {
    const [first = '', ...others] = line.split(/[ \t]/).filter((word) => word !== '');
    const [keyword = ''] = first.split('=');
    if (keyword !== '') plain.set(keyword.toUpperCase(), others.join(' '));
  }
  assert.deepEqual(extensions, plain);
}

export const smtpTargets: readonly Target[] = [
  target('path', paths, readPath),
  target('xtext', fc.oneof(latin1, hostileText('+', '+2B', '=', '+0d', 'a')), (text) => {
    assert.equal(decodeXtext(encodeXtext(text)), text);
    assert.match(encodeXtext(text), /^[\x21-\x7e]*$/);
    const decoded = decodeXtext(text);
    if (decoded !== undefined) assert.equal(decodeXtext(encodeXtext(decoded)), decoded);
  }),
  target('xforward', xforwards, readXforward),
  target('replies', fc.tuple(replies, cuts), ([text, sizes]) => readReplies(text, sizes)),
  target('EHLO', fc.array(offer, { maxLength: 8 }), readOffers),
  target(
    'own replies',
    fc.tuple(fc.integer({ min: 200, max: 599 }), hostileText('\r\n250 ok', 'text', '\n')),
    ([code, text]) => {
      assert.match(
        formatReply(makeReply(code, '5.0.0', text, text)),
        /^[0-9]{3}-[^\r\n]*\r\n[0-9]{3} [^\r\n]*\r\n$/,
      );
    },
  ),
];
