// Writes the list of keys in docs/configuration.md from the schema: npm run generate
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { commonOptions } from '../src/authentication/checks.ts';
import { type JsonSchema, jsonSchema } from '../src/config/json-schema.ts';
import { writeDefaults } from './configuration-defaults.ts';
import { writeSchema } from './configuration-schema.ts';
import { writePostfixLines } from './postfix-lines.ts';

/** The document that holds the list. */
export const referenceFile = new URL('../docs/configuration.md', import.meta.url);

const begin = '<!-- keys: written by scripts/configuration-reference.ts -->\n';
const end = '<!-- /keys -->';

/** The document with its list written anew. */
export function withReference(document: string): string {
  const [before, rest = ''] = document.split(begin, 2);
  const [, after = ''] = rest.split(end, 2);
  return `${before}${begin}${reference()}\n${end}${after}`;
}

function reference(): string {
  return section('', 'The top of the file', jsonSchema());
}

/** What is said once for all checks. */
const forAll = 'checks.*.';

/** A list of an object's keys, and after it one for each key that has keys of its own. */
function section(prefix: string, title: string, schema: JsonSchema): string {
  const all = Object.entries(schema.properties ?? {}) as [string, JsonSchema][];
  const keys = all.filter(([key]) => !(isCheck(prefix) && key in commonOptions));
  if (keys.length === 0) return '';
  const rows = keys.map(([key, value]) => row(key, value, schema.required?.includes(key) ?? false));
  if (prefix === 'checks.') {
    const common = z.toJSONSchema(z.strictObject(commonOptions), { io: 'input' });
    rows.push(section(forAll, 'Every check', common).trimEnd());
  }
  const below = keys.flatMap(([key, value]) => {
    const object = objectIn(value);
    const path = `${prefix}${key}${value.type === 'array' ? '[]' : ''}`;
    return object ? [section(`${path}.`, `\`${path}\``, object)] : [];
  });
  return `\n### ${title}\n\n${rows.join('\n')}\n${below.join('')}`;
}

/** Whether these are the options of one check. */
function isCheck(prefix: string): boolean {
  return prefix !== forAll && /^checks\.[^.]+\.$/.test(prefix);
}

/** The schema of the mapping that a key takes, alone, in a list, or as one choice of several. */
function objectIn(schema: JsonSchema): JsonSchema | undefined {
  const items = schema.items as JsonSchema | undefined;
  const candidates = [schema, items, ...(schema.anyOf ?? []), ...(items?.anyOf ?? [])] as (
    | JsonSchema
    | undefined
  )[];
  return candidates.find((candidate) => Object.keys(candidate?.properties ?? {}).length > 0);
}

function row(key: string, schema: JsonSchema, required: boolean): string {
  const [what = '', said] = (schema.description ?? '').split(/\.? Default: /, 2);
  const fallback = said ?? (required ? '**required**' : shown(schema));
  return `- \`${key}\` (${fallback}): ${what}${choices(schema)}`;
}

function shown(schema: JsonSchema): string {
  // The keys of a mapping have their defaults in a list of their own.
  if (JSON.stringify(schema.default) === '{}' && objectIn(schema)) return 'see below';
  return `\`${typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)}\``;
}

function choices(schema: JsonSchema): string {
  if (!schema.enum) return '';
  return `; one of ${schema.enum.map((value) => `\`${value}\``).join(', ')}`;
}

if (import.meta.main) {
  writeFileSync(referenceFile, withReference(readFileSync(referenceFile, 'utf8')));
  // Whoever changes the schema changes all of these.
  writeSchema();
  writeDefaults();
  writePostfixLines();
}
