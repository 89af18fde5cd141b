// One message from MAIL to its final reply: the state machine between the two sides.
import type {
  Authentication,
  AuthenticationRun,
  Client,
  Outcome,
  Proposal,
  Upstream,
} from '../authentication/authentication.ts';
import { countReceived, type HeaderSection, maxReceived } from '../message/header-section.ts';
import { receivedField } from '../message/received.ts';
import { relayed } from '../message/relayed.ts';
import { SpoolError } from '../message/spool.ts';
import type { Disposition, Policy } from '../policy/policy.ts';
import type { PathArgument } from '../smtp/path.ts';
import { isPositive, type Reply } from '../smtp/reply.ts';
import { afterTurnEnd } from '../smtp/turn-end.ts';
import type { XforwardAttributes } from '../smtp/xforward.ts';
import type { MeasuredTransaction } from '../telemetry/metrics.ts';
import type { Masker } from '../telemetry/privacy.ts';
import type { Trace } from '../telemetry/trace.ts';
import { AnswerTime } from './answer-time.ts';
import { Content, type ContentSettings } from './content.ts';
import { Delivery } from './delivery.ts';
import { type DownstreamPool, failureReply } from './downstream.ts';
import { alone, type Pipelined } from './pipelined.ts';
import { type EnvelopeAnswer, TransactionRecord, type WriteRecord } from './record.ts';
import {
  bareNewline,
  goAhead,
  internalError,
  mailLoop,
  noLmtpRecipients,
  noRecipients,
  notStored,
  recipientAccepted,
  senderAccepted,
  timedOut,
  tooManyRecipients,
} from './replies.ts';

/** What all transactions of a listener share. */
export interface TransactionSettings extends ContentSettings {
  readonly listener: string;
  readonly mode: 'before-queue' | 'after-queue';
  /** Name for Received "by". */
  readonly hostname: string;
  readonly envelope: 'passthrough' | 'deferred';
  readonly limits: ContentSettings['limits'] & {
    readonly recipients: number;
    /** Longest time from a command, or from the end of data, to its reply. */
    readonly answerMs: number;
  };
  readonly pool: DownstreamPool;
  readonly authentication: Authentication;
  readonly policy: Policy;
  readonly writeRecord: WriteRecord;
  /** Is told of each transaction when it has ended. */
  readonly measure?: (transaction: MeasuredTransaction) => void;
  /** Where the story of each judged message is kept. */
  readonly trace?: Trace;
  /** What log and story do not say of people. Default: nothing is masked. */
  readonly masker?: Masker;
}

/** What is known of a message before its MAIL. */
export interface TransactionStart {
  readonly id: string;
  /** The upstream connection's id, for the log. */
  readonly connection?: string;
  /** How upstream hands the message over; LHLO makes it lmtp. */
  readonly protocol: 'smtp' | 'lmtp';
  /** Whether it said EHLO or LHLO, and whether the connection is encrypted: both show in Received. */
  readonly extended: boolean;
  readonly encrypted: boolean;
  /** Whose message it is; never a mixture of XFORWARD and connection. */
  readonly client: Client;
  /** Who hands it over, where what it writes into the header is believed. */
  readonly upstream?: Upstream;
  /** What the downstream is told of it, where it offers XFORWARD. */
  readonly xforward: XforwardAttributes;
}

type State = 'envelope' | 'content' | 'ended';

/** A message on its way downstream. */
type Chunks = Parameters<Delivery['send']>[0];

/**
 * A transaction. The upstream side calls `mail`, `rcpt`…, `data`, `write`…, `finish` in that order, one
 * at a time, and `abort` at any time; each of them settles within `answerMs` and none rejects.
 */
export class Transaction {
  readonly id: string;
  readonly #settings: TransactionSettings;
  readonly #start: TransactionStart;
  readonly #record: TransactionRecord;
  readonly #delivery: Delivery;
  readonly #content: Content;
  readonly #deadline = new AbortController();
  readonly #answerTime: AnswerTime;
  #run: AuthenticationRun | undefined;
  #smtputf8 = false;
  #reversePath = '';
  #mailLine = '';
  /** RCPT lines that upstream was told 2yz for, with their addresses. */
  readonly #recipients: { readonly line: string; readonly address: string }[] = [];
  #state: State = 'envelope';
  #concluding = false;

