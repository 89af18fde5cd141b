// Writes config/postern.schema.json, for editors, from the schema: npm run generate
import { writeFileSync } from 'node:fs';
import { isSchema, type JsonSchema, jsonSchema } from '../src/config/json-schema.ts';

/** The file that the examples name in their first line. */
export const schemaFile = new URL('../config/postern.schema.json', import.meta.url);

/** Where any value may come from; what it is then, the editor cannot know. */
const reference = {
  type: 'string',
  pattern: '\\$\\{',
  description: `a value from the environment: \${NAME}, or \${NAME:-default}`,
} as const;

/** The text of the file. */
export function schemaText(): string {
  const { $schema, ...schema } = jsonSchema();
  const published = {
    $schema,
    title: 'Configuration of Postern',
    $comment: 'written by npm run generate',
    ...forEditors(schema),
    $defs: { reference },
  };
  return `${JSON.stringify(published, null, 2)}\n`;
}

/** The schema with references to the environment wherever a value may stand, and without what editors do not know. */
function forEditors(schema: JsonSchema): JsonSchema {
  const { description, default: fallback, ...rest } = withoutMarks(schema);
  const around = {
    ...(description !== undefined && { description }),
    // What a machine says of itself holds on that machine.
    ...(fallback !== undefined && !isOfMachine(schema) && { default: fallback }),
  };
  const inner = inside(rest);
  if (inner.anyOf) {
    return isValue(inner) ? { ...around, anyOf: [...inner.anyOf, toReference] } : { ...around, ...inner };
  }
  return isValue(inner) ? { ...around, anyOf: [inner, toReference] } : { ...around, ...inner };
}

const toReference: JsonSchema = { $ref: '#/$defs/reference' };

function withoutMarks(schema: JsonSchema): JsonSchema {
  const { file: _, unit: __, ...rest } = schema;
  return rest;
}

/** Those whose default the description tells. */
function isOfMachine({ description = '' }: JsonSchema): boolean {
  return description.includes(' Default: ');
}

/** The schemas in a schema. Choices get the reference once, beside them. */
function inside(schema: JsonSchema): JsonSchema {
  const { properties, items, additionalProperties, anyOf } = schema;
  return {
    ...schema,
    ...(properties && { properties: mapValues(properties) }),
    ...(isSchema(items) && !Array.isArray(items) && { items: forEditors(items) }),
    ...(isSchema(additionalProperties) && { additionalProperties: forEditors(additionalProperties) }),
    ...(anyOf && {
      anyOf: anyOf.map((choice) => (isSchema(choice) ? inside(withoutMarks(choice)) : choice)),
    }),
  };
}

function mapValues(schemas: NonNullable<JsonSchema['properties']>): NonNullable<JsonSchema['properties']> {
  return Object.fromEntries(
    Object.entries(schemas).map(([key, schema]) => [key, isSchema(schema) ? forEditors(schema) : schema]),
  );
}

/** Whether it is of a value that is not any text, or whether one of its choices is. */
function isValue(schema: JsonSchema): boolean {
  if (schema.anyOf) return schema.anyOf.some((choice) => isSchema(choice) && isValue(choice));
  const { type, enum: words, const: only, pattern } = schema;
  return (
    ['number', 'integer', 'boolean'].includes(String(type)) ||
    words !== undefined ||
    only !== undefined ||
    pattern !== undefined
  );
}

/** Writes the file. */
export function writeSchema(): void {
  writeFileSync(schemaFile, schemaText());
}

if (import.meta.main) writeSchema();
