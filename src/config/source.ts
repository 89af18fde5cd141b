// Where a configuration's values come from: a YAML file with its lines, or variables of the environment.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml';
import { interpolate } from './interpolate.ts';
import { ConfigurationError, formatPath, type Mistake, printable } from './mistakes.ts';

/** The values of a configuration before they are checked, and where each of them was found. */
export interface Source {
  readonly value: unknown;
  /** The beginning of a mistake's line, such as `postern.yaml:12: listeners[0].mode`. */
  place(path: readonly PropertyKey[]): string;
  /** The line in the file, to put mistakes in order; 0 for a variable. */
  line(path: readonly PropertyKey[]): number;
  /** References to the environment that lead nowhere; their values stand as they were written. */
  readonly unresolved?: readonly Mistake[];
}

/** A configuration whose names of files are followed. */
export interface Following {
  readonly source: Source;
  /** Mistakes are added here. */
  readonly mistakes: string[];
  /** Names of files are relative to it. */
  readonly directory: string;
}

/** No configuration is larger; a file that is was named by mistake. */
const maxFileBytes = 16 * 2 ** 20;

/**
 * Reads a YAML file.
 *
 * @param file its name, as it is to appear in mistakes
 * @param environment what `${NAME}` in its values stands for; without it, for itself
 * @throws {ConfigurationError} when it cannot be read, or is not YAML
 */
export function readYaml(file: string, environment?: NodeJS.ProcessEnv): Source {
  return parseYaml(file, readText(file), environment);
}

/**
 * Reads the text of a YAML file.
 *
 * @param environment what `${NAME}` in its values stands for; without it, for itself
 * @throws {ConfigurationError} when it is not YAML
 */
export function parseYaml(file: string, text: string, environment?: NodeJS.ProcessEnv): Source {
  const lines = new LineCounter();
  // What the parser warns of is told as mistakes: to standard error it shall not write by itself. Looking for
  // keys that are there twice, it compares each with all before it: a zone of 8000 names took 17 seconds.
  const document = readable(file, () =>
    parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error', uniqueKeys: false }),
  );
  const lineOf = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const aliases = new Map<Alias, Node>();
  const problems = [
    ...document.errors,
    ...document.warnings,
    ...repeatedKeys(document),
    ...unresolvedAliases(document, aliases),
  ].sort((one, other) => one.pos[0] - other.pos[0]);
  if (problems.length > 0) {
    throw new ConfigurationError(
      problems.map(
        ({ pos, message }) =>
          `${file}:${lineOf(pos[0])}: ${printable(shortened(said(message)))}; expected YAML`,
      ),
    );
  }
  const unresolved = environment ? interpolate(document, environment) : [];
  const pairs = new Map<YAMLMap, ReadonlyMap<string, Pair>>();
  const line = (path: readonly PropertyKey[]) =>
    lineOf(findOffset(document.contents, path, { resolve, find }));
  return {
    value: readable(file, () => document.toJS()),
    place: (path) => `${file}:${line(path)}${path.length > 0 ? `: ${formatPath(path)}` : ''}`,
    line,
    unresolved,
  };

  function resolve(node: unknown): unknown {
    return isAlias(node) ? aliases.get(node) : node;
  }

  function find(map: YAMLMap, key: string): Pair | undefined {
    const known = pairs.get(map) ?? pairsOf(map);
    pairs.set(map, known);
    return known.get(key);
  }
}

/** A text of a file, or the mistake that says why there is none. */
export function readText(file: string): string {
  try {
    return decode(readFileSync(file));
  } catch (error) {
    throw unreadable(file, error);
  }
}

/**
 * A text of a file that the configuration names; why there is none is added to the mistakes.
 *
 * @param path of the key that names it
 */
export function readNamed(
  file: string,
  path: readonly PropertyKey[],
  { source, mistakes, directory }: Following,
): string | undefined {
  try {
    return readText(resolvePath(directory, file));
  } catch (error) {
    mistakes.push(`${source.place(path)}: ${reasonOf(error)}`);
    return undefined;
  }
}

