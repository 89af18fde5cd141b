// Messages made to be expensive: each has a defined result; bench/worst-messages.ts shows what they cost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { worstCases } from '../../bench/worst-cases.ts';
import { judge } from './judge.ts';

/** A generous bound, for a machine that has other things to do; the benchmark has the tight one. */
const mostMs = 5000;

const noAuthor = 'dmarc=permerror';
const none = 'dkim=none x-google-dkim=none arc=none';
const policies = (method: string, count: number) => Array<string>(count).fill(`${method}=policy`).join(' ');
const many = (result: string, count: number) => Array<string>(count).fill(`dkim=${result}`).join(' ');
const rest = 'x-google-dkim=none arc=none dmarc=pass';
const passes = `dkim=pass ${rest}`;

/** What signatures, chain and author come to; of all else the tests of the checks speak. */
const expected: Readonly<Record<string, string>> = {
  'no From': `${none} ${noAuthor}`,
  'ten From': `${none} ${noAuthor}`,
  'nothing at all': `${none} ${noAuthor}`,
  '5,000 Received': passes,
  '200 kB of Subject in one line': passes,
  'Subject folded into 70,000 lines': `dkim=fail ${rest}`,
  '1,000 DKIM-Signature fields of one domain': `${many('pass', 10)} ${policies('dkim', 21)} ${rest}`,
  '1,000 X-Google-DKIM-Signature fields of one domain': `dkim=none ${'x-google-dkim=fail '.repeat(3)}${policies('x-google-dkim', 21)} arc=none dmarc=pass`,
  '1,000 signers, each with another l=': `${many('pass', 10)} ${policies('dkim', 21)} ${rest}`,
  'ten signatures over 500 kB of header': `dkim=pass ${policies('dkim', 9)} ${rest}`,
  'h= with 7,000 names': `${policies('dkim', 10)} ${rest}`,
  'h= with 100,000 names': `dkim=policy ${rest}`,
  'signatures with 5,000 tags': `${policies('dkim', 10)} ${rest}`,
  'signatures full of white space': `${many('fail', 10)} ${rest}`,
  'ARC-Seal full of white space': 'dkim=none x-google-dkim=none arc=fail dmarc=pass',
  'ARC-Authentication-Results of 60,000 semicolons': 'dkim=none x-google-dkim=none arc=fail dmarc=pass',
  '50 ARC sets in 53 kB': 'dkim=none x-google-dkim=none arc=pass dmarc=pass',
  '20 ARC sets in 97 kB': 'dkim=none x-google-dkim=none arc=pass dmarc=pass',
  '15 ARC sets in 316 kB': 'dkim=none x-google-dkim=none arc=fail dmarc=pass',
  '35 ARC sets and ten signatures by keys of 4096 bits': `${many('pass', 10)} x-google-dkim=none arc=pass dmarc=pass`,
  'as many tiny fields as a message may have': `${none} dmarc=pass`,
  'an ARC set numbered 51': 'dkim=none x-google-dkim=none arc=fail dmarc=pass',
  '5,000 ARC-Seal': 'dkim=none x-google-dkim=none arc=fail dmarc=pass',
  'From with 100,000 addresses': `${none} ${noAuthor}`,
  'From of endless deep comments': `${none} ${noAuthor}`,
  '5,000 From': `${none} ${noAuthor}`,
  'keys of 16,384 bits': `${many('neutral', 10)} ${rest}`,
  'keys with huge exponents': `${many('neutral', 10)} ${rest}`,
  'key records of 70 kB': `${many('neutral', 10)} ${rest}`,
  'a body of one line': passes,
  'a body of empty lines': passes,
  'a body of white space': passes,
};

const cases = await worstCases();

test('every expectation is about a case', () => {
  const names = new Set(cases.map(({ name }) => name));
  assert.deepEqual(
    Object.keys(expected).filter((name) => !names.has(name)),
    [],
  );
});

for (const { name, message, zone } of cases) {
  test(`${name}: defined results, a header of readable size, in time`, async () => {
    const begun = performance.now();
    const outcome = await judge({ message, zone, chunk: 65_536, checks: { 'x-google-dkim': {} } });
    assert.ok(performance.now() - begun < mostMs);
    const found = outcome.results
      .filter(({ method }) => /^(dkim|x-google-dkim|arc|dmarc)$/.test(method))
      .map(({ method, value }) => `${method}=${value}`)
      .join(' ');
    if (name in expected) assert.equal(found, expected[name]);
    assert.match(found, /^(?:dkim=\w+ )+(?:x-google-dkim=\w+ )+arc=\w+ dmarc=\w+$/);
    const field = outcome.fields[0] ?? '';
    assert.ok(field.length < 8192, `${field.length} octets`);
    assert.ok(field.split('\r\n').every((line) => line.length <= 998));
  });
}
