// docs/log.md: every event that the code tells is in its table with its levels, and every event in the table is told.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { FakePool } from '../transaction/fakes.ts';
import { Driven } from '../transaction/start.ts';

const root = join(import.meta.dirname, '../..');
const document = readFileSync(join(root, 'docs/log.md'), 'utf8');
const levels = /'(error|warn|info|debug)'/g;

/** Event → levels; none where a variable has them. */
function told(): Map<string, Set<string>> {
  const events = new Map<string, Set<string>>();
  const add = (event: string, of: readonly string[]) => {
    const known = events.get(event) ?? new Set();
    for (const level of of) known.add(level);
    events.set(event, known);
  };
  for (const file of globSync('src/**/*.ts', { cwd: root })) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, level = '', event = ''] of text.matchAll(/\blog\.(error|warn|info|debug)\(\s*'([^']+)'/g)) {
      add(event, [level]);
    }
    for (const [, before = '', event = ''] of text.matchAll(
      /\b(?:log|tell|write)\(([^;{}]{0,80}?),\s*'([^']+)'/g,
    )) {
      const known = [...before.matchAll(levels)].map(([, level = '']) => level);
      if (known.length > 0 || before === 'level') add(event, known);
    }
    if (!file.endsWith('survive.ts')) continue;
    for (const [, event = ''] of text.matchAll(/\breport\('([^']+)'\)/g)) add(event, ['error']);
  }
  return events;
}

/** Rows of the table of events. */
function documented(): Map<string, Set<string>> {
  const table = document.slice(document.indexOf('| event |')).split('\n').slice(2);
  return new Map(
    table.filter(Boolean).map((row): [string, Set<string>] => {
      const [, name = '', of = ''] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
      return [name.replace(/^(`+)(.*)\1$/, '$2'), new Set(of.split(', '))];
    }),
  );
}

test('the events of the code and those of the document are the same', () => {
  const code = [...told().keys()].sort();
  assert.ok(code.length > 30, `only ${code.length} events were found`);
  assert.deepEqual([...documented().keys()].sort(), code);
});

test('each event has the levels that the document says', () => {
  const rows = documented();
  for (const [event, of] of told()) {
    for (const level of of) assert.ok(rows.get(event)?.has(level), `${event} is told as ${level}`);
  }
});

test('each field of a transaction’s line is documented', async () => {
  const section = document.slice(document.indexOf('## A transaction'), document.indexOf('## Events'));
  const fields = [...section.matchAll(/^\|([^|]+)\|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  const driven = new Driven(new FakePool());
  await driven.upToDot();
  await driven.finish();
  for (const name of Object.keys(driven.record))
    assert.ok(fields.includes(name), `${name} is not documented`);
});

test('the keys in the document are those of the configuration', () => {
  const [, example = ''] = /```yaml\nlog:\n([\s\S]*?)```/.exec(document) ?? [];
  const keys = [...example.matchAll(/^ {2}(\w+):/gm)].map(([, key]) => key);
  const environment = { POSTERN_LISTEN: '127.0.0.1:0', POSTERN_DESTINATION: 'smtp://127.0.0.1:25' };
  assert.deepEqual(keys, Object.keys(loadConfiguration({ environment }).log));
});
