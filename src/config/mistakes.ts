// What is wrong in a configuration, said so that its reader can put it right.
import { z } from 'zod';
import { didYouMean } from './suggest.ts';

/** A configuration that cannot be used. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  /** One line for each mistake: where, which key, what is wrong, what is expected. */
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'));
    this.mistakes = mistakes;
  }
}

/** A mistake before its place in a file, or its variable, is known. */
export interface Mistake {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/**
 * The text of a mistake: what is wrong, and what is expected instead.
 *
 * @param value what was found; undefined when the key is missing
 * @param noun what it should have been, with its article, such as `a time`
 * @param form what such a thing looks like
 */
export function wrong(value: unknown, noun: string, form: string = noun): string {
  if (value === undefined) return `missing; expected ${form}`;
  if (value === null) return `is empty; expected ${form}`;
  return noun === form
    ? `${show(value)} is not possible here; expected ${form}`
    : `${show(value)} is not ${noun}; expected ${form}`;
}

/** A value in one short line of printable characters, whatever a file or a variable held. */
export function show(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return value.length > 0 ? 'a list' : 'an empty list';
  if (typeof value === 'object') return 'a mapping';
  const text = JSON.stringify(value) ?? String(value);
  return printable(text.length > 80 ? `${text.slice(0, 76)}..."` : text);
}

/** One line stays one line, also with a library's text in it. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}

const nouns: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/** Stands for the text of a choice that has none of its own; its branches say it. */
const unsaid = 'none of the choices';

/** With more unknown keys it is another kind of file, and to compare each with all that there are takes long. */
const mostSuggestions = 100;

/** Says in our words what zod found; a field's own text comes before this one. */
export function sayIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type': {
      const noun = nouns[issue.expected] ?? issue.expected;
      return wrong(issue.input, noun);
    }
    case 'invalid_value': {
      const values = issue.values.map((value) => String(value));
      const form = values.length === 1 ? `${values[0]}` : `one of ${values.join(', ')}`;
      return `${wrong(issue.input, form)}${didYouMean(issue.input, values)}`;
    }
    case 'unrecognized_keys': {
      const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
      const text = `unknown key; expected ${known.length > 0 ? `one of ${known.join(', ')}` : 'none here'}`;
      const hint = (key: string) => (issue.keys.length > mostSuggestions ? '' : didYouMean(key, known));
      return issue.keys.map((key) => `${text}${hint(key)}`).join('\n');
    }
    case 'too_small':
      return issue.origin === 'array'
        ? `too few entries; expected at least ${issue.minimum}`
        : `${show(issue.input)} is too small; expected at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'array'
        ? `too many entries; expected at most ${issue.maximum}`
        : `${show(issue.input)} is too large; expected at most ${issue.maximum}`;
    case 'invalid_union':
      return unsaid;
    default:
      return undefined;
  }
}

/** The mistakes in what zod found: one for each unknown key, and for a choice those of the likeliest branch. */
export function mistakesOf(issues: readonly z.core.$ZodIssue[]): Mistake[] {
  return issues.flatMap((issue): Mistake[] => {
    if (issue.code === 'unrecognized_keys') {
      // What we say has a line for each of them.
      const lines = issue.message.split('\n');
      return issue.keys.map((key, i) => ({
        path: [...issue.path, key],
        text: printable(lines[i] ?? issue.message),
      }));
    }
    if (issue.code === 'invalid_union') return unionMistakes(issue);
    return [{ path: issue.path, text: saidOf(issue) }];
  });
}

/** The rooms that own a part of the schema say only what they expect. */
function saidOf({ message }: z.core.$ZodIssue): string {
  const text = printable(message);
  return text.startsWith('expected ') ? `not possible here; ${text}` : text;
}

function unionMistakes(issue: z.core.$ZodIssueInvalidUnion): Mistake[] {
  const branches: Mistake[][] = issue.errors.map((inner) => mistakesOf(inner));
  // The branch that got as far as looking inside the value is the one that was meant.
  const meant = branches.find((mistakes) => mistakes.some((mistake) => mistake.path.length > 0));
  if (meant) return meant.map(({ path, text }) => ({ path: [...issue.path, ...path], text }));
  if (issue.message !== unsaid) return [{ path: issue.path, text: saidOf(issue) }];
  const [first = '', ...others] = branches.flatMap((mistakes) => mistakes.map((mistake) => mistake.text));
  if (first === '') return [{ path: issue.path, text: saidOf(issue) }];
  const [text, meantWord] = splitSuggestion(first);
  const expected = others.map((other) => splitSuggestion(other)[0].replace(/^.*; expected /, ''));
  return [{ path: issue.path, text: `${[text, ...new Set(expected)].join(' or ')}${meantWord}` }];
}

/** A text of ours, and the word at its end that was probably meant. */
function splitSuggestion(text: string): readonly [string, string] {
  const at = text.lastIndexOf('; did you mean ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at)];
}

/** A key as it is written in a mistake and in the documents: `listeners[0].pool.size`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => {
      if (typeof key === 'number') return `[${key}]`;
      // A key may hold anything that YAML can quote.
      const name = /^[\w.-]+$/.test(String(key)) ? String(key) : show(String(key));
      return i === 0 ? name : `.${name}`;
    })
    .join('');
}

/** What a value that is not checked yet lists, if it is a list at all. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** What a value that is not checked yet holds under a key, if it is a mapping at all. */
export function valueAt(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}
