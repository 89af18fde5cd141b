// Where a configuration's values come from: a YAML file with its lines, or variables of the environment.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import {
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
  // What the parser warns of is told as mistakes: to standard error it shall not write by itself.
  const document = readable(file, () =>
    parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' }),
  );
  const lineOf = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const problems = [...document.errors, ...document.warnings, ...unresolvedAliases(document)];
  if (problems.length > 0) {
    throw new ConfigurationError(
      problems.map(
        ({ pos, message }) => `${file}:${lineOf(pos[0])}: ${printable(shortened(message))}; expected YAML`,
      ),
    );
  }
  const unresolved = environment ? interpolate(document, environment) : [];
  const line = (path: readonly PropertyKey[]) => lineOf(findOffset(document.contents, path, resolve));
  return {
    value: readable(file, () => document.toJS()),
    place: (path) => `${file}:${line(path)}${path.length > 0 ? `: ${formatPath(path)}` : ''}`,
    line,
    unresolved,
  };

  function resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(document) : node;
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

/** Aliases of no anchor, which the parser lets pass. */
function unresolvedAliases(document: Document): { pos: readonly [number]; message: string }[] {
  const found: { pos: readonly [number]; message: string }[] = [];
  visit(document, {
    Alias: (_, node) => {
      if (node.resolve(document) !== undefined) return;
      found.push({ pos: [startOf(node) ?? 0], message: `*${node.source} stands for nothing` });
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

/** The offset of the key or list item that a path leads to, or of the nearest one above it. */
function findOffset(
  root: unknown,
  path: readonly PropertyKey[],
  resolve: (node: unknown) => unknown,
): number {
  let node = resolve(root);
  let offset = startOf(node as Node | null) ?? 0;
  for (const key of path) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(
        (item: Pair) => isScalar(item.key) && String(item.key.value) === String(key),
      );
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

/** The parser repeats what it could not read, were it the whole file. */
function shortened(message: string): string {
  return message.length > 500 ? `${message.slice(0, 500)}...` : message;
}
