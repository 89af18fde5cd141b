// Domains in the form that is compared, and patterns of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DomainPatterns, domainOf, parseDomainPattern } from '../../src/smtp/domains.ts';

test('the domain of an address follows its last @, whatever a quoted local part holds', () => {
  assert.equal(domainOf('alice@Example.COM.'), 'example.com');
  assert.equal(domainOf('"alice@bank.example"@evil.example'), 'evil.example');
  assert.equal(domainOf('alice'), '');
});

/** As long as a domain may be, or longer by so many characters. */
const longDomain = (more = 0) => `${'a.'.repeat(121)}${'a'.repeat(11 + more)}`;

test('a pattern has labels of 1 to 63 characters, 253 together', () => {
  for (const domain of [
    longDomain(),
    `.${longDomain()}`,
    `${'a'.repeat(63)}.example`,
    'localhost',
    '_a.example',
  ])
    assert.equal(parseDomainPattern(domain), domain);
  for (const text of [
    longDomain(1),
    `.${longDomain(1)}`,
    `${'a'.repeat(64)}.example`,
    'a..b',
    '..a',
    '',
    '.',
    'a b',
  ])
    assert.equal(parseDomainPattern(text), undefined, text);
});

test('a pattern with a dot before it is the domain and all below it, one without is that domain alone', () => {
  const patterns = new DomainPatterns(['one.example', '.all.example']);
  for (const inside of ['one.example', 'all.example', 'a.all.example', 'a.b.all.example'])
    assert.equal(patterns.includes(inside), true, inside);
  for (const outside of ['a.one.example', 'small.example', 'example', '', 'all.example.evil.example'])
    assert.equal(patterns.includes(outside), false, outside);
});
