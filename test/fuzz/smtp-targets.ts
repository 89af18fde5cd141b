// The parsers of smtp/ and of both ends' bytes: what they read is what was written, however it is cut.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseDestination } from '../../src/relay/destination.ts';
import { DotStuffer } from '../../src/relay/dot-stuffing.ts';
import { DataDecoder } from '../../src/smtp/data.ts';
import { DomainPatterns, domainOf, parseDomainPattern, toALabels } from '../../src/smtp/domains.ts';
import { parseExtensions } from '../../src/smtp/extensions.ts';
import { Networks } from '../../src/smtp/networks.ts';
import { type BareNewlines, Newlines } from '../../src/smtp/newlines.ts';
import { parsePathArgument, unofferedParameter } from '../../src/smtp/path.ts';
import { formatReply, makeReply, ReplyReader, ReplySyntaxError } from '../../src/smtp/reply.ts';
import { formatXforward, maxXforwardCommand, parseXforward, xforwardNames } from '../../src/smtp/xforward.ts';
import { decodeXtext, encodeXtext } from '../../src/smtp/xtext.ts';
import { downstreamId } from '../../src/transaction/downstream-id.ts';
import { bytesOf, cuts, hostileText, inPieces, type Target, target } from './target.ts';

const latin1 = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 80 });
const oneLine = /^[\t\x20-\x7e\x80-\xff]*$/;

const paths = hostileText(
  '<a@example.com>',
  '<>',
  '<@a,@b:c@d>',
  '<"a b"@c>',
  '<"\\">"@x>',
  '<a>',
  ' SIZE=1',
  ' BODY=8BITMIME',
  ' SMTPUTF8',
  ' ENVID=QQ+3D',
  ' ORCPT=rfc822;a@b',
  ' NOTIFY=NEVER',
  '<',
  '>',
  '"',
  '\\',
  '@',
  ' ',
  '=',
  'size=2',
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
  if (keywords.length > 0)
    assert.ok(keywords.includes(unofferedParameter('MAIL', path.parameters, new Set()) ?? ''));
  if (keywords.every((keyword) => keyword === 'SIZE')) {
    assert.equal(unofferedParameter('MAIL', path.parameters, offered), undefined);
  }
  // Blanks between the words are all that may be written in another way.
  const written = `<${text.slice(text.indexOf('<') + 1, text.length - rest(text).length)}`;
  const again = parsePathArgument(
    [
      written,
      ...path.parameters.map(({ keyword, value }) => (value === undefined ? keyword : `${keyword}=${value}`)),
    ].join(' '),
  );
  assert.ok(typeof again === 'object' && again.address === path.address);
  assert.deepEqual(again.parameters, path.parameters);
}

/** What follows the `>` that ends the path. */
function rest(text: string): string {
  return /^[ \t]*<(?:"(?:[^"\\]|\\.)*"|[^"<> \t])*>/.exec(text)?.[0].length === undefined
    ? ''
    : text.replace(/^[ \t]*<(?:"(?:[^"\\]|\\.)*"|[^"<> \t])*>/, '');
}

