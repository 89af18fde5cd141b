// The house itself: which room may import which, and that every file says in its first line what it is.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const source = join(import.meta.dirname, '../src');

/** What each room may import besides itself. `config` knows the schemas of the rooms it configures. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'cli.ts': ['cli', 'exits.ts'],
  cli: [
    'completion',
    'config',
    'demo',
    'exits.ts',
    'lookup',
    'printable.ts',
    'proxy.ts',
    'send',
    'supervisor',
    'telemetry',
    'top',
    'units.ts',
    'verify',
    'version.ts',
  ],
  library: ['authentication', 'config', 'policy', 'proxy.ts', 'telemetry', 'verify'],
  supervisor: ['config', 'exits.ts', 'http', 'listener', 'proxy.ts', 'smtp', 'telemetry', 'version.ts'],
  demo: ['config', 'proxy.ts', 'message', 'smtp', 'telemetry'],
  'proxy.ts': [
    'authentication',
    'config',
    'dns',
    'listener',
    'message',
    'pipeline.ts',
    'policy',
    'relay',
    'smtp',
    'telemetry',
  ],
  verify: [
    'authentication',
    'config',
    'dns',
    'input.ts',
    'message',
    'pipeline.ts',
    'policy',
    'printable.ts',
    'smtp',
  ],
  completion: [],
  lookup: ['authentication', 'dns', 'printable.ts'],
  top: ['printable.ts', 'progress.ts'],
  send: ['input.ts', 'printable.ts', 'progress.ts', 'relay', 'smtp', 'units.ts'],
  'pipeline.ts': ['authentication', 'config', 'policy', 'telemetry'],
  config: ['authentication', 'policy', 'relay', 'smtp', 'dns', 'telemetry', 'units.ts'],
  http: ['telemetry'],
  listener: ['authentication', 'transaction', 'smtp', 'telemetry'],
  transaction: ['authentication', 'policy', 'relay', 'message', 'smtp', 'dns', 'telemetry'],
  authentication: ['smtp', 'dns', 'telemetry', 'units.ts'],
  policy: ['authentication', 'smtp', 'telemetry'],
  relay: ['smtp', 'telemetry'],
  message: ['smtp', 'telemetry'],
  smtp: [],
  dns: [],
  telemetry: [],
  'exits.ts': [],
  'input.ts': ['progress.ts'],
  'progress.ts': ['printable.ts'],
  'printable.ts': [],
  'units.ts': [],
  'version.ts': [],
};

const files = globSync('**/*.ts', { cwd: source });

/** The room of a file: its folder, or the file itself where it stands in none. */
const roomOf = (file: string) => file.split('/', 1)[0] ?? file;

test('imports run one way, downward', () => {
  const wrong: string[] = [];
  for (const file of files) {
    const text = readFileSync(join(source, file), 'utf8');
    for (const [, path = ''] of text.matchAll(/from '(\.[^']+)'/g)) {
      const from = roomOf(file);
      const to = roomOf(normalize(join(dirname(file), path)));
      if (from !== to && !allowed[from]?.includes(to)) wrong.push(`${file} imports ${path}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(files.length > 40, `only ${files.length} files were looked at`);
});

test('every file begins with a line that says what it is', () => {
  const silent = files.filter(
    (file) => !/^(?:#!.*\n)?\/\/ \S/.test(readFileSync(join(source, file), 'utf8')),
  );
  assert.deepEqual(silent, []);
});

test('no function is written straight into a property', () => {
  // V8 takes such a one for a method that stays, and makes it an old object at once, with all that it knows: a message
  // was held by one until the old objects were collected, which cost a seventh of its CPU. `const f = () => …; this.f = f;`
  const property = /(?<!: )\b\w+(?:\.#?\w+|\[[^\]]+\])+/.source;
  const literal = /(?:async )?(?:function\b|(?:\([^()]*\)|\w+)(?:: [^=]+)? =>)/.source;
  const straight = new RegExp(`${property} (?:\\?\\?|\\|\\|)?= ${literal}`);
  const own = files.filter((file) => !file.startsWith('http/page/'));
  const wrong = own.filter((file) => straight.test(readFileSync(join(source, file), 'utf8')));
  assert.deepEqual(wrong, []);
});
