// One connection of the load generator: whole transactions with as few writes as possible, every reply checked.
import { createConnection, type Socket } from 'node:net';
import { idField, unanswered } from '../ledger.ts';
import type { WireMessage } from './message.ts';
import type { LoadPlan } from './plan.ts';

/** One message to be sent. */
export interface Job {
  readonly id: string;
  readonly message: WireMessage;
  /** Milliseconds of `performance.now()` from when its latency counts. */
  readonly since: number;
}

export interface Owner {
  /** The connection can take a message, or `quit`. */
  idle(connection: LoadConnection): void;
  /** @param outcome reply codes as in the ledger @param reply the last reply's text */
  done(job: Job, outcome: string, reply: string): void;
  /** @param error why, unless it ended with the reply to QUIT */
  closed(connection: LoadConnection, error: string | undefined): void;
}

/** Of all connections: what is read into it is taken out at once. A buffer for each read would be garbage of 64 KiB. */
const replies = Buffer.allocUnsafeSlow(64 * 1024);

/** The reply that is hoped for. */
const success = {
  greeting: '220',
  ehlo: '250',
  XFORWARD: '250',
  MAIL: '250',
  RCPT: '250',
  DATA: '354',
  content: '250',
  RSET: '250',
  QUIT: '221',
} as const;
type Expected = keyof typeof success;

export class LoadConnection {
  readonly #plan: LoadPlan;
  readonly #owner: Owner;
  readonly #socket: Socket;
  /** What the next replies are to, in order. */
  #expected: Expected[] = ['greeting'];
  /** Commands that wait for the reply to the one before. */
  #unsent: string[] = [];
  #pipelining = false;
  /** Whether SIZE is offered (RFC 1870): Postfix then tells it with each message. */
  #tellsSize = false;
  #xforward: readonly string[] = [];
  #held = '';
  #reply: string[] = [];
  #job: Job | undefined;
  #accepted = 0;
  /** Messages. */
  #finished = 0;
  #refusal = '';
  #outcome: string[] = [];
  #closed = false;