const xforwards = hostileText(
  'NAME=',
  'ADDR=',
  'PORT=25',
  'PROTO=ESMTP',
  'HELO=',
  'IDENT=',
  'SOURCE=LOCAL',
  '[UNAVAILABLE]',
  '[unavailable]',
  '192.0.2.1',
  'IPV6:2001:db8::1',
  'IPV6:fe80::1%eth0',
  '::1',
  'example.com',
  '+0D+0A',
  '+00',
  '+3D',
  '+2B',
  '+',
  '=',
  ' ',
  '\t',
  'x'.repeat(200),
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

const replies = hostileText(
  '250 ok\r\n',
  '250-a\r\n',
  '250\r\n',
  '354 go\n',
  '421 4.3.2 bye\r\n',
  '550-5.1.1 x\r\n550 5.1.1 y\r\n',
  '250',
  '-',
  ' ',
  '\r',
  '\n',
  '999 x\r\n',
  '25',
  'x'.repeat(3000),
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

const contents = hostileText(
  '\r\n',
  '\r\n.',
  '.\r\n',
  '\r\n.\r\n',
  '\n.\n',
  '\n.\r\n',
  '\r.\r',
  '..',
  '.',
  '\r',
  '\n',
  'text',
  'a\r\nb',
);

function carryContent(text: string, sizes: readonly number[], others: readonly number[]): void {
  const stuffer = new DotStuffer();
  const stuffed = inPieces(bytesOf(text), sizes).map((piece) => stuffer.stuff(piece));
  const wire = Buffer.concat([...stuffed, stuffer.end(), bytesOf('QUIT\r\n')]);
  const decoder = new DataDecoder();
  const content: Buffer[] = [];
  let left: Buffer | undefined;
  let behind = Buffer.alloc(0);
  for (const piece of inPieces(wire, others)) {
    if (left !== undefined) behind = Buffer.concat([behind, piece]);
    else {
      const decoded = decoder.push(piece);
      content.push(...decoded.content);
      left = decoded.rest;
      if (left) behind = Buffer.from(left);
    }
  }
  const ended = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`;
  assert.equal(Buffer.concat(content).toString('latin1'), ended);
  assert.equal(behind.toString('latin1'), 'QUIT\r\n');
}

/** A line end that some server knows, a dot, and another. */
const laxEnd = /(?:\n|\r)\.(?:\r|\n)/;

function watchNewlines(text: string, sizes: readonly number[]): void {
  const watch = (mode: BareNewlines, pieces: readonly Buffer[]) => {
    const newlines = new Newlines(mode);
    const out = [...pieces.map((piece) => Buffer.from(newlines.push(piece))), newlines.end()];
    return { newlines, out: Buffer.concat(out).toString('latin1') };
  };
  const pieces = inPieces(bytesOf(text), sizes);
  const bare = /(?<!\r)\n|\r(?!\n)/.test(text);
  for (const mode of ['pass', 'reject'] as const) {
    const { newlines, out } = watch(mode, pieces);
    assert.equal(out, text);
    assert.equal(newlines.found, bare);
    // CRLF before the dot is a line's end, where a dot is stuffed.
    const smuggling = laxEnd.test(text.replaceAll(/(?<=(?:^|\r\n))\./g, '..'));
    assert.equal(newlines.smuggling, smuggling);
  }
  const { newlines, out } = watch('normalize', pieces);
  assert.equal(newlines.found, bare);
  assert.doesNotMatch(out, /(?<!\r)\n|\r(?!\n)/);
  assert.equal(watch('normalize', [bytesOf(out)]).out, out, 'idempotent');
  assert.equal(
    out.replaceAll('\r\n', '\n').replaceAll(' ', ''),
    text.replaceAll('\r\n', '\n').replaceAll(/[\r ]/g, ''),
  );
}

const domains = fc.oneof(
  hostileText(
    'example.com',
    '.',
    'xn--',
    'bücher',
    '-',
    '_',
    'a'.repeat(63),
    '\u3002',
    '@',
    '..',
    'EXAMPLE',
    '[192.0.2.1]',
  ),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);

function readDomain(text: string): void {
  const labels = toALabels(text);
  assert.equal(toALabels(labels), labels.replace(/\.$/, ''));
  assert.equal(domainOf(`a@${text}`), toALabels(text.slice(text.lastIndexOf('@') + 1)));
  const pattern = parseDomainPattern(text);
  if (pattern === undefined) return;
  const patterns = new DomainPatterns([pattern]);
  assert.ok(patterns.includes(pattern.replace(/^\./, '')));
  assert.equal(
    patterns.includes(`sub.${pattern.replace(/^\./, '')}`),
    pattern.startsWith('.') && pattern.length < 250,
  );
}

const networks = fc.oneof(
  hostileText(
    '10.0.0.0',
    '/8',
    '/',
    '::1',
    '2001:db8::',
    '/32',
    '::ffff:',
    '192.0.2.1',
    '%eth0',
    '.',
    ':',
    '0x10',
    '256',
    '/129',
  ),
  fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(130)).map(([address, bits]) => `${address}/${bits}`),
);

function readNetwork(text: string): void {
  let read: Networks;
  try {
    read = new Networks([text]);
  } catch (error) {
    assert.match((error as Error).message, /is no address or network|prefix length/);
    return;
  }
  const [address = '', bits = '128'] = text.split('/');
  // A block of IPv6 that is wider than that of all mapped addresses has no IPv4 address in it.
  if (address.includes(':') && Number(bits) < 96 && new Networks(['0.0.0.0/0']).includes(address)) return;
  assert.ok(read.includes(address), 'the network has its own address');
  assert.equal(read.includes('not an address'), false);
}

const destinations = hostileText(
  'smtp://',
  'smtps://',
  'lmtp://',
  'smtp+unix:',
  '/run/x.sock',
  'localhost',
  ':25',
  '[::1]',
  '?starttls=yes',
  '&verify=no',
  '?',
  '127.0.0.1',
);

function readDestination(text: string): void {
  const destination = parseDestination(text);
  if (typeof destination === 'string') return;
  assert.equal(destination.text, text);
  if ('port' in destination.address)
    assert.ok(destination.address.port > 0 && destination.address.port < 65_536);
  else assert.match(destination.address.path, /^\//);
  assert.deepEqual(parseDestination(text), destination);
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
  target('dots', fc.tuple(contents, cuts, cuts), ([text, sizes, others]) =>
    carryContent(text, sizes, others),
  ),
  target('newlines', fc.tuple(contents, cuts), ([text, sizes]) => watchNewlines(text, sizes)),
  target('domains', domains, readDomain),
  target('networks', networks, readNetwork),
  target('destinations', destinations, readDestination),
];
