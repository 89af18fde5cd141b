// The file of rules that the configuration names: read with it, and again when it changes.
import { resolve } from 'node:path';
import type { RuleSource } from '../policy/rule-file.ts';
import { type Rule, rulesSchema } from '../policy/rule-schema.ts';
import { ConfigurationError, type Mistake, mistakesOf, sayIssue, show, valueAt } from './mistakes.ts';
import { parseYaml, readText, readTextLater, reasonOf } from './source.ts';

/** A file of rules as it was read with the configuration. */
export interface RuleFileConfiguration {
  readonly path: string;
  readonly text: string;
  readonly rules: readonly Rule[];
}

/**
 * Reads the file of rules that the configuration names, also when other keys are wrong: all mistakes at once.
 *
 * @param value the configuration before it is checked
 * @param mistakes are added to
 */
export function readRuleFile(
  value: unknown,
  directory: string,
  mistakes: string[],
): RuleFileConfiguration | undefined {
  const file = valueAt(valueAt(value, 'policy'), 'rulesFile');
  if (typeof file !== 'string' || file === '') return undefined;
  const path = resolve(directory, file);
  try {
    const text = readText(path);
    return { path, text, rules: parseRules(path, text, listenerNames(value)) };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    mistakes.push(...error.mistakes);
    return undefined;
  }
}

/** The file of rules as the policy follows it. */
export function ruleSource(file: RuleFileConfiguration, listeners: readonly string[]): RuleSource {
  return {
    ...file,
    read: (signal) => readTextLater(file.path, signal),
    parse: (text) => {
      try {
        return parseRules(file.path, text, listeners);
      } catch (error) {
        if (error instanceof ConfigurationError) return { mistakes: error.mistakes };
        // Nobody would look at the file again: what the parser itself could not bear is a mistake like others.
        return { mistakes: [`${file.path}: cannot be read: ${reasonOf(error)}; expected a list of rules`] };
      }
    },
  };
}

/** @throws {ConfigurationError} with every mistake */
function parseRules(path: string, text: string, listeners: readonly string[]): readonly Rule[] {
  const source = parseYaml(path, text);
  // All of them commented out: no rules.
  const parsed = rulesSchema.safeParse(source.value ?? [], { error: sayIssue });
  const mistakes = [
    ...(parsed.success ? [] : mistakesOf(parsed.error.issues)),
    ...unknownListeners(source.value, listeners),
  ];
  if (parsed.success && mistakes.length === 0) return parsed.data;
  throw new ConfigurationError(
    mistakes
      .sort((one, other) => source.line(one.path) - source.line(other.path))
      .map((mistake) => `${source.place(mistake.path)}: ${mistake.text}`),
  );
}

/** Names of listeners in a configuration that is not checked yet. */
export function listenerNames(value: unknown): readonly string[] {
  const listeners = valueAt(value, 'listeners');
  return (Array.isArray(listeners) ? listeners : [])
    .map((listener: unknown) => valueAt(listener, 'name'))
    .filter((name) => typeof name === 'string');
}

/**
 * A rule for a listener that there is not would never apply.
 *
 * @param rules before they are checked
 */
export function unknownListeners(rules: unknown, listeners: readonly string[]): Mistake[] {
  return (Array.isArray(rules) ? rules : []).flatMap((rule: unknown, i): Mistake[] => {
    const listener = valueAt(valueAt(rule, 'when'), 'listener');
    const names: unknown[] = Array.isArray(listener) ? listener : [listener];
    return names.flatMap((name, k): Mistake[] => {
      if (typeof name !== 'string' || name === '' || listeners.includes(name)) return [];
      const path = [i, 'when', 'listener', ...(Array.isArray(listener) ? [k] : [])];
      return [{ path, text: `${show(name)} is no listener; expected one of ${listeners.join(', ')}` }];
    });
  });
}
