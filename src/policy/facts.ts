// What rules and exemptions ask about one message, found out when the first of them asks.
import type { Outcome } from '../authentication/authentication.ts';
import type { HeaderField } from '../authentication/check.ts';
import { readAuthors } from '../authentication/dmarc/authors.ts';
import { propertyOf } from '../authentication/result.ts';
import { headerRows } from '../authentication/signatures/header-rows.ts';
import { domainOf, toALabels } from '../smtp/domains.ts';

/** What a decision is based on. */
export interface DecisionInput {
  readonly outcome: Outcome;
  readonly mode: 'before-queue' | 'after-queue';
  /** Name of the listener. */
  readonly listener: string;
  /** Of the envelope, without angle brackets, as sent (latin1); '' for the null reverse-path. */
  readonly reversePath: string;
  /** The message's header section. */
  readonly header: readonly HeaderField[];
}

/** One message; domains are in the form that is compared. */
export class Facts {
  readonly input: DecisionInput;
  #authors: readonly string[] | undefined;
  #signers: readonly string[] | undefined;
  #sender: { readonly address: string; readonly domain: string } | undefined;
  #key: string | undefined;

  constructor(input: DecisionInput) {
    this.input = input;
  }

  /** Domains of all authors in all From fields: a reader may be shown any of them. */
  get authors(): readonly string[] {
    this.#authors ??= authorDomains(this.input.header);
    return this.#authors;
  }

  /** Domains whose signatures passed. */
  get signers(): readonly string[] {
    this.#signers ??= this.input.outcome.results
      .filter(({ method, value }) => method === 'dkim' && value === 'pass')
      .map((result) => toALabels(propertyOf(result, 'header', 'd') ?? ''));
    return this.#signers;
  }

  /** The envelope sender in lower case; `<>` for the null reverse-path. */
  get sender(): { readonly address: string; readonly domain: string } {
    if (this.#sender) return this.#sender;
    const { reversePath } = this.input;
    const text = Buffer.from(reversePath, 'latin1').toString('utf8');
    const domain = domainOf(text);
    const local = text.slice(0, text.lastIndexOf('@') + 1).toLowerCase();
    this.#sender = { address: reversePath === '' ? '<>' : local + domain, domain };
    return this.#sender;
  }

  /** What a message and its retries have in common, and other messages have not. */
  get key(): string {
    this.#key ??= JSON.stringify([
      this.input.reversePath,
      ...['message-id', 'date', 'from'].map((name) => this.#fields(name)),
    ]);
    return this.#key;
  }

  #fields(name: string): string[] {
    return this.input.header
      .filter((field) => field.name.toLowerCase() === name)
      .map(({ raw }) => raw.toString('utf8', raw.indexOf(':') + 1));
  }
}

/** What looks like the end of an address. */
const addressEnd = /@[^\s@<>()[\],;:"\\]{1,253}/g;

function authorDomains(header: readonly HeaderField[]): readonly string[] {
  const rows = headerRows(header).filter(({ key }) => key === 'from');
  const { headerFrom, unreadable } = readAuthors(rows);
  // Of a From that is too long to be taken apart, a reader may be shown any address.
  const addresses =
    unreadable === undefined
      ? headerFrom
      : rows.flatMap(({ line }) => line.toString().match(addressEnd) ?? []);
  return [...new Set(addresses)].map(domainOf);
}
