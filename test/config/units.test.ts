// Sizes and times with their units.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSize, parseTime } from '../../src/units.ts';

test('sizes count in thousands or in 1024s, as their unit says', () => {
  const sizes = ['0', '17', '17B', '3kB', '3KB', '10MB', '1GB', '512KiB', '1MiB', '2GiB', '5 MiB'];
  assert.deepEqual(
    sizes.map(parseSize),
    [0, 17, 17, 3000, 3000, 10_000_000, 1_000_000_000, 524_288, 1_048_576, 2_147_483_648, 5_242_880],
  );
});

test('a number alone is a size in bytes', () => {
  assert.equal(parseSize(4096), 4096);
  assert.equal(parseSize(1.5), undefined);
  assert.equal(parseSize(-1), undefined);
});

test('what is no size is not guessed at', () => {
  for (const text of ['', 'MiB', '1M', '1mib', '1.5MiB', '-1MiB', '1 MiB ', '1MiB1', '0x10', '1constructor'])
    assert.equal(parseSize(text), undefined, text);
  assert.equal(parseSize('999999999999999GiB'), undefined, 'more than a number can hold exactly');
});

test('times are milliseconds, whatever their unit', () => {
  const times = ['100ms', '60s', '5m', '1h', '2d', '0s', '10 s'];
  assert.deepEqual(times.map(parseTime), [100, 60_000, 300_000, 3_600_000, 172_800_000, 0, 10_000]);
});

test('a time without a unit, or longer than a timer can wait, is none', () => {
  for (const text of ['60', '', 's', '1.5s', '-1s', '60S', '1min', '1h30m', '25d', '1toString'])
    assert.equal(parseTime(text), undefined, text);
});
