// What README.md and docs/postfix.md show agrees, and Postern takes the configurations in them.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { documentedLines } from './support/documents.ts';

const README = new URL('../../README.md', import.meta.url);
const DOCUMENT = new URL('../../docs/postfix.md', import.meta.url);

test('every line for Postfix in README.md is in docs/postfix.md, whose lines real servers try', () => {
  const readme = existsSync(README) ? readFileSync(README, 'utf8') : '';
  const known = new Set(readFileSync(DOCUMENT, 'utf8').split('\n'));
  const blocks = [...readme.matchAll(/^```cf\b.*\n([\s\S]*?)^```$/gmu)].map((match) => match[1] ?? '');
  const strange = blocks
    .flatMap((block) => block.split('\n'))
    .filter((line) => line !== '' && !line.startsWith('#') && !known.has(line));
  assert.deepEqual(strange, []);
});

for (const use of ['after-queue', 'before-queue', 'lmtp']) {
  test(`the ${use} configuration of docs/postfix.md is accepted as it stands`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'postern-documents-'));
    try {
      const file = join(directory, 'postern.yaml');
      writeFileSync(file, documentedLines(`${use} postern.yaml`, {}));
      const { hostname, listeners } = loadConfiguration({ file, environment: {} });
      assert.equal(hostname, 'mx.example.com');
      assert.deepEqual(
        listeners.map(({ listen }) => listen),
        [{ host: '127.0.0.1', port: 10025 }],
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}
