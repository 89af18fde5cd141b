// xtext: any byte in, the same byte out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeXtext, encodeXtext } from '../../src/smtp/xtext.ts';

const allBytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));

test('every byte comes back as it was', () => {
  for (const byte of allBytes) assert.equal(decodeXtext(encodeXtext(byte)), byte);
  assert.equal(decodeXtext(encodeXtext(allBytes.join(''))), allBytes.join(''));
});

test('what is written is printable ASCII without blanks, and + and = only as code', () => {
  assert.match(encodeXtext(allBytes.join('')), /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/);
  assert.equal(encodeXtext('a+b=c d\n\xe9'), 'a+2Bb+3Dc+20d+0A+E9');
  assert.equal(encodeXtext('mx.example.com'), 'mx.example.com');
  assert.equal(encodeXtext(''), '');
});

test('hexadecimal digits are read in both cases', () => {
  assert.equal(decodeXtext('+2b+2B+e9+E9'), '++\xe9\xe9');
});

test('bytes over 127 stand for themselves, as Postfix sends them with SMTPUTF8', () => {
  assert.equal(decodeXtext('m\xc3\xbcller+20x'), 'm\xc3\xbcller x');
});

test('an = stands for itself, as Postfix sends it', () => {
  assert.equal(decodeXtext('a=b'), 'a=b');
  assert.equal(decodeXtext('a+2Bb=c'), 'a+b=c');
});

test('what is no xtext is undefined', () => {
  for (const bad of ['+', 'a+', '+2', '+2G', '+ 2', 'a b', 'a\tb', 'a\r\nb', '\x7f', '\0', '++2B']) {
    assert.equal(decodeXtext(bad), undefined, JSON.stringify(bad));
  }
});
