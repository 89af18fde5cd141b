// One connection of the faulty downstream: the dialogue of a mail server, and what goes wrong in it.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FaultyDownstream } from './downstream.ts';
import { Offer } from './downstream-offer.ts';
import { Voice } from './downstream-voice.ts';
import { type DownstreamFault, type DownstreamStep, garbage } from './faults.ts';
import { serverHello } from './handshake.ts';
import type { Stored, StoredRecipient } from './ledger.ts';
import { argumentOf, pathOf, readMail, tooEarly } from './mail.ts';
import type { Random } from './random.ts';
import { Trickle } from './trickle.ts';

const end = Buffer.from('\r\n.\r\n');
/** Slow is in time, a crawl is not: replies have some forty octets. */
const octetMs = { slow: 1, crawl: 40 } as const;
/**
 * How long Postern may bear a connection that will never say anything again, but for one with a message: the patience
 * that runs with such faults have, and what a machine under load takes. Its answer to upstream may take longer.
 */
const borneMs = 3000;

export class DownstreamConversation {
  /** Whether a fault has left it in a state from which it may not come back. */
  disturbed = false;
  readonly #downstream: FaultyDownstream;
  readonly #name: string;
  readonly #random: Random;
  /** Without TLS. */
  readonly #plain: Socket;
  #socket: Socket;
  #input: Buffer = Buffer.alloc(0);
  #content: Buffer[] | undefined;
  /** What of the content was looked at; the final dot may be cut. */
  #tail: Buffer = Buffer.alloc(0);
  /** The content was refused before its end; the rest is read and forgotten. */
  #refused = false;
  /** A reply of this transaction came too early: no later one means what it seems to. */
  #outOfStep = false;
  /** A 5yz of this connection was too many. */
  #mistakable = false;
  /** The reverse-path with its parameters; undefined: none was accepted. */
  #sender: string | undefined;
  #recipients: string[] = [];
  #dead = false;
  /** Where and when it fell silent. */
  #silence: { readonly step: DownstreamStep; readonly since: number } | undefined;
  readonly #voice = new Voice((text) => this.#write(text));
  #received = 0;
  readonly #offer: Offer;
  /** The last command's verb; '' before the first. */
  #verb = '';

  constructor(downstream: FaultyDownstream, socket: Socket, number: number) {
    const { options } = downstream;
    this.#downstream = downstream;
    this.#plain = socket;
    this.#socket = socket;
    this.#name = `${options.name}#${number}`;
    this.#random = options.random.fork(number);
    this.#offer = new Offer(options, this.#random.fork('offer'));
  }

  /** Whether it will never say anything again. */
  get silent(): boolean {
    return this.#dead;
  }

  begin(): void {
    this.#listen(this.#socket);
    this.#reply('GREETING', '220 faulty.example ESMTP');
  }

  /** The connection is over. */
  end(): void {
    const { step = '', since = Number.POSITIVE_INFINITY } = this.#silence ?? {};
    const milliseconds = Math.round(performance.now() - since);
    if (milliseconds > borneMs) this.#broken(`silence at ${step} was borne for`, `${milliseconds} ms`);
    this.#silence = undefined;
    this.#dead = true;
    this.#voice.end();
  }

