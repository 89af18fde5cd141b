// An upstream that goes wrong as a plan says, and keeps a ledger of what it was told.
import type { ClientAddress } from '../support/running-proxy.ts';
import type { Dialogue } from './dialogue.ts';
import { type Command, type EnvelopeOptions, envelopeOf, helloOf, offeredIn } from './envelope.ts';
import { type Faults, garbage, type UpstreamFault, type UpstreamStep } from './faults.ts';
import { clientHello } from './handshake.ts';
import type { Sent, Violation } from './ledger.ts';
import { argumentOf, type Mail, unoffered } from './mail.ts';
import { linesBehind, oddLines } from './odd-lines.ts';
import type { Random } from './random.ts';
import { HangError, UpstreamConnection } from './upstream-connection.ts';

export interface FaultyUpstreamOptions extends EnvelopeOptions {
  /** In the dialogue. */
  readonly name: string;
  /** Where Postern listens, when it is asked. */
  readonly address: () => ClientAddress;
  readonly protocol: 'smtp' | 'lmtp';
  readonly pipelined: boolean;
  readonly starttls: boolean;
  /** How many messages a connection carries. */
  readonly perConnection: number;
  /** Longer than Postern may take for any answer: then nobody knows whether it ever comes. */
  readonly answerMs: number;
  /** Shared by all upstreams of a run. */
  readonly faults: Faults<UpstreamStep, UpstreamFault>;
  readonly random: Random;
  readonly dialogue: Dialogue;
}

/** The transaction is over, the connection may not be. */
class Abandoned extends Error {}

/** How long whoever finds nobody there waits before it connects again, and how long it tries. */
const pauseMs = 20;
const patienceMs = 60_000;
/** A message that is larger is not written byte by byte: it would take longer than a transaction may. */
const mostSlowBytes = 800;
/** How many transactions end with RSET, where RSET is what a run is about. */
const resetRate = 0.3;

export class FaultyUpstream {
  readonly sent: Sent[] = [];
  readonly violations: Violation[] = [];
  /** Replies that refused something. */
  readonly refusals: Violation[] = [];
  readonly #options: FaultyUpstreamOptions;
  #connections = 0;
  #faulty = true;

  constructor(options: FaultyUpstreamOptions) {
    this.#options = options;
  }

  /** From now on all is well. */
  heal(): void {
    this.#faulty = false;
  }

  /** @returns the transaction for it, where there was one */
  async sendOne(mail: Mail): Promise<Sent | undefined> {
    const before = this.sent.length;
    const mails = [mail];
    await this.send(() => mails.shift());
    return this.sent[before];
  }

