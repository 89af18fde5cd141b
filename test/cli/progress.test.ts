// How far long work has come: told to terminals, after a while, and wiped off.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readInput } from '../../src/input.ts';
import { Progress, size } from '../../src/progress.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-progress-'));
after(() => rmSync(directory, { recursive: true }));

/** Work that goes on for as many seconds as there are numbers of bytes. */
function watch(isTTY: boolean, bytes: readonly number[], total?: number): string {
  let written = '';
  let seconds = 0;
  const terminal = { isTTY, write: (text: string) => (written += text) };
  const progress = new Progress('reading a\x1bb', terminal, () => 1000 * seconds);
  for (const each of bytes) {
    seconds += 0.6;
    progress.at(each, total);
  }
  progress.end();
  return written;
}

test('what is done within a second is not told', () => {
  assert.equal(watch(true, [500]), '');
});

test('a terminal is told of what takes longer, in one line that goes away', () => {
  assert.equal(
    watch(true, [100, 2048, 3 * 1024 * 1024]),
    '\rreading a\\x1bb: 2.0 KiB\x1b[K\rreading a\\x1bb: 3.0 MiB\x1b[K\r\x1b[K',
  );
  assert.match(watch(true, [100, 1024], 4096), /: 1\.0 KiB of 4\.0 KiB, 25 %/);
});

test('anything else than a terminal is told nothing', () => {
  assert.equal(watch(false, [100, 200, 300, 400]), '');
});

test('sizes are said in the unit that fits', () => {
  assert.deepEqual([0, 1023, 1024, 1536 * 1024, 5 * 2 ** 40, 2 ** 52].map(size), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 MiB',
    '5.0 TiB',
    '4096.0 TiB',
  ]);
});

test('an input is read whole, up to its limit, and what cannot be read says why', async () => {
  const file = join(directory, 'input');
  writeFileSync(file, 'x'.repeat(200_000));
  assert.equal((await readInput(file, 200_000)).length, 200_000);
  await assert.rejects(readInput(file, 199_999), { kind: 'tooLarge', message: 'it is over 199999 bytes' });
  await assert.rejects(readInput(join(directory, 'none'), 10), {
    kind: 'unreadable',
    message: /no such file \(ENOENT\)/,
  });
  await assert.rejects(readInput(directory, 10), { kind: 'unreadable', message: /it is a directory/ });
});