  constructor(plan: LoadPlan, owner: Owner) {
    this.#plan = plan;
    this.#owner = owner;
    const [, path] = /^unix:(.*)$/.exec(plan.to) ?? [];
    const colon = plan.to.lastIndexOf(':');
    const address = path
      ? { path }
      : { host: plan.to.slice(0, colon), port: Number(plan.to.slice(colon + 1)) };
    this.#socket = createConnection({
      ...address,
      noDelay: true,
      onread: {
        buffer: replies,
        callback: (bytes) => {
          this.#read(replies.toString('latin1', 0, bytes));
          return true;
        },
      },
    });
    this.#socket.setTimeout(plan.patience * 1000);
    this.#socket.on('timeout', () => {
      if (this.#expected.length > 0) this.#end(`no reply to ${this.#expected[0]} in ${plan.patience} s`);
    });
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('close', () => this.#end('closed by the other side'));
  }

  send(job: Job): void {
    this.#job = job;
    this.#accepted = 0;
    this.#refusal = '';
    this.#outcome = [];
    const { mailFrom, rcptTo } = this.#plan;
    const xforward = this.#xforward.map((part) =>
      part.endsWith('=ID') ? `${part.slice(0, -2)}${job.id}` : part,
    );
    const commands = [
      ...(xforward.length > 0 ? [`XFORWARD ${xforward.join(' ')}\r\n`] : []),
      `MAIL FROM:${mailFrom}${this.#tellsSize ? ` SIZE=${job.message.rest.length}` : ''}\r\n`,
      ...rcptTo.map((path) => `RCPT TO:${path}\r\n`),
      'DATA\r\n',
    ];
    if (xforward.length > 0) this.#expected.push('XFORWARD');
    this.#expected.push('MAIL', ...rcptTo.map(() => 'RCPT' as const), 'DATA');
    if (this.#pipelining) this.#socket.write(commands.join(''), 'latin1');
    else {
      this.#unsent = commands;
      this.#sendNext();
    }
  }

  quit(): void {
    this.#expected.push('QUIT');
    this.#socket.write('QUIT\r\n');
  }

  #sendNext(): void {
    const command = this.#unsent.shift();
    if (command !== undefined) this.#socket.write(command, 'latin1');
  }

  #read(chunk: string): void {
    const text = this.#held + chunk;
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      const line = text.slice(from, text[at - 1] === '\r' ? at - 1 : at);
      from = at + 1;
      this.#reply.push(line);
      if (line[3] === '-') continue;
      const lines = this.#reply;
      this.#reply = [];
      this.#take(lines);
      if (this.#closed) return;
    }
    this.#held = text.slice(from);
  }

  #take(lines: readonly string[]): void {
    const [first = ''] = lines;
    const code = first.slice(0, 3);
    const expected = this.#expected.shift();
    const text = lines.join(' / ');
    const ok = expected === undefined ? false : this.#judge(expected, code, lines);
    if (!ok) this.#end(`${text} in answer to ${expected ?? 'nothing'}`);
    else if (expected === 'QUIT') this.#end(undefined);
  }

  /** @returns whether the dialogue can go on */
  #judge(expected: Expected, code: string, lines: readonly string[]): boolean {
    const text = lines.join(' / ');
    if (!/^[2-5][0-9][0-9]$/.test(code)) return false;
    const good = code === success[expected];
    if (!good && this.#plan.refusals === 'errors') return false;
    switch (expected) {
      case 'greeting':
        this.#expected.push('ehlo');
        this.#socket.write(`${this.#plan.protocol === 'lmtp' ? 'LHLO' : 'EHLO'} load.example\r\n`);
        return good;
      case 'ehlo':
        return good && this.#introduced(lines);
      case 'XFORWARD':
      case 'MAIL':
        if (!good) this.#refusal ||= text;
        this.#proceed();
        return true;
      case 'RCPT':
        if (good) this.#accepted++;
        this.#proceed(text);
        return true;
      case 'DATA':
        this.#dataAnswered(code, text);
        return true;
      case 'content':
        this.#contentAnswered(code, text);
        return true;
      case 'RSET':
        if (good) this.#owner.idle(this);
        return good;
      case 'QUIT':
        return good;
    }
  }

  /** @returns whether everything that is needed is offered */
  #introduced(lines: readonly string[]): boolean {
    const offers = lines.slice(1).map((line) => line.slice(4).toUpperCase().split(' '));
    this.#pipelining = this.#plan.pipelining && offers.some(([name]) => name === 'PIPELINING');
    this.#tellsSize = offers.some(([name]) => name === 'SIZE');
    const wanted = Object.entries(this.#plan.xforward ?? {});
    const offered = offers.find(([name]) => name === 'XFORWARD') ?? [];
    if (wanted.length > 0 && offered.length === 0) return false;
    this.#xforward = wanted.filter(([name]) => offered.includes(name)).map((pair) => pair.join('='));
    this.#owner.idle(this);
    return true;
  }

  /** Command by command: the next one, unless nothing can come of it. */
  #proceed(reply = ''): void {
    if (this.#pipelining) return;
    if (this.#refusal === '' && this.#unsent.length === 1 && this.#accepted === 0) this.#refusal = reply;
    if (this.#refusal === '') this.#sendNext();
    else {
      this.#expected = [];
      this.#unsent = [];
      this.#finish(this.#refusal.slice(0, 3), this.#refusal, true);
    }
  }

  #dataAnswered(code: string, text: string): void {
    const job = this.#job;
    if (code !== success.DATA || !job) {
      const refusal = this.#refusal || text;
      this.#finish(refusal.slice(0, 3), refusal, true);
      return;
    }
    const count = this.#plan.protocol === 'lmtp' ? this.#accepted : 1;
    for (let i = 0; i < count; i++) this.#expected.push('content');
    this.#socket.cork();
    this.#socket.write(`${idField}${job.id}\r\n`, 'latin1');
    this.#socket.write(job.message.rest);
    this.#socket.uncork();
  }

  /** In SMTP one reply stands for all recipients. */
  #contentAnswered(code: string, text: string): void {
    const recipients = this.#plan.protocol === 'lmtp' ? 1 : this.#accepted;
    for (let i = 0; i < recipients; i++) this.#outcome.push(code);
    if (this.#expected[0] !== 'content') this.#finish(this.#outcome.join(','), text, false);
  }

  #finish(outcome: string, reply: string, reset: boolean): void {
    const job = this.#job;
    this.#job = undefined;
    if (job) this.#owner.done(job, outcome, reply);
    this.#finished++;
    if (this.#finished === this.#plan.messagesPerConnection) this.quit();
    else if (reset) {
      this.#expected.push('RSET');
      this.#socket.write('RSET\r\n');
    } else this.#owner.idle(this);
  }

  #end(error: string | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    if (this.#job) this.#owner.done(this.#job, this.#outcomeSoFar(), error ?? '');
    this.#owner.closed(this, error);
  }

  /** Of a message that is cut off: with what is missing, or as one where all is. */
  #outcomeSoFar(): string {
    if (this.#outcome.length === 0) return unanswered;
    const missing = Array.from({ length: this.#accepted - this.#outcome.length }, () => unanswered);
    return [...this.#outcome, ...missing].join(',');
  }
}
