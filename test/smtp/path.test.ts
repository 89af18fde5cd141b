// The arguments of MAIL and RCPT.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Parameter, parsePathArgument, unofferedParameter } from '../../src/smtp/path.ts';

function parsed(text: string): { readonly address: string; readonly parameters: readonly Parameter[] } {
  const path = parsePathArgument(text);
  assert.ok(typeof path !== 'string', `${text}: ${path}`);
  assert.equal(path.text, text, 'the text stays as it was');
  return { address: path.address, parameters: path.parameters };
}

const addresses: readonly (readonly [text: string, address: string])[] = [
  ['<a@example.com>', 'a@example.com'],
  ['<>', ''],
  ['  \t<a@example.com>  ', 'a@example.com'],
  ['<postmaster>', 'postmaster'],
  ['<A.B+c@EXAMPLE.com>', 'A.B+c@EXAMPLE.com'],
  ['<a@[192.0.2.1]>', 'a@[192.0.2.1]'],
  ['<a@[IPv6:2001:db8::1]>', 'a@[IPv6:2001:db8::1]'],
  ['<m\xc3\xbcller@example.com>', 'm\xc3\xbcller@example.com'],
  ['<"a b"@example.com>', '"a b"@example.com'],
  ['<"a>b"@example.com>', '"a>b"@example.com'],
  ['<"<"@example.com>', '"<"@example.com'],
  ['<"a\\"b"@example.com>', '"a\\"b"@example.com'],
  ['<"a\\\\"@example.com>', '"a\\\\"@example.com'],
  ['<""@example.com>', '""@example.com'],
  ['<"@x:"@example.com>', '"@x:"@example.com'],
  ['<a:b@example.com>', 'a:b@example.com'],
  ['<@relay.example:a@example.com>', 'a@example.com'],
  ['<@one.example,@two.example:a@example.com>', 'a@example.com'],
  ['<@one.example:"a b:c"@example.com>', '"a b:c"@example.com'],
  ['a@example.com', 'a@example.com'],
  [' "a b"@example.com ', '"a b"@example.com'],
  ['< a@example.com\t>', 'a@example.com'],
  ['< >', ''],
];

for (const [text, address] of addresses) {
  test(`${JSON.stringify(text)} is the address ${JSON.stringify(address)}`, () => {
    assert.deepEqual(parsed(text), { address, parameters: [] });
  });
}

test('parameters are read in order, keywords in upper case, values as they were sent', () => {
  const { parameters } = parsed(
    '<a@example.com> size=100 \t BODY=8bitmime SMTPUTF8  ENVID=a+3Db ORCPT=rfc822;"x"@y ',
  );
  assert.deepEqual(parameters, [
    { keyword: 'SIZE', value: '100' },
    { keyword: 'BODY', value: '8bitmime' },
    { keyword: 'SMTPUTF8', value: undefined },
    { keyword: 'ENVID', value: 'a+3Db' },
    { keyword: 'ORCPT', value: 'rfc822;"x"@y' },
  ]);
});

const expected = 'a path like <user@example.com> was expected';
const control = 'control character in the path';
const mistakes: readonly (readonly [text: string, message: string])[] = [
  ['', expected],
  [' \t', expected],
  ['<a@example.com', expected],
  ['a@example.com>', expected],
  ['<<a@example.com>>', expected],
  ['<a b@example.com>', expected],
  ['<"a@example.com>', expected],
  ['<"a\\"@example.com>', expected],
  ['<a@example.com>SIZE=1', expected],
  ['<a@example.com>,<b@example.com>', expected],
  ['Alice<a@example.com>', expected],
  ['Alice <a@example.com>', 'bad parameter <a@example.com>'],
  ['<a@example.com\0>', control],
  ['<a@example.com>\rRCPT TO:<b@example.com>', control],
  ['<"a\nb"@example.com>', control],
  ['<a@example.com\x7f>', control],
  ['<a@example.com> SIZE=\x01', control],
  ['<a@example.com> SIZE=', 'bad parameter SIZE='],
  ['<a@example.com> =1', 'bad parameter =1'],
  ['<a@example.com> -X=1', 'bad parameter -X=1'],
  ['<a@example.com> X_Y=1', 'bad parameter X_Y=1'],
  ['<a@example.com> b@example.com', 'bad parameter b@example.com'],
  ['<a@example.com> SIZE=1 size=2', 'parameter SIZE given twice'],
];

for (const [text, message] of mistakes) {
  test(`${JSON.stringify(text)}: ${message}`, () => {
    assert.equal(parsePathArgument(text), message);
  });
}

test('a long path of quotes and backslashes is read in no time', () => {
  const begun = performance.now();
  for (const unit of ['"', '\\', '"a"', '\\"', '<', '> ', 'a ']) parsePathArgument(`<"${unit.repeat(4000)}`);
  for (const unit of ['"', '\\', '"a"', '\\"', 'a ', ' ']) parsePathArgument(`${unit.repeat(4000)}>`);
  for (const end of ['', 'x', '>x']) parsePathArgument(`<a> ${' \t'.repeat(4000)}${end}`);
  assert.ok(performance.now() - begun < 1000);
});

const offered = new Set(['SIZE', '8BITMIME', 'SMTPUTF8', 'DSN']);
const unoffered = (verb: 'MAIL' | 'RCPT', text: string, offers: ReadonlySet<string> = offered) =>
  unofferedParameter(verb, parsed(`<a@example.com> ${text}`).parameters, offers);

test('parameters of offered extensions are allowed, each with its own verb', () => {
  assert.equal(unoffered('MAIL', 'SIZE=1 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x'), undefined);
  assert.equal(unoffered('MAIL', 'body=7bit'), undefined);
  assert.equal(unoffered('RCPT', 'NOTIFY=NEVER ORCPT=rfc822;a@example.com'), undefined);
  assert.equal(unoffered('MAIL', ''), undefined);
});

test('AUTH of MAIL is allowed without an offer', () => {
  assert.equal(unoffered('MAIL', 'AUTH=<> SIZE=1'), undefined);
  assert.equal(unoffered('MAIL', 'AUTH=e+3Dmc2@example.com', new Set()), undefined);
});

test('a parameter whose extension was not offered is named, the first of them', () => {
  assert.equal(unoffered('MAIL', 'SIZE=1', new Set(['DSN'])), 'SIZE');
  assert.equal(unoffered('MAIL', 'SIZE=1 RET=FULL BODY=7BIT', new Set(['SIZE'])), 'RET');
  assert.equal(unoffered('MAIL', 'MT-PRIORITY=3'), 'MT-PRIORITY');
  assert.equal(unoffered('RCPT', 'AUTH=<>'), 'AUTH');
  assert.equal(unoffered('MAIL', 'NOTIFY=NEVER'), 'NOTIFY');
  assert.equal(unoffered('RCPT', 'SIZE=1'), 'SIZE');
  assert.equal(unoffered('MAIL', 'SIZE=1', new Set()), 'SIZE');
});

test('BODY without BDAT is 7BIT or 8BITMIME', () => {
  assert.equal(unoffered('MAIL', 'BODY=BINARYMIME'), 'BODY=BINARYMIME');
  assert.equal(unoffered('MAIL', 'BODY'), 'BODY=');
});
