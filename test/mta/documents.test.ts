// What README.md and the page of each use show agrees, and Postern takes the configurations in them.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadConfiguration } from '../../src/config/load.ts';
import { documentedLines } from './support/documents.ts';

const README = new URL('../../README.md', import.meta.url);
const uses = ['after-queue', 'before-queue', 'lmtp'];
const pages = new Map(
  uses.map((use) => [use, readFileSync(new URL(`../../docs/${use}.md`, import.meta.url), 'utf8')]),
);

test('every line for Postfix in README.md is in the page of a use, whose lines real servers try', () => {
  const readme = readFileSync(README, 'utf8');
  const known = new Set([...pages.values()].flatMap((page) => page.split('\n')));
  const blocks = [...readme.matchAll(/^```cf\b.*\n([\s\S]*?)^```$/gmu)].map((match) => match[1] ?? '');
  const strange = blocks
    .flatMap((block) => block.split('\n'))
    .filter((line) => line !== '' && !line.startsWith('#') && !known.has(line));
  assert.deepEqual(strange, []);
});

for (const use of uses) {
  test(`the configuration in docs/${use}.md is accepted as it stands`, () => {
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

test('docs/several-listeners.md has the doors of its example, and sends Postfix to each of them', () => {
  const file = fileURLToPath(new URL('../../config/examples/several-listeners.yaml', import.meta.url));
  const text = readFileSync(new URL('../../docs/several-listeners.md', import.meta.url), 'utf8');
  const shown = /^```yaml\n(.*?)^```$/ms.exec(text)?.[1] ?? '';
  const directory = mkdtempSync(join(tmpdir(), 'postern-documents-'));
  try {
    writeFileSync(join(directory, 'postern.yaml'), shown);
    const load = (file: string) => loadConfiguration({ file, environment: {} }).listeners;
    const listeners = load(join(directory, 'postern.yaml'));
    const doors = (all: typeof listeners) =>
      all.map(({ name, listen, mode, authservId, destinations, pool }) => ({
        ...{ name, listen, mode, authservId, pool: pool.size },
        destinations: destinations.map((each) => each.text),
      }));
    assert.deepEqual(doors(listeners), doors(load(file)));
    const lines = ['main.cf', 'master.cf upstream'].map((each) =>
      documentedLines(`several-listeners ${each}`, {}),
    );
    for (const { listen } of listeners) {
      assert.ok('port' in listen);
      assert.equal(lines.join('\n').split(`:${listen.port}`).length, 2, `${listen.port}`);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
