// What administrators write: a configuration, rules or a zone, or every mistake in them, and never another error.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { loadConfiguration } from '../../src/config/load.ts';
import { ConfigurationError } from '../../src/config/mistakes.ts';
import { ruleSource } from '../../src/config/rules.ts';
import { parseYaml } from '../../src/config/source.ts';
import { parseZone } from '../../src/dns/zone.ts';
import { formatSize, formatTime, parseSize, parseTime } from '../../src/units.ts';
import { hostileText, type Target, target } from './target.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-fuzz-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

/** Mistakes are lines for people: bounded, and nothing in them that a terminal obeys. */
function assertMistakes(error: unknown): void {
  assert.ok(error instanceof ConfigurationError, `${(error as Error)?.stack}`);
  assert.ok(error.mistakes.length > 0);
  for (const mistake of error.mistakes) {
    assert.doesNotMatch(mistake, /\p{Cc}/u);
    assert.ok(mistake.length < 5000, `${mistake.length} characters`);
  }
}

const file = join(directory, 'postern.yaml');

function load(text: string): void {
  writeFileSync(file, text);
  try {
    const configuration = loadConfiguration({ file, environment: { NAME: 'value' }, purpose: 'check' });
    assert.ok(configuration.listeners.length > 0);
  } catch (error) {
    assertMistakes(error);
  }
}

const sound = {
  hostname: 'mx.example.com',
  authservId: 'example.com',
  listeners: [
    {
      name: 'in',
      listen: '127.0.0.1:10025',
      mode: 'after-queue',
      clients: ['127.0.0.0/8'],
      destinations: ['smtp://127.0.0.1:10026'],
      pool: { size: 50, idle: '60s' },
      limits: { command: '2KiB', idle: '5m' },
      timeouts: { connect: '30s' },
      tls: { certificate: 'x.pem', key: 'x.key' },
      proxyProtocol: [],
    },
  ],
  networks: { local: ['10.0.0.0/8'], trusted: [] },
  dns: { servers: ['127.0.0.1'], timeout: '5s', zoneOnly: true },
  checks: { spf: {}, dkim: {}, arc: { trustedSealers: ['example.com'] }, dmarc: {}, bimi: false },
  // biome-ignore lint/suspicious/noThenProperty: it is what a rule is made of
  policy: { dmarc: 'annotate', rules: [{ name: 'r', when: { results: { spf: 'fail' } }, then: 'discard' }] },
  spool: { memory: '1MiB', directory: '/tmp', messageLimit: '50MiB' },
  http: false,
  workers: 1,
  log: { level: 'info', format: 'json', privacy: 'all' },
  trace: { keep: 0 },
};

const anyValue = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1e300,
    '',
    '1MiB',
    '60s',
    [],
    {},
    [null],
    [[]],
    `$${'{NAME}'}`,
    `$${'{NONE}'}`,
    `$${'{'}`,
    'unix:/x',
    '::1',
    '\0',
    '*',
  ),
  fc.jsonValue(),
  fc.string({ unit: 'binary', maxLength: 20 }),
);

