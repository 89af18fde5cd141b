// Checks of the administrator's own: modules that export the shape of a check, looked at before they are believed.
import { createRequire } from 'node:module';
import { z } from 'zod';
import type { Check, ClientClass, Finding, Stages } from './check.ts';
import type { ConfiguredCheck } from './checks.ts';
import { fieldName as fieldNamePattern } from './header/fields.ts';
import { toValue } from './result.ts';

/**
 * What a module exports as `default` (ES module) or as `module.exports`: a check whose schema and
 * `skippedFor` may be left out. Without a schema it has no options, without `skippedFor` it looks at
 * everybody's mail.
 *
 * @example
 * export default {
 *   name: 'x-night',
 *   connect({ now }) {
 *     const night = now().getUTCHours() < 6;
 *     return [{ method: 'x-night', value: night ? 'pass' : 'none', properties: [] }];
 *   },
 * };
 */
export interface CustomCheck<Options = unknown>
  extends Omit<Check<Options>, 'schema' | 'skippedFor' | 'ownFields'> {
  /** Given our zod, so that a module needs no packages of its own. */
  readonly schema?: z.ZodType<Options> | ((zod: typeof z) => z.ZodType<Options>);
  readonly skippedFor?: readonly ClientClass[];
  /** Names of fields that nobody else may write: those that a message brings along are removed. */
  readonly ownFields?: readonly string[];
}

const stageNames = [
  'connect',
  'helo',
  'mail',
  'rcpt',
  'header',
  'endOfHeaders',
  'body',
  'endOfMessage',
] as const satisfies readonly (keyof Stages)[];

/** The name is a method of RFC 8601 and a key of logs. */
const checkName = z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?$/, {
  error: 'expected letters, digits and hyphens, at most 40',
});

const fieldName = z.string().regex(fieldNamePattern, { error: 'expected the name of a header field' });

const stageFunction = z.custom<(context: unknown, options: unknown) => unknown>(
  (value) => typeof value === 'function',
  { error: 'expected a function' },
);

const moduleSchema = z.strictObject(
  {
    name: checkName,
    schema: z
      .union([
        z.custom<z.ZodType>((value) => value instanceof Object && 'safeParse' in value),
        z.custom<(zod: typeof z) => z.ZodType>((value) => typeof value === 'function'),
      ])
      .optional(),
    ownFields: z.array(fieldName).optional(),
    skippedFor: z.array(z.enum(['authenticated', 'trusted', 'local', 'unknown', 'stranger'])).prefault([]),
    ...(Object.fromEntries(stageNames.map((stage) => [stage, stageFunction.optional()])) as Record<
      (typeof stageNames)[number],
      z.ZodOptional<typeof stageFunction>
    >),
  },
  {
    error: ({ code }) =>
      code === 'invalid_type'
        ? 'expected an object as its default export, of a class an instance'
        : undefined,
  },
);

const text = z.string().max(10_000);

/** What a stage gives, as it comes from code that no compiler has seen. */
const foundSchema = z
  .strictObject({
    results: z
      .array(
        z.strictObject({
          method: checkName,
          value: z.string().transform(toValue),
          reason: text.optional(),
          comment: text.optional(),
          properties: z
            .array(z.strictObject({ ptype: text, property: text, value: text, comment: text.optional() }))
            .prefault([]),
        }),
      )
      .max(100)
      .optional(),
    fields: z
      .array(z.strictObject({ name: fieldName, value: text }))
      .max(100)
      .optional(),
    disposition: z
      .strictObject({
        kind: z.enum(['accept', 'quarantine', 'reject', 'tempfail', 'discard']),
        reason: text,
        code: z.int().min(400).max(599).optional(),
        enhancedCode: z.string().optional(),
        text: text.optional(),
      })
      .optional(),
  })
  .optional();

/** Which module, with which options. */
export interface CustomEntry {
  /** Absolute path. */
  readonly module: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly hideNone: boolean;
  readonly header: string;
}

