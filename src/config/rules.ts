// The file of rules that the configuration names: read with it, and again when it changes.
import { resolve } from 'node:path';
import { type CheckConfiguration, checksSchema } from '../authentication/checks.ts';
import type { RuleSource } from '../policy/rule-file.ts';
import { methodName, type Rule, rulesSchema } from '../policy/rule-schema.ts';
import { ConfigurationError, type Mistake, mistakesOf, sayIssue, show, valueAt } from './mistakes.ts';
import { type Following, parseYaml, readNamed, readTextLater, reasonOf } from './source.ts';
import { didYouMean } from './suggest.ts';

/** What there is that rules can ask about. */
export interface RuleSubjects {
  /** Names. */
  readonly listeners: readonly string[];
  /** Of results; undefined: checks of the administrator's own may give any. */
  readonly methods: readonly string[] | undefined;
}

/** A file of rules as it was read with the configuration. */
export interface RuleFileConfiguration {
  readonly path: string;
  readonly text: string;
  readonly rules: readonly Rule[];
}

/**
 * Reads the file of rules that the configuration names, also when other keys are wrong: all mistakes at once.
 *
 * @param following mistakes are added to it
 */
export function readRuleFile(following: Following): RuleFileConfiguration | undefined {
  const {
    source: { value },
    mistakes,
    directory,
  } = following;
  const file = valueAt(valueAt(value, 'policy'), 'rulesFile');
  if (typeof file !== 'string' || file === '') return undefined;
  const path = resolve(directory, file);
  const text = readNamed(path, ['policy', 'rulesFile'], following);
  if (text === undefined) return undefined;
  try {
    return { path, text, rules: parseRules(path, text, ruleSubjects(value)) };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    mistakes.push(...error.mistakes);
    return undefined;
  }
}

/** The file of rules as the policy follows it. */
export function ruleSource(file: RuleFileConfiguration, subjects: RuleSubjects): RuleSource {
  return {
    ...file,
    read: (signal) => readTextLater(file.path, signal),
    parse: (text) => {
      try {
        return parseRules(file.path, text, subjects);
      } catch (error) {
        if (error instanceof ConfigurationError) return { mistakes: error.mistakes };
        // Nobody would look at the file again: what the parser itself could not bear is a mistake like others.
        return { mistakes: [`${file.path}: cannot be read: ${reasonOf(error)}; expected a list of rules`] };
      }
    },
  };
}

/** @throws {ConfigurationError} with every mistake */
function parseRules(path: string, text: string, subjects: RuleSubjects): readonly Rule[] {
  const source = parseYaml(path, text);
  // All of them commented out: no rules.
  const parsed = rulesSchema.safeParse(source.value ?? [], { error: sayIssue });
  const mistakes = [
    ...(parsed.success ? [] : mistakesOf(parsed.error.issues)),
    ...unknownSubjects(source.value, subjects),
  ];
  if (parsed.success && mistakes.length === 0) return parsed.data;
  throw new ConfigurationError(
    mistakes
      .sort((one, other) => source.line(one.path) - source.line(other.path))
      .map((mistake) => `${source.place(mistake.path)}: ${mistake.text}`),
  );
}

/** What rules can ask about in a configuration that is not checked yet. */
export function ruleSubjects(value: unknown): RuleSubjects {
  const listeners = valueAt(value, 'listeners');
  const names = (Array.isArray(listeners) ? listeners : [])
    .map((listener: unknown) => valueAt(listener, 'name'))
    .filter((name) => typeof name === 'string');
  // What is not well written is the schema's to complain about.
  const { data } = checksSchema.safeParse(valueAt(value, 'checks') ?? {});
  return { listeners: names, methods: data && methodsOf(data) };
}

/** @returns the methods of all results that the checks can give; undefined: nobody knows */
export function methodsOf({ custom, ...builtIn }: CheckConfiguration): readonly string[] | undefined {
  if (custom.length > 0) return undefined;
  return Object.entries(builtIn).flatMap(([name, options]) => (options === false ? [] : [name]));
}

/**
 * A rule for a listener that there is not, or for results that no check gives, would never apply.
 *
 * @param rules before they are checked
 */
export function unknownSubjects(rules: unknown, { listeners, methods }: RuleSubjects): Mistake[] {
  return [...unknownListeners(rules, listeners), ...(methods ? silentMethods(rules, methods) : [])];
}

function silentMethods(rules: unknown, methods: readonly string[]): Mistake[] {
  return (Array.isArray(rules) ? rules : []).flatMap((rule: unknown, i): Mistake[] => {
    const results = valueAt(valueAt(rule, 'when'), 'results');
    const asked = typeof results === 'object' && results !== null ? Object.keys(results) : [];
    return asked
      .filter((name) => methodName.safeParse(name).success && !methods.includes(name.toLowerCase()))
      .map((name) => ({
        path: [i, 'when', 'results', name],
        text: `no check that is switched on gives such results; expected one of ${methods.join(', ')}${didYouMean(name, methods)}`,
      }));
  });
}

function unknownListeners(rules: unknown, listeners: readonly string[]): Mistake[] {
  return (Array.isArray(rules) ? rules : []).flatMap((rule: unknown, i): Mistake[] => {
    const listener = valueAt(valueAt(rule, 'when'), 'listener');
    const names: unknown[] = Array.isArray(listener) ? listener : [listener];
    return names.flatMap((name, k): Mistake[] => {
      if (typeof name !== 'string' || name === '' || listeners.includes(name)) return [];
      const path = [i, 'when', 'listener', ...(Array.isArray(listener) ? [k] : [])];
      return [
        {
          path,
          text: `${show(name)} is no listener; expected one of ${listeners.join(', ')}${didYouMean(name, listeners)}`,
        },
      ];
    });
  });
}
