// What a server offers in its reply to EHLO or LHLO.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExtensions } from '../../src/smtp/extensions.ts';

function offers(...lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(parseExtensions({ code: 250, lines: ['mx.example.com greets you', ...lines] }));
}

test('the first line is a greeting, whatever it says', () => {
  assert.deepEqual(Object.fromEntries(parseExtensions({ code: 250, lines: ['SIZE 1000'] })), {});
});

test('keywords are in upper case, parameters as they were sent', () => {
  assert.deepEqual(offers('pipelining', 'Size 10240000', 'XFORWARD NAME addr'), {
    PIPELINING: '',
    SIZE: '10240000',
    XFORWARD: 'NAME addr',
  });
});

test('blanks of any number stand between words, and count for nothing at the ends', () => {
  assert.deepEqual(offers(' DSN ', 'XFORWARD \t NAME  ADDR\t'), { DSN: '', XFORWARD: 'NAME ADDR' });
});

test('a byte that is a blank in Unicode is none here', () => {
  assert.deepEqual(offers('X-NOTE voil\xc3\xa0'), { 'X-NOTE': 'voil\xc3\xa0' });
});

test('an equals sign ends the keyword', () => {
  assert.deepEqual(offers('AUTH=LOGIN PLAIN'), { AUTH: 'PLAIN' });
});

test('an empty line offers nothing', () => {
  assert.deepEqual(offers('', '  ', '=x', '8BITMIME'), { '8BITMIME': '' });
});