  constructor(settings: TransactionSettings, start: TransactionStart) {
    this.id = start.id;
    this.#settings = settings;
    this.#start = start;
    this.#record = new TransactionRecord(settings, start);
    this.#delivery = new Delivery(settings.pool, start.xforward, (stage, error) =>
      this.#record.failure(stage, error),
    );
    this.#content = new Content(settings, {
      header: (fields) => this.#run?.header(fields),
      body: (chunk) => this.#run?.body(chunk),
      refused: () => this.#run?.abort(),
      failure: (stage, error) => this.#record.failure(stage, error),
    });
    this.#answerTime = new AnswerTime(settings.limits.answerMs, () => this.#late());
  }

  /**
   * MAIL. Anything but a 2yz ends the transaction.
   *
   * @param line the command as sent, without its line end
   * @param pipelined what came together with it: `rcpt` will be called with each recipient, in order, and `data` where
   *   DATA follows them, unless the transaction ends
   */
  async mail(line: string, path: PathArgument, pipelined = alone): Promise<Reply> {
    this.#answerTime.begin();
    const size = Number(path.parameters.find(({ keyword }) => keyword === 'SIZE')?.value ?? 0);
    this.#record.mail(path);
    const tooLarge = this.#content.expect(size);
    if (tooLarge) return this.#refuseMail(tooLarge);
    this.#mailLine = line;
    this.#smtputf8 = path.parameters.some(({ keyword }) => keyword === 'SMTPUTF8');
    this.#reversePath = path.address;
    const passOn = () => this.#bounded(this.#delivery.mail(line, this.#surelyPassed(pipelined)));
    let passed: Promise<Reply> | undefined;
    if (this.#checksOnlyLook) {
      passed = passOn();
      // It leaves before this process is busy with the checks, none of which can refuse it.
      await new Promise<void>(afterTurnEnd);
      // Aborted meanwhile: nobody would end the checks.
      if (this.#state === 'ended') return passed;
    }
    const refused = await this.#begin();
    if (refused) return this.#refuseMail(refused);
    if (this.#settings.envelope === 'deferred') return senderAccepted;
    const reply = await (passed ?? passOn());
    return isPositive(reply) ? reply : this.#refuseMail(reply);
  }

  /** Begins the checks. @returns how one of them refuses the sender */
  async #begin(): Promise<Reply | undefined> {
    const { client, upstream } = this.#start;
    let refusal: Promise<EnvelopeAnswer | undefined> | undefined;
    try {
      this.#run = this.#settings.authentication.begin({
        transaction: this.id,
        client,
        smtputf8: this.#smtputf8,
        ...(upstream && { upstream }),
      });
      refusal = this.#early(this.#run.mail(this.#reversePath));
    } catch (error) {
      this.#record.failure('internal', error);
      return internalError;
    }
    const refused = refusal && (await this.#answerTime.within(refusal, { reply: timedOut }));
    if (refused) this.#record.refusedMail(refused);
    return refused?.reply;
  }

  /** RCPT. */
  async rcpt(line: string, path: PathArgument): Promise<Reply> {
    this.#answerTime.begin();
    const answer = await this.#answerRcpt(line, path);
    const { reply } = answer;
    if (isPositive(reply)) {
      this.#recipients.push({ line, address: path.address });
      this.#run?.accepted(path.address);
    }
    this.#record.rcpt(path, answer);
    return reply;
  }

  async #answerRcpt(line: string, path: PathArgument): Promise<EnvelopeAnswer> {
    if (this.#recipients.length >= this.#settings.limits.recipients) return { reply: tooManyRecipients };
    if (this.#onlyOneRecipient && this.#recipients.length > 0) return { reply: tooManyRecipients };
    const refusal = this.#early(this.#run?.rcpt(path.address));
    const refused = refusal && (await this.#answerTime.within(refusal, { reply: timedOut }));
    if (refused) return refused;
    if (this.#settings.envelope === 'deferred') return { reply: recipientAccepted };
    return { reply: await this.#bounded(this.#delivery.rcpt(line)) };
  }

  /** What is passed on whatever becomes of that which comes before it. */
  #surelyPassed({ recipients, data }: Pipelined): Pipelined {
    const most = this.#onlyOneRecipient ? 1 : this.#settings.limits.recipients;
    const passed = recipients.slice(0, this.#run?.hearsRecipients ? 0 : most);
    const all = passed.length > 0 && passed.length === recipients.length;
    return { recipients: passed, data: data && all && this.#surelySent && !this.#noRoom };
  }

  /** Whether every message that is taken goes downstream, whatever is found of it. */
  get #surelySent(): boolean {
    return this.#checksOnlyLook && this.#settings.policy.acceptsAll;
  }

  /** Whether no further message should begin. */
  get #noRoom(): boolean {
    return this.#settings.spool.budget?.full ?? false;
  }

  /** One reply cannot stand for several recipients' own replies without loss or duplicates. */
  get #onlyOneRecipient(): boolean {
    return this.#start.protocol === 'smtp' && this.#lmtpOut;
  }

  /** How a check refuses the envelope; undefined when no check wants to be heard. */
  #early(
    proposal: Promise<Proposal | undefined> | undefined,
  ): Promise<EnvelopeAnswer | undefined> | undefined {
    const { policy, mode } = this.#settings;
    return proposal?.then((said) => said && policy.decideEarly(said, mode));
  }

  /** DATA: 354, or why not; after a 354 come `write` and `finish`. */
  data(): Reply {
    if (this.#recipients.length === 0) {
      this.#delivery.withdraw();
      return this.#start.protocol === 'lmtp' ? noLmtpRecipients : noRecipients;
    }
    const refusal = this.#delivery.broken ?? (this.#noRoom ? notStored : undefined);
    if (refusal) {
      this.#delivery.withdraw();
      this.#record.refusedData(refusal);
      return refusal;
    }
    this.#state = 'content';
    this.#record.phase('receive');
    return goAhead;
  }

  /**
   * Takes content, dots un-stuffed.
   *
   * @returns a promise where the next piece should wait for it
   */
  write(chunk: Buffer): Promise<void> | undefined {
    return this.#state === 'content' ? this.#content.write(chunk) : undefined;
  }

  /**
   * The content has ended: judges the message, relays it, and tells what became of it.
   *
   * @returns one reply in SMTP, in LMTP one for each accepted recipient, in order
   */
  async finish(): Promise<readonly Reply[]> {
    if (this.#state !== 'content') return [internalError];
    this.#answerTime.begin();
    this.#record.sizeBytes = this.#content.sizeBytes;
    this.#concluding = true;
    const work = this.#conclude()
      .catch((error: unknown) => this.#explain(error))
      .finally(() => this.#free());
    // Where the time is over: in LMTP some recipients' replies may have come, and stand.
    const replies = await this.#answerTime.within(work, this.#forAll(timedOut));
    this.#state = 'ended';
    this.#answerTime.end();
    this.#record.write(replies, this.#delivery.destination);
    return replies;
  }

  /** The transaction is over without its end of data: RSET, QUIT, or upstream is gone. */
  abort(reason: string): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#record.aborted(reason);
    this.#deadline.abort();
    this.#delivery.abandon();
    // While the end of data is worked on, `finish` frees and writes the record: it knows what became of it.
    if (this.#concluding) return;
    this.#free();
    this.#record.write([], this.#delivery.destination);
  }

  /** RSET, EHLO or QUIT between commands: as `abort`, but the downstream session can be used again. */
  reset(reason: string): void {
    if (this.#state === 'envelope') this.#delivery.end();
    this.abort(reason);
  }

  async #conclude(): Promise<readonly Reply[]> {
    if (this.#state === 'content') await this.#content.end();
    const { refusal } = this.#content;
    if (refusal) return this.#forAll(refusal);
    // Ended meanwhile: nobody hears it.
    if (this.#state !== 'content' || !this.#run) return this.#forAll(internalError);
    const { section } = this.#content;
    if (countReceived(section) > maxReceived) return this.#forAll(mailLoop(maxReceived));
    this.#record.phase('authenticate');
    if (this.#surelySent) {
      this.#delivery.announce();
      // It leaves before this process is busy with the message.
      await new Promise<void>(afterTurnEnd);
    }
    const outcome = await this.#run.finish(this.#deadline.signal);
    const { mode, listener, policy } = this.#settings;
    const decision = policy.decide({
      outcome,
      mode,
      listener,
      reversePath: this.#reversePath,
      header: section.fields,
    });
    const { disposition } = decision;
    this.#record.judged(outcome, decision);
    if (disposition.kind !== 'accept' && disposition.kind !== 'quarantine')
      return this.#forAll(disposition.reply);
    this.#record.phase('relay');
    return this.#relay(section, outcome, disposition);
  }

  /** No check has a say in what goes downstream, and nothing of it waits for the whole message. */
  get #checksOnlyLook(): boolean {
    const { authentication, envelope } = this.#settings;
    return envelope === 'passthrough' && !authentication.proposes;
  }

  async #relay(
    section: HeaderSection,
    outcome: Outcome,
    disposition: Disposition,
  ): Promise<readonly Reply[]> {
    const quarantine = disposition.kind === 'quarantine' ? disposition.fields : [];
    const added = [...outcome.fields, ...quarantine, this.#received()];
    const { chunks, rewritten, smuggling } = relayed(this.#content.spool, section, added, outcome.rewrite);
    if (smuggling) return this.#forAll(bareNewline);
    this.#record.rewritten(rewritten.length, outcome.sealed);
    return this.#settings.envelope === 'deferred' ? this.#sendWithEnvelope(chunks) : this.#send(chunks);
  }

  get #lmtpOut(): boolean {
    return this.#settings.pool.protocol === 'lmtp';
  }

  /** The downstream has the envelope, and has accepted it. */
  async #send(chunks: Chunks): Promise<readonly Reply[]> {
    const answers = await this.#delivery.send(chunks, this.#lmtpOut ? this.#recipients.length : 1);
    return this.#lmtpOut ? answers : this.#forAll(answers[0] ?? internalError);
  }

  /** The downstream has heard nothing of the envelope, which upstream was told is accepted. */
  async #sendWithEnvelope(chunks: Chunks): Promise<readonly Reply[]> {
    const lines = this.#recipients.map(({ line }) => line);
    const mail = await this.#delivery.mail(this.#mailLine, { recipients: lines, data: false });
    if (!isPositive(mail)) return this.#forAll(mail);
    const replies: Reply[] = [];
    for (const line of lines) replies.push(await this.#delivery.rcpt(line));
    const refused = replies.find((reply) => !isPositive(reply));
    const left = replies.filter(isPositive).length;
    // In SMTP one reply speaks for all: one recipient refused refuses the message. LMTP has one for each.
    if (refused && (this.#start.protocol === 'smtp' || left === 0)) {
      return this.#start.protocol === 'smtp' ? [refused] : replies;
    }
    const answers = await this.#delivery.send(chunks, this.#lmtpOut ? left : 1);
    if (this.#start.protocol === 'smtp') return answers;
    let next = 0;
    return replies.map((reply) => {
      if (!isPositive(reply)) return reply;
      return answers[this.#lmtpOut ? next++ : 0] ?? internalError;
    });
  }

  #received(): string {
    const { client, extended, encrypted, protocol } = this.#start;
    const [only, ...others] = this.#recipients;
    const secure = encrypted ? 'S' : '';
    const lmtp = protocol === 'lmtp';
    const received = {
      client,
      by: this.#settings.hostname,
      id: this.id,
      date: new Date(),
      with: this.#smtputf8
        ? (`UTF8${lmtp ? 'LMTP' : 'SMTP'}${secure}` as const)
        : extended
          ? (`${lmtp ? 'LMTP' : 'ESMTP'}${secure}` as const)
          : ('SMTP' as const),
    };
    return receivedField(only && others.length === 0 ? { ...received, for: only.address } : received);
  }

  /** The same reply for everybody who waits for one. */
  #forAll(reply: Reply): readonly Reply[] {
    return this.#start.protocol === 'lmtp' ? this.#recipients.map(() => reply) : [reply];
  }

  #refuseMail(reply: Reply): Reply {
    // Aborted meanwhile: all is freed and written already.
    if (this.#state === 'ended') return reply;
    this.#state = 'ended';
    this.#free();
    this.#record.write([reply], this.#delivery.destination);
    return reply;
  }

  #explain(error: unknown): readonly Reply[] {
    if (error instanceof SpoolError) {
      this.#record.failure('spool', error);
      return this.#forAll(notStored);
    }
    this.#record.failure('internal', error);
    return this.#forAll(failureReply(error));
  }

  #free(): void {
    this.#run?.abort();
    this.#delivery.end();
    this.#content.dispose();
    this.#answerTime.end();
  }

  #bounded(reply: Promise<Reply>): Promise<Reply> {
    return this.#answerTime.within(reply, timedOut);
  }

  /** Upstream is answered without what is still worked on; the downstream session is closed. */
  #late(): void {
    this.#record.failure('deadline', new Error(`no answer within ${this.#settings.limits.answerMs} ms`));
    this.#deadline.abort();
    this.#delivery.destroy(timedOut);
  }
}
