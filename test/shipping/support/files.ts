// Reading what is shipped: YAML of other programs, and configurations of ours inside of it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { Configuration } from '../../../src/config/configuration.ts';
import { loadConfiguration } from '../../../src/config/load.ts';

/** The root of the checkout. */
export const root = join(import.meta.dirname, '../../..');

/** A file's text. */
export const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

/** A file of one document, with the merge keys that compose files have. */
export function yamlOf<T>(path: string): T {
  return parse(textOf(path), { merge: true }) as T;
}

/** All documents of a file. */
export function yamlsOf<T>(path: string): readonly T[] {
  return parseAllDocuments(textOf(path)).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as T;
  });
}

/**
 * A configuration that stands in another machine's file system, with a token of its own.
 *
 * @throws {ConfigurationError}
 */
export function configurationOf(text: string): Configuration {
  const directory = mkdtempSync(join(tmpdir(), 'postern-shipping-'));
  try {
    writeFileSync(join(directory, 'token'), '0123456789abcdef0123456789abcdef\n');
    const file = join(directory, 'postern.yaml');
    writeFileSync(file, text.replace(/tokenFile: \S+token/, 'tokenFile: token'));
    return loadConfiguration({ file, environment: {} });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
