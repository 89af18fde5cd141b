// The shape of a check: a name, a schema of options, and a function for each stage it takes part in.
import type { z } from 'zod';
import type { MailExchange } from '../dns/zone.ts';
import type { UpstreamReceived } from './client/upstream-received.ts';
import type { Verification } from './mailauth.ts';
import type { Result } from './result.ts';
import type { Client, ClientClass, HeaderField } from './subject.ts';

export type { ResolveFunction } from '../dns/resolver.ts';
export type { MailExchange } from '../dns/zone.ts';
export type { Property, Result, ResultValue } from './result.ts';
export type { Client, ClientClass, HeaderField } from './subject.ts';

/** What checks leave for each other in one transaction; keys begin with the check's name. */
export type Notes = Map<string, unknown>;

/**
 * Asks for names, like `dns.promises.resolve`.
 *
 * @throws {Error} with `code` ENOTFOUND, ENODATA, ESERVFAIL, ETIMEOUT, EREFUSED, EBADNAME...
 */
export interface Resolve {
  (name: string, type: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR'): Promise<string[]>;
  /** The texts of each record. */
  (name: string, type: 'TXT'): Promise<string[][]>;
  (name: string, type: 'MX'): Promise<MailExchange[]>;
  (name: string, type: string): Promise<string[] | string[][] | MailExchange[]>;
}

/** Stages `connect` and `helo`: the client is known, and what it called itself. */
export interface ConnectContext {
  readonly client: Client;
  /** Our own name, for texts and for the macro `%{r}` of SPF. */
  readonly hostname: string;
  /** Name of the listener, as configured. */
  readonly listener: string;
  /** Asks for names, within the time that the transaction has for it. */
  readonly resolve: Resolve;
  /** Aborted when nobody waits for the result any more. */
  readonly signal: AbortSignal;
  readonly notes: Notes;
  now(): Date;
  /** Whether anybody reads what is explained: what only they want to know need not be found out otherwise. */
  readonly explained: boolean;
  /**
   * Keeps a fact for whoever asks why: a record found, a mechanism that matched.
   *
   * @param value plain data
   */
  explain(fact: string, value: unknown): void;
}

/** Stage `mail`: so is the envelope sender. */
export interface MailContext extends ConnectContext {
  /** Without angle brackets, as Unicode; '' for the null reverse-path `<>`. */
  readonly reversePath: string;
}

/** Stage `rcpt`: one more recipient is asked for. */
export interface RcptContext extends MailContext {
  /** Without angle brackets, as Unicode. */
  readonly recipient: string;
}

/** Stage `header`: one field of the header section, from the top downward. */
export interface HeaderContext extends MailContext {
  readonly field: HeaderField;
}

/** Stage `endOfHeaders`: the header section is complete. */
export interface EndOfHeadersContext extends MailContext {
  readonly clientClass: ClientClass;
  /** Those that the downstream accepted, as Unicode. */
  readonly recipients: readonly string[];
  readonly header: readonly HeaderField[];
  /** What the upstream wrote of how it got the message, where that is believed and found. */
  readonly received: UpstreamReceived | undefined;
  /** Signatures and author of the message; there when its last byte has come. */
  readonly verification: Promise<Verification>;
}

/** Stage `body`: the next bytes of the body, however they are cut. */
export interface BodyContext extends MailContext {
  readonly chunk: Buffer;
}

/** Stage `endOfMessage`: all has come, and the results of earlier stages and checks are there. */
export interface EndOfMessageContext extends EndOfHeadersContext {
  readonly results: readonly Result[];
}

/** What each stage is told. */
export interface Stages {
  readonly connect: ConnectContext;
  readonly helo: ConnectContext;
  readonly mail: MailContext;
  readonly rcpt: RcptContext;
  readonly header: HeaderContext;
  readonly endOfHeaders: EndOfHeadersContext;
  readonly body: BodyContext;
  readonly endOfMessage: EndOfMessageContext;
}

/** A field to add to the header; the value is Unicode text, made safe and folded where it is written. */
export interface AddedField {
  readonly name: string;
  readonly value: string;
}

/** What a check would do with the message; the policy has the last word. */
export interface Proposal {
  readonly kind: 'accept' | 'quarantine' | 'reject' | 'tempfail' | 'discard';
  /** For the log, and for X-Disposition-Quarantine. */
  readonly reason: string;
  /** Of the reply to a `reject` (5yz) or `tempfail` (4yz). Default: 550, 451. */
  readonly code?: number;
  /** Default: 5.7.1, 4.7.1. */
  readonly enhancedCode?: string;
  /** Default: the reason. */
  readonly text?: string;
}

/** All that a stage may give. */
export interface Finding {
  readonly results?: readonly Result[];
  readonly fields?: readonly AddedField[];
  readonly disposition?: Proposal;
}

/** What a stage gives: results alone, or with more; undefined for nothing (yet). */
export type Found = readonly Result[] | Finding | undefined;

/** Options that every check has. */
export interface CommonOptions {
  /** Keeps results of value `none` out of the header; they stay in the log. */
  readonly hideNone: boolean;
  /** Name of the field that the results go into. */
  readonly header: string;
}

type StageFunctions<Options> = {
  [Stage in keyof Stages]?: (context: Stages[Stage], options: Options) => Promise<Found> | Found;
};

/**
 * One authentication method. Stages follow the transaction, so that work begins as early as it
 * can; the checks of one stage run side by side, but for `endOfMessage`, where each comes after
 * those before it and reads their results. A stage that throws, or is still at work when the time
 * is over, is a `temperror` of the check, and nothing worse.
 *
 * @example
 * export const example: Check<{ zone: string }> = {
 *   name: 'dnswl',
 *   schema: z.strictObject({ zone: z.string() }),
 *   skippedFor: ['authenticated', 'local', 'trusted', 'unknown'],
 *   async connect({ client, resolve }, { zone }) {
 *     return [{ method: 'dnswl', value: 'none', properties: [] }];
 *   },
 * };
 */
export interface Check<Options> extends StageFunctions<Options> {
  /** The key in the configuration; results about the check itself have it as their method. */
  readonly name: string;
  readonly schema: z.ZodObject & z.ZodType<Options>;
  /** Whose messages it says nothing about. */
  readonly skippedFor: readonly ClientClass[];
  /** Names of fields that nobody else may write: those that a message brings along are removed. */
  readonly ownFields?: readonly string[] | ((options: Options) => readonly string[]);
}

/** `skippedFor` of checks that ask where a message comes from: they need a stranger's address. */
export const strangersOnly: readonly ClientClass[] = ['authenticated', 'trusted', 'local', 'unknown'];

/** `skippedFor` of checks about authors: nobody asks one's own people who they are. */
export const notForOwn: readonly ClientClass[] = ['authenticated', 'trusted', 'local'];
