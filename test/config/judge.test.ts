// A configuration for judging alone: what it does without, and what is still a mistake.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadForJudging } from '../../src/config/judging.ts';
import { loadConfiguration } from '../../src/config/load.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-judge-'));
after(() => rmSync(directory, { recursive: true }));

function load(text: string, purpose: 'serve' | 'judge', environment: NodeJS.ProcessEnv = {}) {
  const file = join(directory, 'postern.yaml');
  writeFileSync(file, text);
  return loadConfiguration({ file, environment, purpose });
}

const listener = (more: string) =>
  `listeners: [{ name: in, listen: "127.0.0.1:0", mode: after-queue, destinations: [smtp://127.0.0.1:1]${more} }]\n`;

test('no listener is needed, and one before the queue stands in', () => {
  for (const text of ['', 'hostname: mx.example.org\n', '# nothing\n']) {
    const { listeners } = load(text, 'judge');
    assert.deepEqual(
      listeners.map(({ name, mode }) => [name, mode]),
      [['default', 'before-queue']],
    );
    assert.throws(() => load(text, 'serve'), { name: 'ConfigurationError' });
  }
});

test('the names of the configuration and of the environment hold for it', () => {
  const { listeners } = load('authservId: a.example\n', 'judge', { POSTERN_HOSTNAME: 'h.example' });
  assert.deepEqual(
    listeners.map(({ authservId, hostname }) => [authservId, hostname]),
    [['a.example', 'h.example']],
  );
});

test('listeners that are there are the listeners, and their mistakes are mistakes', () => {
  assert.equal(load(listener(''), 'judge').listeners[0]?.name, 'in');
  assert.throws(() => load(listener(', colour: red'), 'judge'), /colour: unknown key/);
  assert.throws(() => load('listeners: []\n', 'judge'), /listeners: too few entries/);
  assert.throws(() => load('[]\n', 'judge'), { name: 'ConfigurationError' });
});

test('certificates are not looked at', () => {
  const text = listener(', tls: { certificate: missing.crt, key: missing.key }');
  assert.equal(load(text, 'judge').listeners[0]?.tls, undefined);
  assert.throws(() => load(text, 'serve'), /missing\.crt/);
});

test('a zone file that is not there is a mistake of the option that names it', () => {
  const config = join(directory, 'judged.yaml');
  writeFileSync(config, '');
  assert.throws(
    () => loadForJudging({ config, zone: join(directory, 'missing.yaml'), environment: {} }),
    /^ConfigurationError: --zone: .*missing\.yaml: cannot be read: ENOENT/,
  );
});
