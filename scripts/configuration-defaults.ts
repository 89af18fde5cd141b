// Writes the commented defaults in config/postern.yaml from the schema: npm run generate
import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { commonOptions } from '../src/authentication/checks.ts';
import { choicesOf, isSchema, type JsonSchema, jsonSchema } from '../src/config/json-schema.ts';

/** The file whose end is written. */
export const defaultsFile = new URL('../config/postern.yaml', import.meta.url);

const mark = '# defaults: what follows is written by npm run generate\n';
const lineWidth = 110;

/** The file with its end written anew. */
export function withDefaults(text: string): string {
  const [before = ''] = text.split(mark, 1);
  const schema = jsonSchema();
  const { listeners, ...top } = propertiesOf(schema);
  const listener = listeners?.items;
  if (!isSchema(listener)) throw new Error('the schema has no listeners');
  const sections = Object.entries(top).map(([key, value]) => commentedOut(lines({ [key]: value }, 0)));
  const ofListener = commentedOut(lines(propertiesOf(listener), 4, listener.required));
  return `${before}${mark}${[ofListener, ...sections].join('\n')}`;
}

/** Comments keep a blank behind their #, keys get one in front of them; inside a section all get one more #. */
function commentedOut(section: readonly string[]): string {
  return section.map((line) => (line.startsWith('# ') ? `${line}\n` : `#${line}\n`)).join('');
}

/** The lines of some keys, each below what it means. */
function lines(
  properties: Readonly<Record<string, JsonSchema>>,
  indent: number,
  without: readonly string[] = [],
): string[] {
  return Object.entries(properties)
    .filter(([key]) => !without.includes(key))
    .flatMap(([key, schema]) =>
      hasDefault(schema) ? withDefault(key, schema, indent) : mention(key, schema, indent),
    );
}

/** Whether every machine has the same; where not, the description tells. */
function hasDefault({ default: fallback, description = '' }: JsonSchema): boolean {
  return fallback !== undefined && !description.includes(' Default: ');
}

function withDefault(key: string, schema: JsonSchema, indent: number): string[] {
  const about = prose(`${schema.description ?? ''}${words(schema)}`, indent);
  const inner = schema.default && !Array.isArray(schema.default) ? innerLines(key, schema, indent + 2) : [];
  const margin = ' '.repeat(indent);
  if (inner.some((line) => !line.trimStart().startsWith('#')))
    return [...about, `${margin}${key}:`, ...inner];
  const value = stringify(schema.default, {
    collectionStyle: 'flow',
    flowCollectionPadding: false,
    lineWidth: 0,
  }).trimEnd();
  return [...about, `${margin}${key}: ${value}`];
}

/** What stands in a mapping. What all checks have is said once. */
function innerLines(key: string, schema: JsonSchema, indent: number): string[] {
  const mapping = choicesOf(schema).find(({ type }) => type === 'object') ?? {};
  const isCheck = Object.keys(commonOptions).every((name) => name in propertiesOf(mapping));
  const inner = lines(propertiesOf(mapping), indent, isCheck ? Object.keys(commonOptions) : []);
  if (key !== 'checks') return inner;
  const forAll = 'each check also has the keys hideNone (false) and header (Authentication-Results)';
  return [...prose(forAll, indent), ...inner];
}

function mention(key: string, schema: JsonSchema, indent: number): string[] {
  const mapping = choicesOf(schema).find(({ type }) => type === 'object');
  const keys = Object.keys(mapping ? propertiesOf(mapping) : {});
  const inside = keys.length > 0 ? ` (${keys.join(', ')})` : '';
  return prose(`${key}${inside}: ${schema.description ?? ''}${words(schema)}`, indent);
}

function words(schema: JsonSchema): string {
  return schema.enum ? `; one of ${schema.enum.join(', ')}` : '';
}

/** A comment in lines that are not too long, without the marks that only documents need. */
function prose(text: string, indent: number): string[] {
  const margin = `${' '.repeat(indent)}# `;
  const found: string[] = [];
  let line = margin;
  for (const word of text.replaceAll('`', '').split(' ')) {
    if (line.length + word.length > lineWidth && line !== margin) {
      found.push(line.trimEnd());
      line = margin;
    }
    line += `${word} `;
  }
  return [...found, line.trimEnd()];
}

function propertiesOf(schema: JsonSchema): Readonly<Record<string, JsonSchema>> {
  const entries = Object.entries(schema.properties ?? {});
  return Object.fromEntries(entries.filter((entry): entry is [string, JsonSchema] => isSchema(entry[1])));
}

/** Writes the file. */
export function writeDefaults(): void {
  writeFileSync(defaultsFile, withDefaults(readFileSync(defaultsFile, 'utf8')));
}

if (import.meta.main) writeDefaults();
