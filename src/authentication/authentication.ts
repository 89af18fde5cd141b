// The judgement of messages: who really sent them, and the header fields that say so.
import type { Resolver } from '../dns/resolver.ts';
import { toUnicode } from '../smtp/ascii.ts';
import { type Rewriting, type SealOptions, sealableMessage, sealMessage } from './arc/seal.ts';
import type { Client, ClientClass, HeaderField, Proposal } from './check.ts';
import { type CheckConfiguration, type ConfiguredCheck, configuredChecks } from './checks.ts';
import { Trust, type TrustOptions } from './client/trust.ts';
import type { Upstream } from './client/upstream-received.ts';
import type { CheckFindings } from './course.ts';
import { type DmarcOutcome, dmarcOutcome } from './dmarc/outcome.ts';
import { formatAddedField } from './header/fields.ts';
import { formatReceivedSpf } from './header/received-spf.ts';
import { Removal, type RemovalOptions } from './header/removal.ts';
import { formatAuthenticationResults } from './header/results-field.ts';
import type { Result } from './result.ts';
import { Run } from './run.ts';
import type { Explanation } from './story/explanation.ts';
import { clientInUnicode } from './subject.ts';

export type { Client, ClientClass, HeaderField, Proposal } from './check.ts';
export type { Upstream } from './client/upstream-received.ts';
export type { DmarcOutcome, DmarcPolicy } from './dmarc/outcome.ts';
export type { Explanation } from './story/explanation.ts';
export { clientInUnicode, clientOf } from './subject.ts';

/** How messages are judged, the same for all of a listener. */
export interface AuthenticationOptions {
  /** The name that our Authentication-Results bears (RFC 8601 §2.5). */
  readonly authservId: string;
  readonly hostname: string;
  /** Name of the listener. */
  readonly listener: string;
  readonly checks: CheckConfiguration;
  /** The administrator's own, after all others. */
  readonly customChecks: readonly ConfiguredCheck[];
  /** Who seals what goes on; absent: nobody. */
  readonly seal?: SealOptions;
  /** Whether Received-SPF is added too; default false. */
  readonly receivedSpf: boolean;
  readonly networks: TrustOptions;
  readonly removal: RemovalOptions;
  readonly resolver: Resolver;
  /** Whether each outcome tells the whole story. */
  readonly explain: boolean;
  /**
   * A check threw, and its result is `temperror`; or (`arc`) the message could not be sealed.
   *
   * @param transaction as its subject has it
   */
  report(error: unknown, check: string, transaction: string | undefined): void;
  readonly clock?: () => Date;
}

/** Whose transaction begins. */
export interface Subject {
  /** Its id, for reports; absent: a message that came by itself. */
  readonly transaction?: string;
  readonly client: Client;
  /** Whether MAIL had that parameter, so that UTF-8 is allowed in the header. */
  readonly smtputf8: boolean;
  /** Who hands it over; absent: its Received fields are not believed. */
  readonly upstream?: Upstream;
}

/** What was found, and what it means for the header. */
export interface Outcome {
  readonly results: readonly Result[];
  /** Complete fields to add, newest (top) first: latin1 strings, folded, each ends with CRLF. */
  readonly fields: readonly string[];
  /** Whether an ARC set is among them. */
  readonly sealed: boolean;
  /** The client as the checks saw it. */
  readonly client: Client;
  readonly clientClass: ClientClass;
  /** Whether it came through a mailing list. */
  readonly listMail: boolean;
  /** What checks would do with the message, in their order. */
  readonly proposals: readonly Proposal[];
  /** What the author's domain published; absent without a record, or when that is not known. */
  readonly dmarc?: DmarcOutcome;
  /** The whole story, where it is kept. */
  readonly explanation?: Explanation;
  /**
   * What stands in the place of a field of the message.
   *
   * @param raw the field's bytes with its name
   * @returns undefined: the field as it is; an empty buffer: nothing
   */
  readonly rewrite: (name: string, raw: Buffer) => Buffer | undefined;
}

/** The checks of one transaction; either {@link finish} or {@link abort} ends it. */
export interface AuthenticationRun {
  /**
   * The envelope sender is known.
   *
   * @param reversePath without angle brackets, bytes as latin1 string or Unicode; '' for `<>`
   * @returns what a check would do with the transaction, where one has a say as early as this
   */
  mail(reversePath: string): Promise<Proposal | undefined> | undefined;
  /** Whether a check may refuse single recipients. */
  readonly hearsRecipients: boolean;
  /** The same for a recipient. */
  rcpt(forwardPath: string): Promise<Proposal | undefined> | undefined;
  /** The downstream accepted this recipient. */
  accepted(forwardPath: string): void;
  /** The header section is complete: its fields from the top, with CRLF line ends. */
  header(fields: readonly HeaderField[]): void;
  /** Bytes of the body as they arrive, with CRLF line ends; they are not kept. */
  body(chunk: Buffer): void;
  /** The message is complete. Never rejects, and takes no longer than DNS may. */
  finish(signal?: AbortSignal): Promise<Outcome>;
  /** The transaction died: stops everything and frees it. */
  abort(): void;
}

/** Beyond the time for DNS: what a machine under load needs to come back to us. */
const graceMs = 1000;

/** What a check's results go into unless it has a field of its own. */
const resultsField = 'Authentication-Results';
/** Fields without results that only we write; by the first the policy has mail filed away. */
const ownFields: readonly string[] = ['X-Disposition-Quarantine'];