/** What is wrong with a module or its options, each mistake with the keys it is about. */
export class CustomCheckError extends Error {
  override readonly name = 'CustomCheckError';
  /** Empty keys: the module itself. */
  readonly mistakes: readonly { readonly keys: readonly PropertyKey[]; readonly text: string }[];

  constructor(mistakes: CustomCheckError['mistakes']) {
    super(mistakes.map(({ text: what }) => what).join('; '));
    this.mistakes = mistakes;
  }
}

const require = createRequire(import.meta.url);

/**
 * Loads a module.
 *
 * @throws {CustomCheckError} when it is none, when it does not export a check, or does not take the options
 */
export function loadCustomCheck(entry: CustomEntry): ConfiguredCheck {
  const exported = importModule(entry.module);
  const parsed = moduleSchema.safeParse(exported);
  if (!parsed.success) {
    throw new CustomCheckError(
      parsed.error.issues.map(({ path, message }) => ({
        keys: [],
        text: `does not export a check: ${[...path, message].join(': ')}`,
      })),
    );
  }
  const { name, skippedFor, schema, ownFields, ...stages } = parsed.data;
  const functions = stageNames.flatMap((stage) => {
    const work = stages[stage];
    return work === undefined ? [] : [[stage, work] as const];
  });
  if (functions.length === 0) {
    const text = `does not export a check: expected a function for at least one of ${stageNames.join(', ')}`;
    throw new CustomCheckError([{ keys: [], text }]);
  }
  const options = readOptions(schema, entry.options);
  return {
    name,
    skippedFor,
    hideNone: entry.hideNone,
    header: entry.header,
    proposes: true,
    ...(ownFields && { ownFields }),
    stages: Object.fromEntries(
      functions.map(([stage, work]) => [
        stage,
        async (context: Stages[typeof stage]) =>
          toFinding(await work.call(exported, copyOf(context), options)),
      ]),
    ),
  };
}

function importModule(path: string): unknown {
  const exported = requireModule(path);
  if (typeof exported !== 'object' || exported === null) return exported;
  if ('default' in exported) return exported.default;
  // A module whose check has some other name is not one itself.
  return 'name' in exported ? exported : undefined;
}

function requireModule(path: string): unknown {
  try {
    return require(path);
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error);
    throw new CustomCheckError([{ keys: [], text: `cannot be loaded: ${reason}` }]);
  }
}

function readOptions(schema: ModuleSchema, options: CustomEntry['options']): unknown {
  const parsed = parseOptions(schema, options);
  if (parsed.success) return parsed.data;
  throw new CustomCheckError(
    parsed.error.issues.map(({ path, message }) => ({
      keys: ['options', ...path],
      text: message,
    })),
  );
}

type ModuleSchema = z.output<typeof moduleSchema>['schema'];

/** A schema is code of the module: it may throw, be asynchronous, or make no schema. */
function parseOptions(schema: ModuleSchema, options: CustomEntry['options']): z.ZodSafeParseResult<unknown> {
  try {
    const made = typeof schema === 'function' ? schema(z) : schema;
    return (made ?? z.strictObject({})).safeParse(options);
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error);
    throw new CustomCheckError([{ keys: [], text: `its schema cannot be used: ${reason}` }]);
  }
}

/**
 * What a module is told is its own: `reverse()` or `fill()` must change neither the message nor what others are told.
 * Functions, `notes` and `verification` are no plain data, and everybody's.
 */
function copyOf(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(copyOf);
  if (typeof value !== 'object' || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copyOf(each)]));
}

/** @throws {Error} for what is no finding; that is the check's failure, and reported as such */
function toFinding(value: unknown): Finding | undefined {
  const parsed = foundSchema.safeParse(Array.isArray(value) ? { results: value } : value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TypeError(`its answer is no finding: ${[...(issue?.path ?? []), issue?.message].join(': ')}`);
  }
  // A key whose value is undefined is read like an absent one wherever findings are read.
  return parsed.data as Finding | undefined;
}
