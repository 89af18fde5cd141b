// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment are written so in YAML
// The JSON Schema for editors: current, valid, and of one mind with the program about what is good and what is wrong.
import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { schemaFile, schemaText } from '../../scripts/configuration-schema.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const schema = JSON.parse(readFileSync(schemaFile, 'utf8')) as {
  readonly $schema: string;
  readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};
const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
const accepts = ajv.compile(schema);

const read = (name: string) => readFileSync(join(root, name), 'utf8');

function assertGood(value: unknown): void {
  assert.ok(accepts(value), ajv.errorsText(accepts.errors));
}

test('config/postern.schema.json is what the schema says', () => {
  assert.equal(readFileSync(schemaFile, 'utf8'), schemaText(), 'run: npm run generate');
});

test('it is a JSON Schema of draft 2020-12', () => {
  assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
  assert.equal(ajv.validateSchema(schema), true, ajv.errorsText(ajv.errors));
});

test('it has descriptions, defaults and words to choose from, and nothing of the machine that wrote it', () => {
  const { hostname, workers, policy } = schema.properties;
  assert.match(String(hostname?.description), /EHLO/);
  assert.equal(hostname?.default, undefined);
  assert.equal(workers?.default, 'auto');
  assert.match(
    JSON.stringify(policy),
    /"default":"annotate","anyOf":\[\{"type":"string","enum":\["annotate"/,
  );
  for (const [key, value] of Object.entries(schema.properties)) assert.ok(value.description, key);
});

const shipped = [
  'postern.yaml',
  ...readdirSync(join(root, 'config/examples')).map((name) => `examples/${name}`),
];
for (const name of shipped.filter((each) => each.endsWith('.yaml'))) {
  test(`it takes config/${name}`, () => assertGood(parse(read(`config/${name}`))));
}

/** What a part of a configuration needs to be one. */
const listeners = [
  { name: 'in', listen: '127.0.0.1:1', mode: 'after-queue', destinations: ['smtp://127.0.0.1:2'] },
];

test('it takes the configurations in README.md and the documents', () => {
  const blocks = ['README.md', ...globSync('docs/*.md', { cwd: root })].flatMap((name) =>
    [...read(name).matchAll(/^```yaml.*\n([\s\S]*?)^```$/gm)].map(([, text = '']) => ({ name, text })),
  );
  const configurations = blocks
    .map(({ name, text }) => ({ name, text, value: parse(text) as unknown }))
    // Others are zones, and lists of rules.
    .filter(({ value }) => Object.keys(value ?? {}).some((key) => key in schema.properties));
  assert.ok(configurations.length > 10, `only ${configurations.length} were found`);
  for (const { name, text, value } of configurations) {
    assert.ok(
      accepts({ listeners, ...(value as object) }),
      `${name}: ${ajv.errorsText(accepts.errors)}\n${text}`,
    );
  }
});

const good = { listeners };
const listener = (keys: object) => ({ listeners: [{ ...listeners[0], ...keys }] });

test('references to the environment may stand for any value', () => {
  assertGood({
    hostname: '${HOST}',
    ...listener({
      listen: '${L:-127.0.0.1:1}',
      mode: '${MODE}',
      pool: { size: '${SIZE:-5}', idle: '${IDLE}' },
    }),
    dns: { zoneOnly: '${ONLY}', servers: ['${DNS}'] },
    http: '${HTTP}',
    workers: '${WORKERS:-2}',
    spool: { memory: '${MEMORY}' },
    policy: { dmarc: '${DMARC:-reject}' },
  });
});

const broken: readonly (readonly [string, object])[] = [
  ['an unknown key', { ...good, colour: 'red' }],
  ['an unknown key of a check', { ...good, checks: { spf: { strength: 5 } } }],
  ['no listeners', {}],
  ['an empty list of listeners', { listeners: [] }],
  ['a listener without its mode', { listeners: [{ ...listeners[0], mode: undefined }] }],
  ['a mode that there is not', listener({ mode: 'sideways' })],
  ['an address without a port', listener({ listen: '127.0.0.1' })],
  ['a destination of another protocol', listener({ destinations: ['ftp://127.0.0.1:1'] })],
  ['no destination', listener({ destinations: [] })],
  ['a time without a unit', listener({ pool: { idle: 60 } })],
  ['a time with a unit that there is not', listener({ pool: { idle: '5 weeks' } })],
  ['a size with a unit that there is not', { ...good, spool: { memory: '1MiBB' } }],
  ['a count that is none', listener({ pool: { size: 'many' } })],
  ['a count that is too large', { ...good, workers: 5000 }],
  ['a text for a truth value', { ...good, receivedSpf: 'yes' }],
  ['a network that is a name', { ...good, networks: { trusted: ['mx.example.com'] } }],
  ['a check that is neither false nor a mapping', { ...good, checks: { spf: true } }],
  ['an empty section', { ...good, log: null }],
];

for (const [name, value] of broken) {
  test(`it refuses ${name}`, () => assert.equal(accepts(JSON.parse(JSON.stringify(value))), false));
}