  #listen(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  #take(chunk: Buffer): void {
    if (this.#dead) return;
    if (this.#voice.speaking) this.#checkTurn(chunk);
    if (this.#content) {
      this.#takeContent(chunk);
      return;
    }
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    while (!this.#dead && !this.#content) {
      const at = this.#input.indexOf('\r\n');
      if (at < 0) return;
      const line = this.#input.toString('latin1', 0, at);
      this.#input = this.#input.subarray(at + 2);
      this.#received += 1;
      this.#hear(line);
      const verb = line.split(' ', 1)[0]?.toUpperCase() ?? '';
      this.#verb = verb;
      if (this.#input.length > 0) this.#checkTurn(this.#input);
      this.#command(verb, line);
    }
    if (!this.#content || this.#dead || this.#input.length === 0) return;
    const rest = this.#input;
    this.#input = Buffer.alloc(0);
    this.#takeContent(rest);
  }

  #command(verb: string, line: string): void {
    switch (verb) {
      case 'EHLO':
      case 'LHLO':
        if (!this.#offer.knowsEhlo) this.#voice.say('502 5.5.1 not implemented');
        else if (this.#reply(this.#helloStep, this.#offer.reply(this.#encrypted))) this.#offer.told();
        return;
      case 'HELO':
        this.#offer.forget();
        this.#reply(this.#helloStep, '250 faulty.example');
        return;
      case 'STARTTLS':
        if (this.#reply('STARTTLS', '220 2.0.0 Ready')) this.#voice.onceSaid(() => this.#secure());
        return;
      case 'XFORWARD':
        // Only what this connection has offered may be used, whatever others did.
        if (!this.#offer.covers(line)) this.#broken('was not offered', line);
        this.#reply('XFORWARD', '250 2.0.0 Ok');
        return;
      case 'MAIL':
        if (this.#takesPath(line) && this.#reply('MAIL', '250 2.1.0 Ok')) this.#sender = argumentOf(line);
        return;
      case 'RCPT':
        if (this.#sender === undefined) this.#voice.say('503 5.5.1 MAIL first');
        else if (this.#takesPath(line) && this.#reply('RCPT', '250 2.1.5 Ok')) {
          this.#recipients.push(argumentOf(line));
        }
        return;
      case 'DATA':
        if (this.#recipients.length === 0) this.#voice.say('554 5.5.1 No valid recipients');
        else if (this.#reply('DATA', '354 Go ahead')) {
          this.#content = [];
          this.#tail = Buffer.from('\r\n');
          this.#refused = false;
        }
        return;
      case 'RSET':
        this.#forget();
        this.#reply('RSET', '250 2.0.0 Ok');
        return;
      case 'QUIT':
        this.#reply('QUIT', '221 2.0.0 Bye');
        if (!this.disturbed && !this.#dead) this.#voice.onceSaid(() => this.#socket.end());
        return;
      default:
        this.#broken('upstream did not say this', line);
        this.#voice.say('500 5.5.2 unknown command');
    }
  }

  /**
   * That the parameters are those which upstream gave is seen by the ledgers. Once replies are out of step a refusal for
   * one would be read as another command's.
   *
   * @returns whether it is not refused for one
   */
  #takesPath(line: string): boolean {
    if (!/^(?:MAIL FROM|RCPT TO):<[^<>]*>(?: [A-Z0-9]+(?:=[^ =]+)?)*$/.test(line))
      this.#broken('upstream did not say this', line);
    const strict = this.#downstream.strict && !this.disturbed;
    const refusal = strict ? this.#offer.refusal(line) : undefined;
    if (refusal !== undefined) this.#voice.say(refusal);
    return refusal === undefined;
  }

  /** What comes before the reply to the last command may do so only with PIPELINING (RFC 2920). A fault may have looked like the reply. */
  #checkTurn(early: Buffer): void {
    if (this.disturbed || this.#offer.mayFollow(this.#verb)) return;
    this.#broken(`came before the reply to ${this.#verb || 'nothing'}`, early.toString('latin1', 0, 60));
  }

  #broken(claim: string, line: string): void {
    this.#downstream.violations.push({ claim: `${claim}: ${line}`, connections: [this.#name] });
  }

  get #encrypted(): boolean {
    return this.#socket !== this.#plain;
  }

  get #helloStep(): 'EHLO' | 'EHLO-TLS' {
    return this.#encrypted ? 'EHLO-TLS' : 'EHLO';
  }

  #secure(): void {
    const fault = this.#downstream.fault('HANDSHAKE', this.#random);
    if (fault) this.#fault(fault, serverHello, 'HANDSHAKE');
    if (fault && fault !== 'slow' && fault !== 'crawl') return;
    const plain = this.#plain;
    plain.removeAllListeners('data');
    this.#offer.forget();
    const slowly = fault && new Trickle(plain, fault);
    const secured = new TLSSocket(slowly ?? plain, { isServer: true, ...this.#downstream.certificate });
    secured.once('secure', () => slowly?.hurry()).on('close', () => plain.destroy());
    this.#listen(secured);
    this.#socket = secured;
  }

  #takeContent(chunk: Buffer): void {
    const content = this.#content;
    if (!content) return;
    if (content.length === 0 && !this.#refused) {
      const fault = this.#downstream.fault('CONTENT', this.#random);
      if (fault) this.#spoil(fault);
      if (this.#dead) return;
    }
    content.push(chunk);
    const seam = Buffer.concat([this.#tail, chunk]);
    const found = seam.indexOf(end);
    if (found < 0) {
      this.#tail = seam.subarray(-end.length + 1);
      return;
    }
    const rest = seam.subarray(found + end.length);
    const all = Buffer.concat(content);
    this.#content = undefined;
    this.#hear(`(${all.length} octets of content)`);
    this.#verb = 'content';
    if (rest.length > 0) this.#checkTurn(rest);
    if (!this.#refused) this.#finish(all.subarray(0, all.length - rest.length - 3));
    this.#forget();
    this.#input = Buffer.alloc(0);
    if (rest.length > 0) this.#take(rest);
  }

  /** Before the final dot: a refusal that comes early, an end, or silence. */
  #spoil(fault: DownstreamFault): void {
    this.#downstream.struck();
    if (fault === '4xx' || fault === '5xx' || fault === '421') {
      this.#refused = true;
      this.#fault(fault, '');
    } else if (fault === 'slow' || fault === 'crawl') {
      this.disturbed ||= fault === 'crawl';
      this.#note(`! ${fault} at CONTENT`);
      this.#socket.pause();
      this.#voice.after(fault === 'slow' ? 30 : 3000, () => this.#socket.resume());
    } else if (fault === 'extra' || fault === 'missing') {
      this.disturbed = true;
      this.#outOfStep = true;
      this.#voice.say(tooEarly);
    } else {
      this.#fault(fault, '250 2.0.0 Ok');
    }
  }

  /** The final dot has come. */
  #finish(wire: Buffer): void {
    const mail = readMail(wire);
    const lmtp = this.#downstream.options.protocol === 'lmtp';
    const known: StoredRecipient[] = [];
    const sender = this.#sender ?? '';
    const record: Stored = { ...mail, sender, recipients: known, connection: this.#name };
    this.#downstream.stored.push(record);
    const addresses = lmtp ? this.#recipients : ['all'];
    let stuck = this.disturbed;
    for (const [i, address] of addresses.entries()) {
      const fault = this.#dead ? 'close' : this.#faultAtDot(i === addresses.length - 1);
      const text = `250 2.0.0 ${lmtp ? `<${pathOf(address)}> ` : ''}stored as ${mail.id}`;
      const refuses = fault === '4xx' || fault === '5xx' || fault === '421';
      const loses = fault !== undefined && !refuses && fault !== 'extra' && fault !== 'slow';
      // Where the answer is lost, the message may or may not have been stored before.
      const keeps =
        !refuses && (!loses || fault === 'missing' || fault === 'crawl' || this.#random.chance(0.5));
      const reply = loses || stuck ? (this.#mistakable ? 'mistaken' : 'lost') : 'given';
      if (keeps) for (const each of lmtp ? [address] : this.#recipients) known.push({ address: each, reply });
      if (fault) this.#fault(fault, text);
      else this.#voice.say(text);
      // What follows a reply that was not said as it should be is not understood any more.
      if (fault === 'missing') this.#outOfStep = true;
      stuck ||= fault !== undefined && !(fault === '4xx' || fault === '5xx' || fault === 'slow');
    }
    if (known.length === 0) this.#downstream.stored.splice(this.#downstream.stored.indexOf(record), 1);
  }

  /**
   * Once replies are out of step, a refusal would be read as another recipient's, and nobody could tell;
   * so would a reply too many before the last one.
   */
  #faultAtDot(last: boolean): DownstreamFault | undefined {
    const fault = this.#downstream.fault('DOT', this.#random);
    return this.#outOfStep || (fault === 'extra' && !last) ? undefined : fault;
  }

  #forget(): void {
    this.#sender = undefined;
    this.#recipients = [];
  }

  /** @returns whether the command was carried out */
  #reply(step: DownstreamStep, text: string): boolean {
    const fault = this.#downstream.fault(step, this.#random);
    if (!fault) {
      this.#voice.say(text);
      return true;
    }
    this.#fault(fault, text, step);
    return !this.#dead && !(fault === '4xx' || fault === '5xx' || fault === '421' || fault === 'stall');
  }

  /** Does what the fault says in place of a reply. */
  #fault(fault: DownstreamFault, text: string, step?: DownstreamStep): void {
    this.#note(`! ${fault}${step ? ` at ${step}` : ''}`);
    const harmless = fault === '4xx' || fault === '5xx' || fault === 'slow';
    // Who hangs where nothing is at stake hangs for ever: it is Postern that has to end it.
    const forEver = fault === 'stall' && (step === 'RSET' || step === 'QUIT');
    if (!harmless && !forEver) this.disturbed = true;
    // A reply too many may come to nothing.
    if (fault !== 'extra') this.#downstream.struck();
    this.#doFault(fault, text, step);
    if (step === 'HANDSHAKE' && fault !== 'slow') this.#stop();
    if (this.#dead && step) this.#silence ??= { step, since: performance.now() };
  }

  #doFault(fault: DownstreamFault, text: string, step?: DownstreamStep): void {
    switch (fault) {
      case 'close':
        this.#stop();
        this.#socket.end();
        return;
      case 'reset':
        this.#stop();
        // A TLS socket cannot: it would say that it ends.
        this.#plain.resetAndDestroy();
        return;
      case 'stall':
        this.#stop();
        return;
      case 'garbage':
        this.#write(this.#random.pick([garbage[0], ...garbage]));
        return;
      case 'partial':
        this.#write(this.#random.pick([text.slice(0, text.length >> 1), `${text.replace(' ', '-')}\r\n`]));
        this.#stop();
        if (this.#random.chance(0.7)) this.#voice.after(0, () => this.#socket.end());
        return;
      case 'endless':
        this.#write(this.#random.chance(0.5) ? `250 ${'x'.repeat(100_000)}` : '250-x\r\n'.repeat(1000));
        this.#stop();
        return;
      case '421':
        this.#voice.say('421 4.3.2 shutting down');
        this.#stop();
        this.#voice.after(this.#random.whole(0, 5), () => this.#socket.end());
        return;
      case '4xx':
        this.#voice.say('451 4.3.0 not now');
        return;
      case '5xx':
        this.#voice.say('550 5.7.1 not ever');
        return;
      case 'extra':
        this.#sayTooMuch(text, step);
        return;
      case 'missing':
        return;
      case 'slow':
      case 'crawl':
        if (step !== 'HANDSHAKE') this.#voice.say(text, octetMs[fault]);
    }
  }

  /** A second reply, with the first or, while nobody has asked for anything else, a little later. */
  #sayTooMuch(text: string, step: DownstreamStep | undefined): void {
    this.#voice.say(text);
    const extra = this.#random.pick([
      '250 2.0.0 again',
      '451 4.0.0 again',
      '550 5.0.0 again',
      '421 4.0.0 bye',
    ]);
    if (this.#random.chance(0.5)) {
      this.#downstream.struck();
      this.#sayUnasked(extra);
      return;
    }
    // After 354 it could arrive behind the final dot, and nobody could tell a 2yz from the answer to that.
    const late = step === 'DATA' ? '451 4.0.0 again' : extra;
    const received = this.#received;
    this.#voice.after(this.#random.whole(1, 5), () => {
      if (this.#received !== received || this.#content?.length) return;
      this.#downstream.struck();
      this.#sayUnasked(late);
    });
  }

  #sayUnasked(text: string): void {
    this.#mistakable ||= text.startsWith('5');
    this.#voice.say(text);
  }

  #stop(): void {
    this.#dead = true;
  }

  #write(text: string): void {
    this.#note(`< ${text}`);
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(text, 'latin1');
  }

  #hear(text: string): void {
    this.#note(`> ${text}`);
  }

  #note(text: string): void {
    this.#downstream.options.dialogue.say(this.#name, text);
  }
}
