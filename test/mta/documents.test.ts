// README.md may show the same lines as docs/postfix.md, but no others, since only those are tried on real servers.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const README = new URL('../../README.md', import.meta.url);
const DOCUMENT = new URL('../../docs/postfix.md', import.meta.url);

test('every line for Postfix in README.md is in docs/postfix.md', {
  skip: !existsSync(README) && 'no README.md',
}, () => {
  const known = new Set(readFileSync(DOCUMENT, 'utf8').split('\n'));
  const readme = readFileSync(README, 'utf8');
  const blocks = [...readme.matchAll(/^```cf\b.*\n([\s\S]*?)^```$/gmu)].map((match) => match[1] ?? '');
  const strange = blocks
    .flatMap((block) => block.split('\n'))
    .filter((line) => line !== '' && !line.startsWith('#') && !known.has(line));
  assert.deepEqual(strange, []);
});
