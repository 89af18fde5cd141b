// The environment's variables: enough for a configuration without a file, and stronger than one.

import { formatPath } from './mistakes.ts';
import type { Source } from './source.ts';

/** One variable, the key it sets, and how its text becomes that key's value. */
interface Variable {
  readonly name: string;
  readonly path: readonly (string | number)[];
  readonly read: (text: string) => unknown;
  /** What may be a text or a mapping: the key of the mapping that the text stands for. */
  readonly short?: string;
}

const asText = (text: string): unknown => text;
const asList = (text: string): unknown => text.split(',').map((item) => item.trim());
const asNumberOrText = (text: string): unknown => (/^[0-9]{1,9}$/.test(text) ? Number(text) : text);
const asFalseOrText = (text: string): unknown => (text === 'false' ? false : text);

/** Those that say what a file's `listeners` say: used only without a file. */
const listenerVariables: readonly Variable[] = [
  { name: 'POSTERN_LISTEN', path: ['listeners', 0, 'listen'], read: asText },
  { name: 'POSTERN_MODE', path: ['listeners', 0, 'mode'], read: asText },
  {
    name: 'POSTERN_DESTINATION',
    path: ['listeners', 0, 'destinations'],
    read: asList,
  },
  { name: 'POSTERN_CLIENTS', path: ['listeners', 0, 'clients'], read: asList },
];

/** Those that stand for one key, with or without a file. */
const keyVariables: readonly Variable[] = [
  { name: 'POSTERN_HOSTNAME', path: ['hostname'], read: asText },
  { name: 'POSTERN_AUTHSERV_ID', path: ['authservId'], read: asText },
  { name: 'POSTERN_DNS_ZONE', path: ['dns', 'zone'], read: asText },
  { name: 'POSTERN_WORKERS', path: ['workers'], read: asNumberOrText },
  { name: 'POSTERN_HTTP', path: ['http'], read: asFalseOrText, short: 'listen' },
  { name: 'POSTERN_HTTP_TOKEN', path: ['http', 'token'], read: asText, short: 'listen' },
];

/** Whether the environment describes a listener, so that no file is looked for. */
export function describesListener(environment: NodeJS.ProcessEnv): boolean {
  return isSet(environment, 'POSTERN_LISTEN') || isSet(environment, 'POSTERN_DESTINATION');
}

/** The variables that are set and describe a listener, by name. */
export function listenerVariablesIn(environment: NodeJS.ProcessEnv): readonly string[] {
  return listenerVariables.map(({ name }) => name).filter((name) => isSet(environment, name));
}

/** An empty variable counts as absent: compose files and unit files cannot leave one out. */
function isSet(environment: NodeJS.ProcessEnv, name: string): boolean {
  return (environment[name] ?? '').trim() !== '';
}

/** The configuration that the environment describes. */
export function readEnvironment(environment: NodeJS.ProcessEnv): Source {
  const mode = environment.POSTERN_MODE?.trim() || 'after-queue';
  const value = { listeners: [{ name: 'environment', mode }] };
  return withVariables({ value, place: formatPath, line: () => 0 }, environment, [
    ...listenerVariables,
    ...keyVariables,
  ]);
}

/** A file's configuration with the keys that the environment sets instead. */
export function overrideFromEnvironment(file: Source, environment: NodeJS.ProcessEnv): Source {
  return withVariables(file, environment, keyVariables);
}

/** Whether the environment is where the zone file's name comes from. */
export function namesZone(environment: NodeJS.ProcessEnv): boolean {
  return isSet(environment, 'POSTERN_DNS_ZONE');
}

function withVariables(
  source: Source,
  environment: NodeJS.ProcessEnv,
  variables: readonly Variable[],
): Source {
  const set = variables.filter(({ name }) => isSet(environment, name));
  const value = set.reduce<unknown>(
    (target, { name, path, read, short }) =>
      withValue(target, path, read((environment[name] ?? '').trim()), short),
    source.value,
  );
  // Without a file, what is missing can only come from a variable.
  const named = variables.filter(
    (variable) => variables.length > keyVariables.length || set.includes(variable),
  );
  const variableOf = (path: readonly PropertyKey[]) => named.find((variable) => sets(variable, path));
  return {
    ...source,
    value,
    place: (path) => variableOf(path)?.name ?? source.place(path),
    line: (path) => (variableOf(path) ? 0 : source.line(path)),
  };
}

/** Whether the value at a path is, or is in, what a variable says. */
function sets({ path: own, short }: Variable, path: readonly PropertyKey[]): boolean {
  if (!own.every((key, i) => path[i] === key)) return false;
  return short === undefined || path.length === own.length || path[own.length] === short;
}

/** A copy of the target with one value at a path; what is no mapping on the way is left for the schema. */
function withValue(
  target: unknown,
  path: readonly (string | number)[],
  value: unknown,
  short: string | undefined,
): unknown {
  const [key, ...rest] = path;
  if (key === undefined) {
    const inside = short !== undefined && typeof value === 'string' && isMapping(target);
    return inside ? { ...target, [short]: value } : value;
  }
  if (Array.isArray(target)) {
    return target.map((item, i) => (i === key ? withValue(item, rest, value, short) : item));
  }
  if (target === null || target === undefined) return { [key]: withValue(undefined, rest, value, short) };
  const around = typeof target === 'string' && short !== undefined ? { [short]: target } : target;
  if (!isMapping(around)) return target;
  return { ...around, [key]: withValue(around[key], rest, value, short) };
}

function isMapping(value: unknown): value is Readonly<Record<string | number, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
