// Writes the tables of docs/configuration.md from the schema: node scripts/configuration-reference.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { configurationSchema } from '../src/config/schema.ts';

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** The document that holds the tables. */
export const referenceFile = new URL('../docs/configuration.md', import.meta.url);

const begin = '<!-- keys: written by scripts/configuration-reference.ts -->\n';
const end = '<!-- /keys -->';

/** The document with its tables written anew. */
export function withReference(document: string): string {
  const [before, rest = ''] = document.split(begin, 2);
  const [, after = ''] = rest.split(end, 2);
  return `${before}${begin}${reference()}${end}${after}`;
}

function reference(): string {
  const schema = z.toJSONSchema(configurationSchema, { io: 'input' });
  return section('', 'The top of the file', schema);
}

/** A table of an object's keys, and after it one for each key that has keys of its own. */
function section(prefix: string, title: string, schema: JsonSchema): string {
  const keys = Object.entries(schema.properties ?? {}) as [string, JsonSchema][];
  const rows = keys.map(([key, value]) => row(key, value, schema.required?.includes(key) ?? false));
  const below = keys.flatMap(([key, value]) => {
    const object = objectIn(value);
    const path = `${prefix}${key}${value.type === 'array' ? '[]' : ''}`;
    return object ? [section(`${path}.`, `\`${path}\``, object)] : [];
  });
  const table = ['| key | default | what it is for |', '| --- | --- | --- |', ...rows].join('\n');
  return `\n### ${title}\n\n${table}\n${below.join('')}`;
}

/** The schema of the mapping that a key takes, alone, in a list, or as one choice of several. */
function objectIn(schema: JsonSchema): JsonSchema | undefined {
  const candidates = [schema, schema.items, ...(schema.anyOf ?? [])] as (JsonSchema | undefined)[];
  return candidates.find((candidate) => Object.keys(candidate?.properties ?? {}).length > 0);
}

function row(key: string, schema: JsonSchema, required: boolean): string {
  const [what = '', said] = (schema.description ?? '').split(/\.? Default: /, 2);
  const fallback = said ?? (required ? '**required**' : shown(schema));
  return `| \`${key}\` | ${cell(fallback)} | ${cell(what)}${choices(schema)} |`;
}

function shown(schema: JsonSchema): string {
  if (schema.default === undefined) return '';
  // The keys of a mapping have their defaults in a table of their own.
  if (JSON.stringify(schema.default) === '{}') return objectIn(schema) ? 'see below' : '`{}`';
  return `\`${typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)}\``;
}

function choices(schema: JsonSchema): string {
  if (!schema.enum) return '';
  return ` (${schema.enum.map((value) => `\`${value}\``).join(', ')})`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

if (import.meta.main) writeFileSync(referenceFile, withReference(readFileSync(referenceFile, 'utf8')));
