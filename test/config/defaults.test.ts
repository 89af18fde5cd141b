// The commented defaults in config/postern.yaml: complete, and what holds anyway.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { defaultsFile, withDefaults } from '../../scripts/configuration-defaults.ts';
import { loadConfiguration } from '../../src/config/load.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-defaults-'));
after(() => rmSync(directory, { recursive: true }));

const shipped = fileURLToPath(defaultsFile);
const text = readFileSync(shipped, 'utf8');

test('config/postern.yaml has the defaults that the schema has', () => {
  assert.equal(text, withDefaults(text), 'run: npm run generate');
});

test('its keys, not commented out any more, change nothing', () => {
  const file = join(directory, 'postern.yaml');
  const uncommented = text.replace(/^#(?! \S)(?!$)/gm, '');
  assert.ok(uncommented.split('\n').filter((line) => /^ *[A-Za-z-]+:/.test(line)).length > 80, uncommented);
  writeFileSync(file, uncommented);
  // Warnings name the file.
  const { file: _, warnings: _warnings, ...spelledOut } = loadConfiguration({ file, environment: {} });
  const { file: __, warnings: __warnings, ...silent } = loadConfiguration({ file: shipped, environment: {} });
  assert.deepEqual(spelledOut, silent);
});
