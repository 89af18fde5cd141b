// Authentication-Results and Received-SPF of our own: RFC 8601 syntax, folding, and values that try to break out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddedField } from '../../src/authentication/header/fields.ts';
import { formatReceivedSpf } from '../../src/authentication/header/received-spf.ts';
import { formatAuthenticationResults } from '../../src/authentication/header/results-field.ts';
import type { Property, Result } from '../../src/authentication/result.ts';

const format = (results: readonly Result[], smtputf8 = false, authservId = 'mx.example.org') =>
  formatAuthenticationResults('Authentication-Results', authservId, results, smtputf8);

const result = (more: Partial<Result> = {}): Result => ({
  method: 'spf',
  value: 'pass',
  properties: [],
  ...more,
});

const property = (value: string): Property => ({ ptype: 'smtp', property: 'mailfrom', value });

/** The body without folding. */
const unfold = (field: string) => field.replace(/\r\n +/g, ' ').replace(/^[^:]*: |\r\n$/g, '');

test('without any result the field says so', () => {
  assert.equal(format([]), 'Authentication-Results: mx.example.org; none\r\n');
});

test('an authserv-id that is no token is quoted', () => {
  assert.equal(format([], false, 'mx "1"'), 'Authentication-Results: "mx \\"1\\""; none\r\n');
});

const valueCases: readonly (readonly [string, string, string | undefined, string?])[] = [
  ['a token stays bare', 'example.com', 'example.com'],
  ['an address stays bare', 'alice+tag@example.com', 'alice+tag@example.com'],
  ['a domain identity stays bare', '@example.com', '@example.com'],
  ['an IPv6 address is quoted', '2001:db8::1', '"2001:db8::1"'],
  ['base64 is quoted', 'a/b=', '"a/b="'],
  ['a semicolon cannot start a result', 'x; dkim=pass', '"x; dkim=pass"'],
  ['a quote cannot end the quoting', 'x"; dkim=pass header.d="y', '"x\\"; dkim=pass header.d=\\"y"'],
  ['a backslash is escaped', 'a\\', '"a\\\\"'],
  ['a parenthesis is quoted', 'a(b', '"a(b"'],
  ['a quoted local part is quoted again', '"a b"@example.com', '"\\"a b\\"@example.com"'],
  ['a line end leaves the property out', 'x\r\nX-Evil: 1', undefined],
  ['a control character leaves the property out', 'x\x00y', undefined],
  ['an empty value leaves the property out', '', undefined],
  ['what is too long to fold leaves the property out', 'x'.repeat(401), undefined],
  ['what only looks like an address is quoted', 'a..b@example.com', '"a..b@example.com"'],
  ['so is an address at one label', 'a@localhost', '"a@localhost"'],
  ['and one with what a token may not have', 'a/b=c@example.com', '"a/b=c@example.com"'],
  ['what turns the order of reading leaves the property out', 'a\u202eb.example', undefined, 'smtputf8'],
  ['what is no domain is not converted as if it were', 'bücher.example/x', undefined],
  ['nor is a name of one word', 'jürgen', undefined],
  ['nor what another domain would come from', 'xn--bcher-kva%2eexample.bücher', undefined],
  ['a domain becomes A-labels', 'alice@bücher.example', 'alice@xn--bcher-kva.example'],
  ['a local part that is not ASCII is left out', 'jürgen@bücher.example', '@xn--bcher-kva.example'],
  ['with SMTPUTF8 an address stays as it is', 'jürgen@bücher.example', '"jürgen@bücher.example"', 'smtputf8'],
  ['half a surrogate pair leaves the property out', 'x\ud800', undefined, 'smtputf8'],
];
for (const [what, value, expected, smtputf8] of valueCases) {
  test(`values: ${what}`, () => {
    const field = format([result({ properties: [property(value)] })], smtputf8 !== undefined);
    const text = Buffer.from(unfold(field), 'latin1').toString('utf8');
    const end = expected === undefined ? '' : ` smtp.mailfrom=${expected}`;
    assert.equal(text, `mx.example.org; spf=pass${end}`);
  });
}

const textCases: readonly (readonly [string, Partial<Result>, string])[] = [
  [
    'parentheses in a comment are escaped',
    { comment: 'a) ; dkim=pass (' },
    'spf=pass (a\\) ; dkim=pass \\()',
  ],
  ['a backslash cannot eat the end of a comment', { comment: 'a\\' }, 'spf=pass (a\\\\)'],
  ['line ends in a comment become spaces', { comment: 'a\r\n\tX-Evil: 1' }, 'spf=pass (a X-Evil: 1)'],
  ['a comment without anything visible is none', { comment: '\r\n \0' }, 'spf=pass'],
  ['nor is such a reason one', { reason: '\t\u202e ' }, 'spf=pass'],
  ['a reason is quoted', { reason: 'it said "no"' }, 'spf=pass reason="it said \\"no\\""'],
  ['line ends in a reason become spaces', { reason: 'a\r\nb\x00c\u2028d' }, 'spf=pass reason="a b c d"'],
  ['what is not ASCII becomes a question mark', { comment: 'für 漢字' }, 'spf=pass (f?r ??)'],
];
for (const [what, more, expected] of textCases) {
  test(`texts: ${what}`, () => {
    assert.equal(unfold(format([result(more)])), `mx.example.org; ${expected}`);
  });
}

