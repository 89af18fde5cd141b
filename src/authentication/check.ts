// The shape of a check: a name, a schema of options, and a function for each stage it takes part in.
import type { z } from 'zod';
import type { ResolveFunction } from '../dns/resolver.ts';
import type { Verification } from './mailauth.ts';
import type { Result } from './result.ts';

/** Whose message is judged; what is unknown (XFORWARD's [UNAVAILABLE]) is undefined. */
export interface Client {
  readonly ip?: string;
  /** Its name as the upstream found it; the checks find out their own. */
  readonly name?: string;
  /** What it said in HELO or EHLO. */
  readonly helo?: string;
}

/**
 * What a check may have nothing to say about: `own`, clients on local or trusted networks, and
 * `unknown`, those whose address is not known.
 */
export type ClientClass = 'own' | 'unknown';

/** Stage `connect`: the client is known. */
export interface ConnectContext {
  readonly client: Client;
  /** Our own name, for texts and for the macro `%{r}` of SPF. */
  readonly hostname: string;
  /** Asks for names, within the time that the transaction has for it. */
  readonly resolve: ResolveFunction;
  /** Aborted when nobody waits for the result any more. */
  readonly signal: AbortSignal;
  now(): Date;
}

/** Stage `mail`: so is the envelope sender. */
export interface MailContext extends ConnectContext {
  /** Without angle brackets, as Unicode; '' for the null reverse-path `<>`. */
  readonly reversePath: string;
}

/** Stage `message`: the first byte has come; `verification` is there when the last one has. */
export interface MessageContext extends MailContext {
  readonly verification: Promise<Verification>;
}

/** Stage `verdict`: all earlier stages are over, and the results of all checks are there. */
export interface VerdictContext extends MessageContext {
  readonly results: readonly Result[];
}

/** What a stage gives: usually one result, for DKIM one for each signature. */
export type Findings = Promise<readonly Result[]>;

/**
 * One authentication method. Stages follow the transaction, so that work begins as early as it
 * can; the checks of one stage run side by side. A stage that throws, or is still at work when the
 * time is over, is a `temperror` of the check, and nothing worse.
 *
 * @example
 * export const example: Check<{ zone: string }> = {
 *   name: 'dnswl',
 *   schema: z.strictObject({ zone: z.string() }),
 *   skippedFor: ['own', 'unknown'],
 *   async connect({ client, resolve }, { zone }) {
 *     return [{ method: 'dnswl', value: 'none', properties: [] }];
 *   },
 * };
 */
export interface Check<Options> {
  /** The key in the configuration, and the method of its results. */
  readonly name: string;
  readonly schema: z.ZodType<Options>;
  /** Whose messages it says nothing about. */
  readonly skippedFor: readonly ClientClass[];
  connect?(context: ConnectContext, options: Options): Findings;
  mail?(context: MailContext, options: Options): Findings;
  message?(context: MessageContext, options: Options): Findings;
  verdict?(context: VerdictContext, options: Options): Findings;
}
