// Every configuration that the documents show is one: no key is unknown, no value impossible.
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { loadConfiguration } from '../../src/config/load.ts';

const root = join(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'postern-documents-'));
after(() => rmSync(directory, { recursive: true }));

const listener = {
  name: 'after-queue',
  listen: '127.0.0.1:10025',
  mode: 'after-queue',
  destinations: ['smtp://127.0.0.1:10026'],
};
/** Files that an example names are not on this machine. */
const fileMissing = /: cannot be (?:read|loaded): /;

/** @returns what loading the example complains of */
function mistakesIn(example: string): string[] {
  const value: unknown = parse(example.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1'));
  const sections = Array.isArray(value) ? { policy: { rules: value } } : (value as object);
  const file = join(directory, 'postern.yaml');
  writeFileSync(file, stringify({ listeners: [listener], ...sections }));
  try {
    loadConfiguration({ file, environment: {} });
  } catch (error) {
    return (error as Error).message.split('\n').filter((line) => !fileMissing.test(line));
  }
  return [];
}

for (const name of ['README.md', ...globSync('docs/*.md', { cwd: root })]) {
  const text = readFileSync(join(root, name), 'utf8');
  const examples = [...text.matchAll(/^```yaml[^\n]*\n(.*?)^```/gms)].map(([, example = '']) => example);
  // The zone file is none.
  const configurations = examples.filter((example) => !/\b(?:TXT|PTR):/.test(example));
  if (configurations.length === 0) continue;
  test(`the configurations in ${name} have no mistakes`, () => {
    assert.deepEqual(configurations.flatMap(mistakesIn), []);
  });
}