  /** Sends messages until there are none, one transaction for each. */
  async send(next: () => Mail | undefined): Promise<void> {
    const { perConnection, random } = this.#options;
    let mail = next();
    for (let since = performance.now(); mail && performance.now() - since < patienceMs; ) {
      const connection = await this.#connect();
      if (!connection) {
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        continue;
      }
      const chance = random.fork(this.#connections);
      try {
        if (!(await this.#introduce(connection, chance))) {
          this.refusals.push({ claim: 'a connection was refused', connections: [connection.name] });
          continue;
        }
        since = performance.now();
        let open: Sent | undefined;
        for (let i = 0; mail && i < perConnection && !connection.over; i += 1) {
          open = await this.#transaction(connection, mail, open, chance);
          mail = next();
        }
        if (!connection.over) await this.#goodbye(connection, chance);
      } catch (error) {
        if (error instanceof HangError) {
          this.violations.push({ claim: error.message, connections: [connection.name] });
          mail = next();
        } else if (!(error instanceof Abandoned)) throw error;
      } finally {
        if (!connection.over) connection.leave('close');
      }
    }
    if (mail) this.violations.push({ claim: 'no connection could be had', connections: [] });
  }

  async #connect(): Promise<UpstreamConnection | undefined> {
    this.#connections += 1;
    const { name, address, dialogue, answerMs } = this.#options;
    return UpstreamConnection.open(address(), `${name}#${this.#connections}`, dialogue, answerMs).catch(
      () => undefined,
    );
  }

  /** @returns whether a transaction may follow */
  async #introduce(connection: UpstreamConnection, random: Random): Promise<boolean> {
    const { protocol, starttls, xforward } = this.#options;
    const hello = helloOf(protocol, !starttls && !xforward, random);
    await this.#disturb(connection, 'CONNECT', '', random);
    if (!(await connection.reply())?.startsWith('220')) return false;
    const said = await this.#say(connection, 'EHLO', hello, random);
    if (said && !(await this.#greeted(connection, hello))) return false;
    if (!starttls || !(await this.#say(connection, 'STARTTLS', 'STARTTLS', random))) return true;
    if (!(await connection.reply())?.startsWith('220')) return false;
    await this.#shakeHands(connection, random);
    if (connection.over) return false;
    const again = await this.#say(connection, 'EHLO-TLS', hello, random);
    return !again || this.#greeted(connection, hello);
  }

  async #shakeHands(connection: UpstreamConnection, random: Random): Promise<void> {
    const fault = this.#fault(connection, 'HANDSHAKE', random);
    if (!fault || fault === 'slow') return connection.secure(fault);
    if (fault === 'crawl') {
      await connection.secure(fault);
      if (connection.over) return;
      this.violations.push({ claim: 'a handshake that crawls was borne', connections: [connection.name] });
      throw new Abandoned();
    }
    if (fault === 'garbage') connection.write(random.pick([garbage[0], ...garbage]));
    if (fault === 'partial') connection.write(clientHello.slice(0, random.whole(1, clientHello.length)));
    return this.#leave(connection, fault);
  }

  /** Hears the reply to EHLO or one of its kind. @returns whether it was carried out */
  async #greeted(connection: UpstreamConnection, line: string): Promise<boolean> {
    const reply = await connection.reply();
    if (!reply?.startsWith('250')) return false;
    connection.offered = offeredIn(reply);
    if (line.startsWith('HELO') && connection.offered.size > 0)
      this.violations.push({ claim: `HELO was answered ${reply}`, connections: [connection.name] });
    return true;
  }

  /**
   * @param open a transaction before it that was not ended: its envelope is this one's too, until MAIL begins it
   * @returns this one, where it is not ended
   */
  async #transaction(
    connection: UpstreamConnection,
    mail: Mail,
    open: Sent | undefined,
    random: Random,
  ): Promise<Sent | undefined> {
    const { id, sizeBytes, digest } = mail;
    const sent: Sent = {
      id,
      sender: open?.sender ?? '',
      sizeBytes,
      digest,
      begunAt: performance.now(),
      endedAt: undefined,
      recipients: (open?.recipients ?? []).map(({ address }) => ({ address, final: undefined })),
      left: false,
      ended: false,
      connection: connection.name,
    };
    this.sent.push(sent);
    try {
      if (await this.#envelope(connection, mail, sent, random))
        await this.#content(connection, mail, sent, random);
      else if (!(await this.#reset(connection, random))) return sent;
    } catch (error) {
      if (!(error instanceof Abandoned)) throw error;
    } finally {
      sent.endedAt = performance.now();
    }
    return undefined;
  }

  /** @returns whether the content may follow */
  async #envelope(connection: UpstreamConnection, mail: Mail, sent: Sent, random: Random): Promise<boolean> {
    const { faults } = this.#options;
    const lines = [...envelopeOf(mail, this.#options, connection.offered ?? new Set(), random)];
    // Without failing, a transaction is reset only where its envelope is all there is of it.
    const alone = this.#faulty && faults.names('RSET') && random.chance(resetRate);
    if (!alone) lines.push(['DATA', 'DATA']);
    const said: Command[] = [];
    for (const command of lines) {
      const [step, line] = command;
      if (!(await this.#say(connection, step, line, random))) continue;
      if (this.#pipelines(connection)) {
        said.push(command);
      } else if (!(await this.#hear(connection, sent, command)) && step !== 'RCPT') {
        return false;
      }
    }
    let last = true;
    for (const command of said) last = await this.#hear(connection, sent, command);
    return last && !alone;
  }

  /** @returns whether the command was carried out */
  async #hear(connection: UpstreamConnection, sent: Sent, [step, line]: Command): Promise<boolean> {
    const reply = await connection.reply();
    if (reply === undefined) throw new Abandoned();
    this.#checkBlame(connection, reply);
    if (step === 'MAIL' && reply.startsWith('2')) {
      if (!connection.offered)
        this.violations.push({ claim: 'MAIL without EHLO is taken', connections: [connection.name] });
      sent.sender = argumentOf(line);
      sent.recipients.length = 0;
    }
    const carriedOut = reply.startsWith(step === 'DATA' ? '354' : '2');
    // One reply cannot stand for several recipients: they come one by one from SMTP to LMTP.
    if (!carriedOut && !reply.startsWith('452 4.5.3'))
      this.refusals.push({ claim: `${line} was answered ${reply}`, connections: [connection.name] });
    if (step === 'RCPT' && reply.startsWith('2')) {
      sent.recipients.push({ address: argumentOf(line), final: undefined });
    }
    return carriedOut;
  }

  async #content(connection: UpstreamConnection, { wire }: Mail, sent: Sent, random: Random): Promise<void> {
    const { protocol } = this.#options;
    const fault = this.#fault(connection, 'CONTENT', random);
    if (fault === 'slow') {
      await connection.writeSlowly(wire, wire.length > mostSlowBytes ? wire.length >> 5 : 1);
    } else if (fault) {
      connection.write(wire.subarray(0, random.whole(0, wire.length - 1)));
      if (fault === 'endless') await this.#goOn(connection, random);
      await this.#leave(connection, fault);
    } else connection.write(wire);
    const atDot = this.#fault(connection, 'DOT', random);
    if (atDot === 'slow') await connection.writeSlowly(Buffer.from('.\r\n'), 1);
    else if (atDot) {
      connection.write(atDot === 'partial' ? '.\r' : atDot === 'garbage' ? '.\n' : '');
      await this.#leave(connection, atDot);
    } else connection.write('.\r\n');
    sent.ended = !connection.over;
    const after = this.#fault(connection, 'END', random);
    if (after === 'deaf') await connection.deaf(random.whole(10, 300));
    if (after === 'close' || after === 'reset' || after === 'half' || after === 'partial') {
      if (after === 'partial') connection.write(random.pick(['MAIL FR', 'QUIT\r']));
      if (random.chance(0.5)) await connection.deaf(random.whole(0, 4));
      sent.left = true;
      connection.leave(after === 'partial' ? 'close' : after);
      if (after !== 'half') throw new Abandoned();
    }
    // Pipelined behind the content: the replies to it come first.
    const behind = linesBehind(after, random);
    for (const [line] of behind) {
      if (after === 'slow') await connection.saySlowly(line);
      else connection.queue(line);
    }
    if (after === 'farewell') connection.farewell();
    if (protocol === 'lmtp') {
      for (const recipient of sent.recipients) recipient.final = await connection.reply();
    } else {
      const reply = await connection.reply();
      for (const recipient of sent.recipients) recipient.final = reply;
    }
    for (const { final } of sent.recipients) this.#checkBlame(connection, final);
    for (const [, expected] of behind) this.#expect(connection, await connection.reply(), expected);
  }

  /** Says more and more of a line, which no limit but the time for a transaction ends. */
  async #goOn(connection: UpstreamConnection, random: Random): Promise<void> {
    const last = await connection.sayEndlessly(random.pick([1024, 65_536]));
    this.#expect(connection, last, '421');
  }

  /** Where a reply came at all. */
  #expect(connection: UpstreamConnection, reply: string | undefined, expected: string): void {
    if (reply === undefined || reply.startsWith(expected) || reply.startsWith('421')) return;
    const claim = `the reply should begin with ${expected}: ${reply}`;
    this.violations.push({ claim, connections: [connection.name] });
  }

  /** Only what was offered is said: a message may be put off for it, and is not returned to its sender. */
  #checkBlame(connection: UpstreamConnection, reply: string | undefined): void {
    if (!reply?.startsWith('5') || !(reply.includes(unoffered) || reply.startsWith('555'))) return;
    const claim = `what was offered is refused for good: ${reply}`;
    this.violations.push({ claim, connections: [connection.name] });
  }

  #pipelines(connection: UpstreamConnection): boolean {
    return this.#options.pipelined && (connection.offered?.has('PIPELINING') ?? false);
  }

  /** @returns whether the transaction is over */
  async #reset(connection: UpstreamConnection, random: Random): Promise<boolean> {
    if (connection.over) return true;
    if (!(await this.#say(connection, 'RSET', 'RSET', random))) return false;
    await connection.reply();
    return true;
  }

  async #goodbye(connection: UpstreamConnection, random: Random): Promise<void> {
    if (await this.#say(connection, 'QUIT', 'QUIT', random)) await connection.reply();
  }

  /** What goes wrong now; where nobody listens any more nothing can. */
  #fault(connection: UpstreamConnection, step: UpstreamStep, random: Random): UpstreamFault | undefined {
    if (!this.#faulty || connection.over) return undefined;
    const fault = this.#options.faults.at(step, random);
    if (fault) this.#options.faults.struck();
    return fault;
  }

  /**
   * A command, and what goes wrong with it.
   *
   * @returns whether it was said, so that a reply is due
   * @throws {Abandoned} the connection, or the transaction, is over
   */
  async #say(
    connection: UpstreamConnection,
    step: UpstreamStep,
    line: string,
    random: Random,
  ): Promise<boolean> {
    const instead = await this.#disturb(connection, step, line, random);
    if (instead === 'slow') await connection.saySlowly(line);
    else if (instead !== 'missing') connection.queue(line);
    return instead !== 'missing';
  }

  /**
   * What goes wrong before a command.
   *
   * @returns what goes wrong with the command itself
   * @throws {Abandoned} the connection, or the transaction, is over
   */
  async #disturb(
    connection: UpstreamConnection,
    step: UpstreamStep,
    line: string,
    random: Random,
  ): Promise<'missing' | 'slow' | undefined> {
    const fault = this.#fault(connection, step, random);
    if (!fault) return undefined;
    // Half of the time what is pipelined before it is on its way.
    if (random.chance(0.5)) connection.flush();
    if (fault === 'missing' || fault === 'slow') return fault;
    if (fault === 'deaf') {
      await connection.deaf(random.whole(10, 300));
      return undefined;
    }
    const odd = oddLines(fault, this.#options.protocol, random);
    if (odd.length === 0) {
      if (fault === 'partial') connection.write(line.slice(0, line.length >> 1));
      await this.#leave(connection, fault);
    }
    for (const each of odd) connection.queue(each);
    if (this.#pipelines(connection) || step === 'CONNECT') {
      // Whose reply is whose is hard to tell now: read what there is, and begin anew.
      connection.queue('QUIT');
      connection.flush();
      await connection.untilEnd();
      throw new Abandoned();
    }
    for (const each of odd) {
      const reply = await connection.reply();
      if (reply === undefined) throw new Abandoned();
      if (/^(?:EHLO|LHLO) /.test(each) && reply.startsWith('250')) connection.offered = offeredIn(reply);
    }
    return undefined;
  }

  /** Ends the connection, or waits until Postern does. */
  async #leave(connection: UpstreamConnection, fault: UpstreamFault): Promise<never> {
    if (fault === 'quit') connection.queue('QUIT');
    if (fault === 'close' || fault === 'partial') connection.leave('close');
    else if (fault === 'reset') connection.leave('reset');
    else if (fault === 'half') connection.leave('half');
    await connection.untilEnd();
    throw new Abandoned();
  }
}