test('names that are no keywords are left out with what they name', () => {
  const bad: Property = { ptype: 'smtp', property: 'x=y; z', value: 'v' };
  assert.equal(unfold(format([result({ properties: [bad] })])), 'mx.example.org; spf=pass');
  assert.equal(unfold(format([result({ method: 'a;b' })])), 'mx.example.org; none');
});

test('a keyword is letters, digits and hyphens, and does not end in one', () => {
  for (const name of ['x_tls', 'x-', 'é', 'a b', 'a.b', '', 'x'.repeat(61)]) {
    assert.equal(unfold(format([result({ method: name })])), 'mx.example.org; none', name);
    const properties = [
      { ...property('v'), ptype: name },
      { ...property('v'), property: name },
    ];
    assert.equal(unfold(format([result({ properties })])), 'mx.example.org; spf=pass', name);
  }
  for (const name of ['x-tls', '1', '-x', 'DKIM', 'x'.repeat(60)]) {
    assert.equal(unfold(format([result({ method: name })])), `mx.example.org; ${name}=pass`, name);
  }
});

test('lines are folded at 78 where they can be, and never pass 998', () => {
  const long = result({
    comment: `${'word '.repeat(300)}${'x'.repeat(5000)}`,
    reason: 'y'.repeat(5000),
    properties: [property('z'.repeat(400)), property('short.example')],
  });
  const lines = format([long, result(), long]).split('\r\n');
  assert.equal(lines.pop(), '');
  for (const [i, line] of lines.entries()) {
    assert.ok(line.length <= 998, `${line.length} characters`);
    assert.ok(i === 0 || /^ {1,2}\S/.test(line), JSON.stringify(line));
    assert.ok(line.length <= 78 || !line.trim().includes(' ') || line.includes('"'), JSON.stringify(line));
  }
});

const signature = (value: Result['value'], d: string, i: string): Result => ({
  method: 'dkim',
  value,
  properties: Object.entries({ d, i }).map(([name, text]) => ({
    ptype: 'header',
    property: name,
    value: text,
  })),
});
const quotes = '"'.repeat(400);
/** What the strangers' signatures lose where the field would be too long for mail servers. */
const longCases: readonly (readonly [string, readonly Result[], readonly (readonly string[])[]])[] = [
  [
    'those that do not pass, from the bottom',
    [
      signature('fail', 'first.example', quotes),
      signature('pass', 'good.example', '@good.example'),
      ...Array(60).fill(signature('policy', quotes, quotes)),
    ],
    [['header.d=first.example'], ['header.d=good.example', 'header.i=@good.example']],
  ],
  [
    'then those that pass, all but their domain',
    Array(60).fill(signature('pass', 'good.example', `${quotes.slice(14)}@good.example`)),
    Array(60).fill(['header.d=good.example']),
  ],
];
for (const [what, signatures, kept] of longCases) {
  test(`a field that would be very long has each result, and fewer properties of signatures: ${what}`, () => {
    const spf = result({ properties: [property('@client.example')] });
    const dmarc = result({ method: 'dmarc', value: 'fail' });
    const field = format([spf, ...signatures, dmarc]);
    assert.ok(field.length < 36_000, `${field.length} octets`);
    const found = unfold(field)
      .split(/; (?=[a-z]+=)/)
      .slice(1);
    assert.deepEqual(
      found.map((text) => text.split(' ', 1)[0]),
      [spf, ...signatures, dmarc].map(({ method, value }) => `${method}=${value}`),
    );
    assert.equal(found[0], 'spf=pass smtp.mailfrom=@client.example');
    for (const [i, properties] of kept.entries()) {
      for (const each of properties) assert.ok(found[i + 1]?.split(' ').includes(each), found[i + 1]);
    }
  });
}

test('whatever characters a value has, one field comes out, of printable ASCII', () => {
  for (let code = 0; code < 0x250; code++) {
    const text = `a${String.fromCharCode(code)}b`;
    const field = format([result({ comment: text, reason: text, properties: [property(text)] })]);
    assert.match(field, /^Authentication-Results:(?:[\x20-\x7e]|\r\n )*\r\n$/);
  }
});

