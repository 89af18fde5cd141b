// Pass, fail or error: the rule of the exit status.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Result, ResultValue } from '../../src/authentication/result.ts';
import { verdictOf } from '../../src/verify/verdict.ts';

/** @param words such as `spf=pass` */
function verdict(...words: string[]): string {
  const results = words.map((word): Result => {
    const [method = '', value = ''] = word.split('=');
    return { method, value: value as ResultValue, properties: [] };
  });
  const found = verdictOf(results);
  return `${found.verdict}: ${found.because}`;
}

test('dmarc decides, whatever the others say', () => {
  assert.equal(verdict('spf=fail', 'dkim=pass', 'dmarc=pass'), 'pass: dmarc=pass');
  assert.equal(verdict('spf=pass', 'dkim=pass', 'dmarc=fail'), 'fail: dmarc=fail');
  assert.equal(verdict('spf=pass', 'dmarc=temperror'), 'error: dmarc=temperror');
  assert.equal(verdict('dkim=pass', 'dmarc=permerror'), 'error: dmarc=permerror');
});

test('without a dmarc record one pass of spf or dkim is enough', () => {
  assert.equal(verdict('spf=fail', 'dkim=fail', 'dkim=pass', 'dmarc=none'), 'pass: dkim=pass');
  assert.equal(verdict('spf=pass', 'dkim=temperror'), 'pass: spf=pass');
});

test('without a pass, what could not be asked may yet pass', () => {
  assert.equal(verdict('spf=fail', 'dkim=temperror', 'dmarc=none'), 'error: dkim=temperror');
});

test('without a pass, a failure counts more than what cannot be evaluated', () => {
  assert.equal(verdict('spf=permerror', 'dkim=fail'), 'fail: dkim=fail');
  assert.equal(verdict('spf=softfail', 'dkim=none'), 'fail: spf=softfail');
  assert.equal(verdict('spf=none', 'dkim=policy'), 'fail: dkim=policy');
  assert.equal(verdict('spf=permerror', 'dkim=none'), 'error: spf=permerror');
});

test('where nothing was checked, nothing failed', () => {
  assert.equal(verdict(), 'pass: nothing failed');
  assert.equal(verdict('spf=none', 'dkim=none', 'dmarc=none'), 'pass: nothing failed');
});

test('other methods have no say', () => {
  assert.equal(verdict('iprev=fail', 'arc=fail', 'x-ptr=fail', 'dkim=none'), 'pass: nothing failed');
});
