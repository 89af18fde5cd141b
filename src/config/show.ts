// A configuration as it would be written with every default spelled out.
import { resolve } from 'node:path';
import { stringify } from 'yaml';
import { formatSize, formatTime } from '../units.ts';
import type { Configuration, ListenerConfiguration } from './configuration.ts';
import { type ConfigurationPlace, findSource } from './find.ts';
import { choicesOf, isSchema, type JsonSchema, jsonSchema } from './json-schema.ts';
import { loadConfiguration } from './load.ts';
import { valueAt } from './mistakes.ts';

/** Stands for a secret. */
export const masked = '********';

/** Options of the administrator's own checks are unknown here; these would be secrets. */
const secretName = /passw|secret|token|credential|api[-_]?key/i;

/**
 * A configuration with its defaults: as it was written, units included, names of files absolute, secrets masked.
 *
 * @throws {ConfigurationError} with every mistake that was found
 */
export function describeConfiguration(place: ConfigurationPlace): unknown {
  // A pipe can be read once only.
  const found = findSource(place);
  const configuration = loadConfiguration(place, found);
  const { source, directory, zoneDirectory } = found;
  const given = withComputed(source.value, configuration);
  const directoryOf = (path: string) => (path === 'dns.zone' ? zoneDirectory : directory);
  return filled(jsonSchema(), given, '', directoryOf);
}

/** The same as YAML, which loads again to the same configuration where no secret is masked. */
export function describeAsYaml(place: ConfigurationPlace): string {
  return stringify(escaped(describeConfiguration(place)), { lineWidth: 0 });
}

/** What has no default of its own, but follows from other keys or from the machine. */
function withComputed(value: unknown, { authservId, spool, listeners }: Configuration): unknown {
  const given = mappingOf(value);
  const listed = Array.isArray(given.listeners) ? given.listeners : [];
  return {
    authservId,
    ...given,
    spool: { directory: spool.directory, ...mappingOf(given.spool) },
    listeners: listeners.map((listener, i) => withListenerComputed(listed[i], listener)),
  };
}

function withListenerComputed(value: unknown, { authservId, limits }: ListenerConfiguration): unknown {
  const given = mappingOf(value);
  return {
    authservId,
    ...given,
    limits: { answer: formatTime(limits.answerMs), ...mappingOf(given.limits) },
  };
}

/** The value with the schema's defaults in it, in the schema's order; undefined where there is neither. */
function filled(
  schema: JsonSchema,
  value: unknown,
  path: string,
  directoryOf: (path: string) => string,
): unknown {
  const actual = value === undefined ? schema.default : value;
  if (actual === undefined) return undefined;
  const marks = choicesOf(schema).find((choice) => isOf(choice, actual)) ?? schema;
  if (marks.writeOnly === true) return masked;
  if (Array.isArray(actual)) {
    const { items } = marks;
    return actual.map((item: unknown) => (isSchema(items) ? filled(items, item, path, directoryOf) : item));
  }
  if (typeof actual === 'object') return filledMapping(marks, mappingOf(actual), path, directoryOf);
  if (marks.unit === 'bytes' && typeof actual === 'number') return formatSize(actual);
  return marks.file === true && typeof actual === 'string' ? resolve(directoryOf(path), actual) : actual;
}

function filledMapping(
  { properties, additionalProperties }: JsonSchema,
  value: Readonly<Record<string, unknown>>,
  path: string,
  directoryOf: (path: string) => string,
): unknown {
  // Only the options of checks of one's own have no schema.
  if (!properties && !isDescribed(additionalProperties)) return withoutSecrets(value);
  const known = Object.keys(properties ?? {});
  const keys = [...known, ...Object.keys(value).filter((key) => !known.includes(key))];
  const entries = keys.flatMap((key): [string, unknown][] => {
    const schema = properties?.[key] ?? additionalProperties;
    const inner = path === '' ? key : `${path}.${key}`;
    const filledValue = isSchema(schema) ? filled(schema, value[key], inner, directoryOf) : value[key];
    return filledValue === undefined ? [] : [[key, filledValue]];
  });
  return Object.fromEntries(entries);
}

function isDescribed(schema: unknown): boolean {
  return isSchema(schema) && Object.keys(schema).length > 0;
}

function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, secretName.test(key) ? masked : withoutSecrets(inner)]),
  );
}

/** Whether a value that was found to be good is of this choice. */
function isOf({ type, const: only, enum: words }: JsonSchema, value: unknown): boolean {
  if (only !== undefined) return only === value;
  if (words !== undefined) return words.some((word) => word === value);
  if (Array.isArray(value)) return type === 'array';
  if (typeof value === 'object') return type === 'object';
  return typeof value === 'number' ? type === 'number' || type === 'integer' : type === typeof value;
}

/** What would be a reference to the environment when it is read again. */
function escaped(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/\$(?=[${])/g, '$$$$');
  if (Array.isArray(value)) return value.map(escaped);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, escaped(inner)]));
}

function mappingOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.keys(value).map((key) => [key, valueAt(value, key)]));
}
