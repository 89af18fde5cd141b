// The dialogue with upstream: one method per verb, each gives its reply; no sockets (RFC 5321 §4.1, RFC 2033).
import type { Extensions } from '../smtp/extensions.ts';
import { makeReply, type Reply } from '../smtp/reply.ts';
import { maxXforwardCommand, parseXforward, type XforwardName } from '../smtp/xforward.ts';
import type { Pipelined } from '../transaction/pipelined.ts';
import type { Transaction, TransactionStart } from '../transaction/transaction.ts';
import { type Command, readCommand, readPath, syntaxError, unknown } from './command.ts';
import { type Hello, type Peer, transactionStart } from './start.ts';

/** What the dialogue needs of its listener. */
export interface DialogueSettings {
  /** Name in the greeting and in the reply to EHLO. */
  readonly hostname: string;
  readonly mode: 'before-queue' | 'after-queue';
  readonly messageBytes: number;
  /** Whether a certificate is configured for STARTTLS. */
  readonly startTls: boolean;
  /** What the downstream offers, as far as it is known. */
  offers(): Promise<Extensions | undefined>;
  beginTransaction(start: TransactionStart): Transaction;
  /** A new id for a transaction. */
  newId(): string;
}

/** What follows a reply. */
export interface Answer {
  readonly reply: Reply;
  readonly next: 'command' | 'content' | 'starttls' | 'close';
}

/** Extensions that only concern envelope, content and replies: they pass through us untouched. */
const transparent = ['8BITMIME', 'SMTPUTF8', 'DSN', 'ENHANCEDSTATUSCODES'] as const;

/**
 * What a downstream is presumed to take that has not told us yet: everything. What it does not take is put off; upstream would
 * return a message that needs SMTPUTF8 to its sender, where it is not offered (RFC 6531 §3.2).
 */
const presumed: Extensions = new Map(['SIZE', ...transparent].map((keyword) => [keyword, '']));

const ok = makeReply(250, '2.0.0', 'Ok');
const plainAnswer = (reply: Reply): Answer => ({ reply, next: 'command' });
const outOfOrder = (text: string) => makeReply(503, '5.5.1', text);

/** One connection's dialogue. Commands come one at a time; `end` may come at any time. */
export class Dialogue {
  readonly #settings: DialogueSettings;
  readonly #peer: Peer;
  #encrypted: boolean;
  #helo: Hello | undefined;
  #offered: ReadonlySet<string> = new Set();
  /** What XFORWARD said since the last transaction; undefined: nothing. */
  #xforward: Map<XforwardName, string | undefined> | undefined;
  #transaction: Transaction | undefined;

  constructor(settings: DialogueSettings, peer: Peer, encrypted: boolean) {
    this.#settings = settings;
    this.#peer = peer;
    this.#encrypted = encrypted;
  }

  /** Whether a transaction is open. */
  get inTransaction(): boolean {
    return this.#transaction !== undefined;
  }

  /** The name that upstream introduced itself with, for the log. */
  get helo(): string | undefined {
    return this.#helo?.name;
  }

  /** Id of the open transaction, for the log. */
  get transactionId(): string | undefined {
    return this.#transaction?.id;
  }

  /**
   * Answers one command line.
   *
   * @param line latin1, without its line end
   * @param following lines that have arrived behind it already; each is a command of its own later
   * @returns a promise where it has to be waited for
   */
  command(line: string, following: Iterable<string> = []): Answer | Promise<Answer> {
    const command = readCommand(line);
    if ('code' in command) return plainAnswer(command);
    const { verb, text } = command;
    switch (verb) {
      case 'QUIT':
        if (text !== '') break;
        // As after RSET, the downstream session can be used again.
        this.#reset('quit');
        return { reply: makeReply(221, '2.0.0', 'Bye'), next: 'close' };
      case 'DATA': {
        if (text !== '') break;
        const reply = this.#data();
        return { reply, next: reply.code === 354 ? 'content' : 'command' };
      }
      case 'STARTTLS': {
        if (text !== '') break;
        const reply = this.#starttls();
        return { reply, next: reply.code === 220 ? 'starttls' : 'command' };
      }
      case 'RSET':
        if (text !== '') break;
        this.#reset('reset');
        return { reply: ok, next: 'command' };
      default: {
        const reply = this.#plain(command, line, following);
        return reply instanceof Promise ? reply.then(plainAnswer) : plainAnswer(reply);
      }
    }
    return { reply: syntaxError(`${verb} takes no argument`), next: 'command' };
  }

  /** Takes content after a 354. */
  write(chunk: Buffer): Promise<void> | undefined {
    return this.#transaction?.write(chunk);
  }

  /** The content has ended. */
  async finish(): Promise<readonly Reply[]> {
    const replies = (await this.#transaction?.finish()) ?? [];
    this.#forgetTransaction();
    return replies;
  }

  /** The connection is over; whatever is open downstream never gets a final dot. */
  end(reason: string): void {
    this.#transaction?.abort(reason);
    this.#forgetTransaction();
  }

  /** The connection has become encrypted: all that was said before is forgotten (RFC 3207 §4.2). */
  secured(): void {
    this.end('starttls');
    this.#encrypted = true;
    this.#helo = undefined;
    this.#offered = new Set();
  }

  /** The verbs whose reply is all there is to them. */
  #plain({ verb, text }: Command, line: string, following: Iterable<string>): Reply | Promise<Reply> {
    switch (verb) {
      case 'EHLO':
      case 'LHLO':
      case 'HELO':
        return this.#hello(verb, text);
      case 'XFORWARD':
        return this.#xforwardCommand(text, line);
      case 'MAIL':
        return this.#mail(line, text, following);
      case 'RCPT':
        return this.#rcpt(line, text);
      case 'NOOP':
        return ok;
      case 'VRFY':
        if (text === '') return syntaxError('VRFY needs an address');
        return makeReply(252, '2.5.2', 'Addresses are asked for with RCPT');
      case 'HELP':
        return makeReply(214, '2.0.0', 'A transparent authenticating proxy; RFC 5321, RFC 2033');
      default:
        return unknown;
    }
  }