test('a long reason is folded inside its quotes, where unfolding gives what it was', () => {
  const reason = `${'a word and "another" '.repeat(10)}end`;
  const field = format([result({ reason })]);
  for (const line of field.split('\r\n')) assert.ok(line.length <= 78, line);
  const read = /reason="(.*)"\r\n$/s.exec(field.replace(/\r\n(?= )/g, ''))?.[1];
  assert.equal(read?.replace(/\\(.)/g, '$1'), reason);
});

test('an authserv-id that is too long for the line of the name has its own', () => {
  const id = `${'long-label.'.repeat(7)}example`;
  assert.equal(format([], false, id), `Authentication-Results:\r\n  ${id};\r\n  none\r\n`);
});

test('wide characters count as the bytes that they are', () => {
  const text = `${'漢'.repeat(199)} ${'漢'.repeat(199)}`;
  const field = format([result({ reason: text, comment: text })], true);
  for (const line of field.split('\r\n')) assert.ok(line.length <= 998, `${line.length} octets`);
  assert.match(Buffer.from(unfold(field), 'latin1').toString(), new RegExp(`reason="${text}"$`));
});

test('a field that a check adds is folded between its words', () => {
  const field = formatAddedField({ name: 'X-Added', value: `${'word '.repeat(40)}\r\nX-Evil: 1` }, false);
  assert.equal(field?.replace(/\r\n +/g, ' '), `X-Added: ${'word '.repeat(40)}X-Evil: 1\r\n`);
  for (const line of field?.split('\r\n') ?? []) assert.ok(line.length <= 78, line);
});

test('a long word in it is broken, and nothing of it is lost', () => {
  const value = 'PHN2Zy8+'.repeat(5000);
  const field = formatAddedField({ name: 'BIMI-Indicator', value }, false) ?? '';
  assert.equal(field.replace(/\s+/g, ''), `BIMI-Indicator:${value}`);
  for (const line of field.split('\r\n')) assert.ok(line.length <= 78, line);
  const wide = formatAddedField({ name: 'X-Wide', value: '漢😀'.repeat(1000) }, true) ?? '';
  assert.equal(Buffer.from(wide, 'latin1').toString().replace(/\s+/g, ''), `X-Wide:${'漢😀'.repeat(1000)}`);
  assert.ok(wide.split('\r\n').every((line) => line.length <= 998));
});

const noFields: readonly (readonly [string, string, string])[] = [
  ['a name with a colon', 'X:Y', 'x'],
  ['a name with a space', 'X Y', 'x'],
  ['a name with a line end', 'X\r\nY', 'x'],
  ['a name that is not ASCII', 'Ü', 'x'],
  ['no name', '', 'x'],
  ['a name that is too long', 'x'.repeat(71), 'x'],
  ['no value', 'X', ''],
  ['a value without anything visible', 'X', ' \r\n\0'],
  ['a value over 64 KiB', 'X', 'x '.repeat(40_000)],
];
for (const [what, name, value] of noFields) {
  test(`no field is added with ${what}`, () => {
    assert.equal(formatAddedField({ name, value }, true), undefined);
  });
}

test('Received-SPF names the identity that its result is about', () => {
  const context = { client: { helo: 'h.example' }, reversePath: 'a@b.example', hostname: 'mx.example.org' };
  const about = (identity: string, reversePath: string) => {
    const properties = [{ ptype: 'smtp', property: identity, value: 'x.example' }];
    return unfold(formatReceivedSpf(result({ properties }), { ...context, reversePath }, false));
  };
  assert.match(about('helo', 'a@b.example'), /identity=helo; envelope-from="a@b\.example";/);
  assert.match(about('helo', ''), /identity=helo; helo=h\.example;/);
});

test('of a null sender it is about HELO, also where nothing could be asked for', () => {
  const context = { client: { ip: '192.0.2.1' }, reversePath: '', hostname: 'mx.example.org' };
  assert.equal(
    unfold(formatReceivedSpf(result({ value: 'none' }), context, false)),
    'none receiver=mx.example.org; identity=helo; client-ip=192.0.2.1;',
  );
});

test('Received-SPF says what the result was based on', () => {
  const context = {
    client: { ip: '2001:db8::1', helo: '[IPv6:2001:db8::1]' },
    reversePath: 'alice@example.com',
    hostname: 'mx.example.org',
  };
  assert.equal(
    unfold(formatReceivedSpf(result({ value: 'fail', comment: 'not permitted' }), context, false)),
    'fail (mx.example.org: not permitted) receiver=mx.example.org; identity=mailfrom; ' +
      'client-ip="2001:db8::1"; envelope-from="alice@example.com"; helo="[IPv6:2001:db8::1]";',
  );
});