/** Begins a run for each transaction. */
export class Authentication {
  readonly #options: AuthenticationOptions;
  readonly #checks: readonly ConfiguredCheck[];
  readonly #trust: Trust;
  readonly #removal: Removal;
  /** Whether any check may propose what is done with a message: where none may, none refuses a recipient either. */
  readonly proposes: boolean;

  /** @throws {Error} for a network that can't be read */
  constructor(options: AuthenticationOptions) {
    this.#options = options;
    this.#checks = [...configuredChecks(options.checks), ...options.customChecks];
    this.proposes = this.#checks.some(({ proposes }) => proposes);
    this.#trust = new Trust(options.networks);
    const results = this.#checks.map(({ header = resultsField }) => header);
    const others = [...ownFields, ...this.#checks.flatMap(({ ownFields = [] }) => ownFields)];
    this.#removal = new Removal(options.removal, { results, others });
  }

  /** Opens a transaction; what needs only the client starts at once. */
  begin(subject: Subject): AuthenticationRun {
    const { client: forwardedClient, upstream, transaction } = subject;
    const { hostname, listener, resolver, explain, report, clock = () => new Date() } = this.#options;
    const client = this.#trust.outside(clientInUnicode(forwardedClient));
    const clientClass = this.#trust.classOf(client);
    const run = new Run({
      checks: this.#checks,
      client,
      // What a program on the upstream's host sends comes from nobody's address, and from no stranger.
      clientClass: clientClass === 'unknown' && upstream?.submitted ? 'local' : clientClass,
      forwardedClient,
      ...(upstream && { upstream }),
      hostname,
      listener,
      finishMs: resolver.transactionMs + graceMs,
      resolver,
      explain,
      now: clock,
      report,
      transaction,
    });
    return {
      mail: (reversePath) => run.mail(toUnicode(reversePath)),
      hearsRecipients: run.hearsRecipients,
      rcpt: (forwardPath) => run.rcpt(toUnicode(forwardPath)),
      accepted: (forwardPath) => run.accepted(toUnicode(forwardPath)),
      header: (fields) => run.header(fields),
      body: (chunk) => run.body(chunk),
      finish: async (signal) => this.#outcome(run, await run.finish(signal), subject),
      abort: () => run.abort(),
    };
  }

  async #outcome(run: Run, findings: readonly CheckFindings[], subject: Subject): Promise<Outcome> {
    const { explain } = this.#options;
    const results = findings.flatMap((each) => each.results);
    const dmarc = dmarcOutcome.read(run.context.notes);
    // RFC 8601 §5: existing fields are kept where they come from a trusted agent.
    const trusted = this.#trust.classOf(run.context.client) === 'trusted';
    const rewrite: Outcome['rewrite'] = (_name, raw) => (trusted ? undefined : this.#removal.rewrite(raw));
    const added = this.#fields(run, findings, subject.smtputf8);
    const set = await this.#seal(run, findings, { added, rewrite }, subject.transaction);
    return {
      results,
      fields: [...set, ...added],
      sealed: set.length > 0,
      client: run.context.client,
      clientClass: run.clientClass,
      listMail: run.listMail,
      proposals: findings.flatMap(({ proposals }) => proposals),
      ...(dmarc && { dmarc }),
      ...(explain && { explanation: run.explanation(findings) }),
      rewrite,
    };
  }

  /** The ARC set for the top; what can't be sealed goes on without. */
  async #seal(
    run: Run,
    findings: readonly CheckFindings[],
    rewriting: Rewriting,
    transaction: string | undefined,
  ): Promise<readonly string[]> {
    const { seal, report, clock = () => new Date() } = this.#options;
    const message = sealableMessage.read(run.context.notes);
    // A check that came too late has left its note all the same.
    const result = findings.find(({ check }) => check.name === 'arc')?.results[0];
    if (!seal || !message || result?.value !== message.chain) return [];
    try {
      return await sealMessage(seal, message, rewriting, clock());
    } catch (error) {
      report(error, 'arc', transaction);
      return [];
    }
  }

  /** RFC 8601 §5: Authentication-Results are above all other trace fields. */
  #fields(run: Run, findings: readonly CheckFindings[], smtputf8: boolean): string[] {
    const { authservId, receivedSpf } = this.#options;
    const names = new Map<string, Result[]>([[resultsField.toLowerCase(), []]]);
    const written = new Map<string, string>([[resultsField.toLowerCase(), resultsField]]);
    for (const { check, results } of findings) {
      const name = check.header ?? resultsField;
      const shown = results.filter(({ value }) => !(check.hideNone && value === 'none'));
      // That there are no results is said once, in the field that all expect.
      if (shown.length === 0) continue;
      const key = name.toLowerCase();
      if (!written.has(key)) written.set(key, name);
      names.set(key, [...(names.get(key) ?? []), ...shown]);
    }
    const fields = [...names].map(([key, results]) =>
      formatAuthenticationResults(written.get(key) ?? key, authservId, results, smtputf8),
    );
    const spf = findings.flatMap(({ results }) => results).filter(({ method }) => method === 'spf');
    if (receivedSpf) fields.push(...spf.map((result) => formatReceivedSpf(result, run.context, smtputf8)));
    for (const field of findings.flatMap((each) => each.fields)) {
      const formatted = formatAddedField(field, smtputf8);
      if (formatted !== undefined) fields.push(formatted);
    }
    return fields;
  }
}