  async #hello(verb: Hello['verb'], name: string): Promise<Reply> {
    // RFC 5321 §4.5.3.1.2; what it holds is no concern of a proxy, as long as it is one printable word or line.
    if (name === '' || name.length > 255 || name.includes('\t')) {
      return syntaxError(`${verb} needs a host name`);
    }
    this.#reset('reset');
    this.#helo = { verb, name };
    if (verb === 'HELO') {
      this.#offered = new Set();
      return makeReply(250, '', this.#settings.hostname);
    }
    const downstream = (await this.#settings.offers()) ?? presumed;
    const lines = ['PIPELINING'];
    const size = offeredSize(downstream, this.#settings.messageBytes);
    if (size !== undefined) lines.push(`SIZE ${size}`);
    if (this.#settings.startTls && !this.#encrypted) lines.push('STARTTLS');
    if (this.#peer.believed) {
      const ident = this.#settings.mode === 'after-queue' ? ' IDENT' : '';
      lines.push(`XFORWARD NAME ADDR PORT PROTO HELO${ident} SOURCE`);
    }
    lines.push(...transparent.filter((keyword) => downstream.has(keyword)));
    this.#offered = new Set(lines.map((line) => line.split(' ', 1)[0] ?? ''));
    return makeReply(250, '', this.#settings.hostname, ...lines);
  }

  #xforwardCommand(text: string, line: string): Reply {
    if (!this.#peer.believed) return makeReply(550, '5.7.1', 'XFORWARD is not for this client');
    if (this.#helo === undefined) return outOfOrder('send EHLO or LHLO first');
    if (this.#transaction) return outOfOrder('XFORWARD inside a transaction');
    if (line.length + 2 > maxXforwardCommand)
      return syntaxError(`XFORWARD over ${maxXforwardCommand} octets`);
    const attributes = parseXforward(text);
    if (typeof attributes === 'string') return syntaxError(`XFORWARD: ${attributes}`);
    this.#xforward ??= new Map();
    for (const [name, value] of attributes) this.#xforward.set(name, value);
    return ok;
  }

  async #mail(line: string, text: string, following: Iterable<string>): Promise<Reply> {
    const helo = this.#helo;
    if (helo === undefined) return outOfOrder('send HELO, EHLO or LHLO first');
    if (this.#transaction) return outOfOrder('a transaction is open already');
    const path = readPath('MAIL', text, this.#offered);
    if ('code' in path) return path;
    const size = path.parameters.find(({ keyword }) => keyword === 'SIZE');
    if (size && !/^[0-9]{1,20}$/.test(size.value ?? '')) return syntaxError('SIZE needs a number');
    const transaction = this.#settings.beginTransaction(this.#start(helo));
    this.#transaction = transaction;
    const reply = await transaction.mail(line, path, this.#pipelined(following));
    // It may have been ended while it waited; a refused MAIL leaves what XFORWARD said for the next one.
    if (reply.code >= 300 && this.#transaction === transaction) this.#transaction = undefined;
    return reply;
  }

  #rcpt(line: string, text: string): Reply | Promise<Reply> {
    if (!this.#transaction) return outOfOrder('send MAIL first');
    const path = readPath('RCPT', text, this.#offered);
    if ('code' in path) return path;
    return this.#transaction.rcpt(line, path);
  }

  /** The RCPT lines that follow MAIL, up to the first line that is none or would be refused here, and whether that is DATA. */
  #pipelined(following: Iterable<string>): Pipelined {
    const recipients: string[] = [];
    for (const line of following) {
      const command = readCommand(line);
      if ('code' in command) break;
      const { verb, text } = command;
      if (verb === 'DATA') return { recipients, data: text === '' };
      if (verb !== 'RCPT' || 'code' in readPath('RCPT', text, this.#offered)) break;
      recipients.push(line);
    }
    return { recipients, data: false };
  }

  #data(): Reply {
    return this.#transaction?.data() ?? outOfOrder('send MAIL first');
  }

  #starttls(): Reply {
    if (!this.#settings.startTls) return unknown;
    if (this.#encrypted) return outOfOrder('TLS is active already');
    return makeReply(220, '2.0.0', 'Ready to start TLS');
  }

  #start(helo: Hello): TransactionStart {
    const { mode } = this.#settings;
    const id = this.#settings.newId();
    return transactionStart({
      peer: this.#peer,
      helo,
      encrypted: this.#encrypted,
      xforward: this.#xforward,
      mode,
      id,
    });
  }

  /** RSET and its likes: an open transaction ends, and with it what XFORWARD said. */
  #reset(reason: string): void {
    this.#transaction?.reset(reason);
    this.#forgetTransaction();
  }

  #forgetTransaction(): void {
    this.#transaction = undefined;
    this.#xforward = undefined;
  }
}

/** The smaller of both limits; undefined where the downstream does not take SIZE. */
function offeredSize(downstream: Extensions, ownBytes: number): number | undefined {
  const text = downstream.get('SIZE');
  if (text === undefined) return undefined;
  const limit = Number(text);
  // RFC 1870 §4: no number, or 0, means no fixed limit.
  return Number.isSafeInteger(limit) && limit > 0 ? Math.min(limit, ownBytes) : ownBytes;
}