/** Paths to all values of a configuration. */
function pathsOf(value: unknown, path: readonly string[] = []): string[][] {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return [[...path], ...entries.flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

function replaced(
  value: unknown,
  [key, ...rest]: readonly string[],
  by: unknown,
  extra: string | undefined,
): unknown {
  if (key === undefined) {
    if (extra === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) return by;
    return { ...value, [extra]: by };
  }
  if (Array.isArray(value))
    return value.map((item, i) => (String(i) === key ? replaced(item, rest, by, extra) : item));
  return Object.fromEntries(
    Object.entries(value as object).map(([name, item]) => [
      name,
      name === key ? replaced(item, rest, by, extra) : item,
    ]),
  );
}

const changes = fc.array(
  fc.tuple(
    fc.constantFrom(...pathsOf(sound)),
    anyValue,
    fc.option(
      fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('__proto__', 'constructor', 'when', 'listen')),
      { nil: undefined },
    ),
  ),
  { minLength: 1, maxLength: 4 },
);

function loadChanged(all: readonly (readonly [string[], unknown, string | undefined])[]): void {
  let value: unknown = sound;
  for (const [path, by, extra] of all) {
    try {
      value = replaced(value, path, by, extra);
    } catch {
      // The path was in what another change has taken away.
    }
  }
  load(stringify(value));
}

// biome-ignore format: words, not lines
const yaml = hostileText(
  'listeners:\n', '  - name: in\n', '    listen: 127.0.0.1:0\n', '    mode: after-queue\n',
  '    destinations: [smtp://127.0.0.1:25]\n', 'hostname: x\n', '&a ', '*a', '<<: ', '!!binary ',
  '!!js/function ', '? ', '- ', '[', ']', '{', '}', ': ', '|\n', '>\n', '---\n', '...\n', '#', '\t', "'",
  '"', '%YAML 1.2\n', `$${'{NAME}'}`, '\ufeff', '0x10', '.inf', '~',
).map((text) => Buffer.from(text, 'latin1').toString('utf8'));

const rules = ruleSource(
  { path: 'rules.yaml', text: '', rules: [] },
  { listeners: ['in'], methods: ['spf', 'dkim'] },
);
const ruleKeys = fc.constantFrom(
  'name',
  'when',
  'then',
  'results',
  'from',
  'client',
  'listener',
  'until',
  'reply',
  'not',
  'any',
  'header',
  'mode',
  'mailFrom',
  'list',
);
const ruleTree = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    anyValue,
    fc.constantFrom('fail', 'reject', 'spf', 'discard', 'in'),
    fc.dictionary(ruleKeys, tie('tree'), { maxKeys: 4 }),
    fc.array(tie('tree'), { maxLength: 3 }),
  ),
})).tree;

function readRules(text: string): void {
  const read = rules.parse(text);
  if ('mistakes' in read) assertMistakes(new ConfigurationError([...read.mistakes]));
}

// biome-ignore format: words, not lines
const zoneText = hostileText(
  'example.com:\n', '  TXT: ["v=spf1 -all"]\n', '  A: [192.0.2.1]\n', '  MX: ["10 mx"]\n',
  '  PTR: SERVFAIL\n', '  CNAME: [a', '[', ']', '"', 'TIMEOUT', '.:\n',
).map((text) => Buffer.from(text, 'latin1').toString('utf8'));

function readZone(value: unknown): void {
  const zone = parseZone(value);
  if (Array.isArray(zone)) for (const mistake of zone) assert.equal(typeof mistake, 'string');
}

const units = fc.oneof(
  hostileText('1', '0', '9'.repeat(15), 'MiB', 'kB', 's', 'ms', 'd', ' ', 'e5', '-', '.'),
  fc
    .tuple(
      fc.nat(),
      fc.constantFrom('', ' '),
      fc.constantFrom('B', 'kB', 'KiB', 'MiB', 'GiB', 'ms', 's', 'm', 'h', 'd'),
    )
    .map((all) => all.join('')),
);

export const configTargets: readonly Target[] = [
  target('configuration values', changes, loadChanged, 4),
  target('configuration text', yaml, load, 8),
  target('rules', ruleTree, (tree) => readRules(stringify(tree)), 5),
  target('rules text', yaml, readRules, 8),
  target(
    'zone',
    fc.oneof(
      fc.jsonValue(),
      fc.dictionary(
        fc.constantFrom('a.example', '__proto__', 'A', ''),
        fc.dictionary(fc.constantFrom('A', 'TXT', 'MX', 'constructor'), anyValue),
      ),
    ),
    readZone,
  ),
  target(
    'zone text',
    zoneText,
    (text) => {
      try {
        readZone(parseYaml('zone.yaml', text).value);
      } catch (error) {
        assertMistakes(error);
      }
    },
    3,
  ),
  target('sizes and times', units, (text) => {
    const size = parseSize(text);
    if (size !== undefined) assert.equal(parseSize(formatSize(size)), size);
    const time = parseTime(text);
    if (time !== undefined) assert.equal(parseTime(formatTime(time)), time);
  }),
];
