// The judgement of messages: who really sent them, and the header fields that say so.
import type { Resolver } from '../dns/resolver.ts';
import { Networks } from '../smtp/networks.ts';
import { normalizeAuthservId, readAuthservId } from './authserv-id.ts';
import type { Client, ClientClass } from './check.ts';
import { type CheckConfiguration, type ConfiguredCheck, configuredChecks } from './checks.ts';
import { formatAuthenticationResults } from './header.ts';
import { formatReceivedSpf } from './received-spf.ts';
import { propertyOf, type Result, type ResultValue } from './result.ts';
import { Run } from './run.ts';

export type { Client } from './check.ts';

/** How messages are judged, the same for all of a listener. */
export interface AuthenticationOptions {
  /** The name that our Authentication-Results bears (RFC 8601 §2.5). */
  readonly authservId: string;
  readonly hostname: string;
  readonly checks: CheckConfiguration;
  /** Whether Received-SPF is added too; default false. */
  readonly receivedSpf: boolean;
  /** CIDR; their clients are not judged by where they are: no spf, dmarc and iprev. */
  readonly networks: { readonly local: readonly string[]; readonly trusted: readonly string[] };
  readonly resolver: Resolver;
  /** A check threw; its result is `temperror`. */
  report(error: unknown, check: string): void;
  readonly clock?: () => Date;
}

/** What was found, and what it means for the header. */
export interface Outcome {
  readonly results: readonly Result[];
  /** Complete fields to add, newest (top) first: latin1 strings, folded, each ends with CRLF. */
  readonly fields: readonly string[];
  /** What the author's domain published; absent without a record, or when that is not known. */
  readonly dmarc?: DmarcOutcome;
  /**
   * Whether a field of the message must not go on (see {@link removesField}).
   *
   * @param rawField the field's bytes with its name
   */
  readonly removes: (fieldName: string, rawField: Buffer) => boolean;
}

export interface DmarcOutcome {
  /** The author's domain (RFC 9989 §3.2.1), an A-label. */
  readonly domain: string;
  /** The policy that applies to this message, `sp`, `np` and `t` considered. */
  readonly policy: DmarcPolicy;
  readonly result: ResultValue;
}

export type DmarcPolicy = 'none' | 'quarantine' | 'reject';

/** The checks of one transaction; either {@link finish} or {@link abort} ends it. */
export interface AuthenticationRun {
  /**
   * The envelope sender is known.
   *
   * @param reversePath without angle brackets, bytes as latin1 string or Unicode; '' for `<>`
   */
  mail(reversePath: string): void;
  /**
   * Bytes of the message as they arrive, header section and body, with CRLF line ends.
   *
   * @returns a promise while no more should be written; it never rejects
   */
  write(chunk: Buffer): Promise<void> | undefined;
  /** The message is complete. Never rejects, and takes no longer than DNS may. */
  finish(signal?: AbortSignal): Promise<Outcome>;
  /** The transaction died: stops everything and frees it. */
  abort(): void;
}

/** Beyond the time for DNS: what a machine under load needs to come back to us. */
const graceMs = 1000;

/** Begins a run for each transaction. */
export class Authentication {
  readonly #options: AuthenticationOptions;
  readonly #checks: readonly ConfiguredCheck[];
  readonly #own: Networks;

  /** @throws {Error} for a network that can't be read */
  constructor(options: AuthenticationOptions) {
    this.#options = options;
    this.#checks = configuredChecks(options.checks);
    this.#own = new Networks([...options.networks.local, ...options.networks.trusted]);
  }

  /**
   * Opens a transaction; what needs only the client starts at once.
   *
   * @param subject `smtputf8`: whether MAIL had that parameter, so that UTF-8 is allowed in the header
   */
  begin(subject: { client: Client; smtputf8: boolean }): AuthenticationRun {
    const { hostname, resolver, report, clock = () => new Date() } = this.#options;
    const { client, smtputf8 } = subject;
    const run = new Run({
      checks: this.#checks,
      client,
      clientClass: this.#classOf(client),
      hostname,
      finishMs: resolver.transactionMs + graceMs,
      resolver,
      now: clock,
      report,
    });
    return {
      mail: (reversePath) => run.mail(toUnicode(reversePath)),
      write: (chunk) => run.write(chunk),
      finish: async (signal) => this.#outcome(run, await run.finish(signal), smtputf8),
      abort: () => run.abort(),
    };
  }

  #classOf({ ip }: Client): ClientClass | undefined {
    if (ip === undefined) return 'unknown';
    return this.#own.includes(ip) ? 'own' : undefined;
  }

  #outcome(run: Run, results: readonly Result[], smtputf8: boolean): Outcome {
    const { authservId, receivedSpf } = this.#options;
    const fields = [formatAuthenticationResults(authservId, results, smtputf8)];
    const spf = results.find(({ method }) => method === 'spf');
    // RFC 8601 §5: ours is above all other trace fields.
    if (receivedSpf && spf) fields.push(formatReceivedSpf(spf, run.context, smtputf8));
    const dmarc = dmarcOutcome(results);
    const removes: Outcome['removes'] = (name, raw) => removesField(authservId, name, raw);
    return { results, fields, ...(dmarc && { dmarc }), removes };
  }
}

/**
 * Whether a field pretends to be ours: an Authentication-Results with our authserv-id was forged, or
 * has been here before; readers must be able to believe the one we add (RFC 8601 §5).
 *
 * @param raw the field's bytes, with or without its name
 */
export function removesField(authservId: string, name: string, raw: Buffer): boolean {
  if (name.trim().toLowerCase() !== 'authentication-results') return false;
  const body = raw.toString('latin1').replace(/^[ \t]*authentication-results[ \t]*:/i, '');
  return readAuthservId(body) === normalizeAuthservId(authservId);
}

function dmarcOutcome(results: readonly Result[]): DmarcOutcome | undefined {
  const result = results.find(({ method }) => method === 'dmarc');
  const domain = result && propertyOf(result, 'header', 'from');
  const policy = result && propertyOf(result, 'policy', 'dmarc');
  if (!result || !domain || !isPolicy(policy)) return undefined;
  return { domain, policy, result: result.value };
}

function isPolicy(text: string | undefined): text is DmarcPolicy {
  return text === 'none' || text === 'quarantine' || text === 'reject';
}

/** RFC 6531: bytes of an envelope are UTF-8; what is not stays as it is, one character per byte. */
function toUnicode(path: string): string {
  const bytes = Buffer.from(path, 'latin1');
  const text = bytes.toString('utf8');
  return bytes.toString('latin1') === path && !text.includes('\ufffd') ? text : path;
}
