// The schema as data: for editors, for the documents, and for filling in defaults.
import { z } from 'zod';
import { configurationSchema } from './schema.ts';

/**
 * Of a value, or a part of it. Besides JSON Schema's own words there are marks: `file: true`, the name of a file;
 * `unit: 'bytes'`, a size as a number. `writeOnly: true` is a secret.
 */
export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** The JSON Schema (draft 2020-12) of what may stand in a file, without references to the environment. */
export function jsonSchema(): JsonSchema {
  return z.toJSONSchema(configurationSchema, { io: 'input' });
}

/** The choices of a schema; itself where it has none. */
export function choicesOf(schema: JsonSchema): readonly JsonSchema[] {
  const choices = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter(isSchema);
  return choices.length > 0 ? choices : [schema];
}

/** Whether it is a schema, and neither absent nor true or false. */
export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null;
}
