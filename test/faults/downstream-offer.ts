// What one connection of the faulty downstream offers, and whether what it is told keeps to that.
import { unoffered } from './mail.ts';
import type { Random } from './random.ts';

/** Whether each connection offers something else; `strict`: and refuses parameters that it does not offer. */
export type Changing = false | 'lenient' | 'strict';

const usual = [
  'PIPELINING',
  'SIZE 104857600',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'XFORWARD NAME ADDR PORT HELO IDENT SOURCE',
];
/** The extension of each parameter (RFC 1870, 6152, 6531, 3461). */
const extensionOf: Readonly<Record<string, string>> = {
  SIZE: 'SIZE',
  BODY: '8BITMIME',
  SMTPUTF8: 'SMTPUTF8',
  RET: 'DSN',
  ENVID: 'DSN',
  NOTIFY: 'DSN',
  ORCPT: 'DSN',
};
/** Nothing may be said behind them before their reply (RFC 2920 §3.1, RFC 3207 §4). */
const lastOfGroup: ReadonlySet<string> = new Set(['', 'EHLO', 'LHLO', 'HELO', 'STARTTLS', 'DATA', 'QUIT']);

export interface OfferOptions {
  readonly protocol: 'smtp' | 'lmtp';
  /** Whether Postern demands TLS. */
  readonly starttls: boolean;
  readonly changing: Changing;
}

export class Offer {
  /** Whether it answers EHLO; else only HELO, to which nothing is offered. */
  readonly knowsEhlo: boolean;
  readonly #all: readonly string[];
  readonly #starttls: boolean;
  readonly #random: Random;
  /** What of these was said, keyword and parameters. */
  #said: ReadonlyMap<string, readonly string[]> = new Map();

  constructor({ protocol, starttls, changing }: OfferOptions, random: Random) {
    const some = usual.map((line) =>
      line.startsWith('SIZE') && random.chance(0.3) ? `SIZE ${random.whole(1000, 20_000)}` : line,
    );
    this.#random = random;
    this.#all = changing ? some.filter(() => random.chance(0.5)) : usual;
    // Where nobody demands it, it is nothing that may be made use of.
    this.#starttls = starttls || (changing !== false && random.chance(0.5));
    this.knowsEhlo = protocol === 'lmtp' || starttls || !changing || random.chance(0.8);
  }

  /** The reply to EHLO or LHLO. */
  reply(encrypted: boolean): string {
    const lines = ['faulty.example', ...this.#all, ...(this.#starttls && !encrypted ? ['STARTTLS'] : [])];
    return lines.map((text, i) => `250${i === lines.length - 1 ? ' ' : '-'}${text}`).join('\r\n');
  }

  /** That reply was given. */
  told(): void {
    const words = this.#all.map((line) => line.split(' '));
    this.#said = new Map(words.map(([keyword = '', ...parameters]) => [keyword, parameters]));
  }

  /** All that was said is forgotten (RFC 3207 §4.2). */
  forget(): void {
    this.#said = new Map();
  }

  /** Whether a further command may come before the reply to that one. */
  mayFollow(verb: string): boolean {
    return this.#said.has('PIPELINING') && !lastOfGroup.has(verb);
  }

  /** Whether XFORWARD was offered with all that this line names. */
  covers(xforward: string): boolean {
    const attributes = this.#said.get('XFORWARD');
    const named = xforward.split(' ').slice(1);
    return (
      attributes !== undefined && named.every((each) => attributes.includes(each.split('=', 1)[0] ?? ''))
    );
  }

  /**
   * How a MAIL or RCPT is refused for a parameter.
   *
   * @returns undefined: it is not
   */
  refusal(line: string): string | undefined {
    const parameters = line
      .split(' ')
      .slice(2)
      .map((each) => each.split('='));
    for (const [keyword = '', value] of parameters) {
      const limit = this.#said.get(extensionOf[keyword] ?? '');
      if (!limit) return `${this.#random.pick([555, 501, 504, 500])} 5.5.4 ${unoffered} ${keyword}`;
      if (keyword === 'SIZE' && Number(value) > Number(limit[0])) return '552 5.3.4 message too large';
    }
    return undefined;
  }
}