/**
 * The same while mail goes on being passed.
 *
 * @param signal whoever aborts it waits no more
 */
export async function readTextLater(file: string, signal: AbortSignal): Promise<string> {
  try {
    return decode(await readFile(file, { signal }));
  } catch (error) {
    throw unreadable(file, error);
  }
}

function decode(bytes: Uint8Array): string {
  if (bytes.length > maxFileBytes) throw new Error(`has more than ${maxFileBytes} bytes`);
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

function unreadable(file: string, error: unknown): ConfigurationError {
  return new ConfigurationError([`${file}: cannot be read: ${reasonOf(error)}; expected a readable file`]);
}

/** A mistake that the parser lets pass, as it tells its own. */
interface Problem {
  readonly pos: readonly [number];
  readonly message: string;
}

/** Keys that are in their mapping already. */
function repeatedKeys(document: Document): Problem[] {
  const found: Problem[] = [];
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) found.push({ pos: [startOf(key) ?? 0], message: 'Map keys must be unique' });
        seen.add(key.value);
      }
    },
  });
  return found;
}

/**
 * Aliases of no anchor.
 *
 * @param resolved takes the others: each with the last node before it that has its anchor
 */
function unresolvedAliases(document: Document, resolved: Map<Alias, Node>): Problem[] {
  const found: Problem[] = [];
  const anchors = new Map<string, Node>();
  visit(document, {
    Node: (_, node) => {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
        return;
      }
      const target = anchors.get(node.source);
      if (target) resolved.set(node, target);
      else found.push({ pos: [startOf(node) ?? 0], message: `*${node.source} stands for nothing` });
    },
  });
  return found;
}

/** What the parser throws in place of telling it: values nested too deeply, aliases that multiply beyond measure. */
function readable<Value>(file: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    const reason = error instanceof RangeError ? 'nested too deeply' : reasonOf(error);
    throw new ConfigurationError([`${file}:1: ${reason}; expected YAML`]);
  }
}

/** How a path is followed through a document. */
interface Finding {
  /** What an alias stands for; any other node as it is. */
  resolve(node: unknown): unknown;
  find(map: YAMLMap, key: string): Pair | undefined;
}

/** By their keys: where thousands have mistakes, to look through all for each would take minutes. */
function pairsOf({ items }: YAMLMap): ReadonlyMap<string, Pair> {
  return new Map(items.flatMap((pair) => (isScalar(pair.key) ? [[String(pair.key.value), pair]] : [])));
}

/** The offset of the key or list item that a path leads to, or of the nearest one above it. */
function findOffset(root: unknown, path: readonly PropertyKey[], { resolve, find }: Finding): number {
  let node = resolve(root);
  let offset = startOf(node as Node | null) ?? 0;
  for (const key of path) {
    let next: unknown;
    if (isMap(node)) {
      const pair = find(node, String(key));
      if (!pair) return offset;
      offset = startOf(pair.key as Node) ?? offset;
      next = pair.value;
    } else if (isSeq(node)) {
      next = node.items[Number(key)];
      if (next === undefined) return offset;
      offset = startOf(next as Node) ?? offset;
    } else {
      return offset;
    }
    node = resolve(next);
  }
  return offset;
}

function startOf(node: Node | null): number | undefined {
  return node?.range?.[0];
}

/** Why something of the system failed, without a stack. */
export function reasonOf(error: unknown): string {
  return printable(shortened(error instanceof Error ? error.message : String(error)));
}

/** Of documents after the first, the parser says what to call in place of it. */
function said(message: string): string {
  return message.replace(/; please use .*$/s, '');
}

/** The parser repeats what it could not read, were it the whole file. */
function shortened(message: string): string {
  return message.length > 500 ? `${message.slice(0, 500)}...` : message;
}
