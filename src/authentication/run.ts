// The checks of one transaction: each stage begins when its question is known, and ends in any case.
import type { ResolveFunction } from '../dns/resolver.ts';
import type {
  Client,
  ClientClass,
  EndOfHeadersContext,
  HeaderField,
  MailContext,
  Notes,
  Proposal,
  Resolve,
  Stages,
} from './check.ts';
import type { ConfiguredCheck } from './checks.ts';
import { readUpstreamReceived, type Upstream, type UpstreamReceived } from './client/upstream-received.ts';
import { type CheckFindings, Course } from './course.ts';
import { isListMail } from './dmarc/mailing-list.ts';
import { MessageReader } from './signatures/message-reader.ts';
import { Explainer } from './story/explainer.ts';
import { askedAhead, type CheckExplanation, type Explanation } from './story/explanation.ts';

/** What a run is told. */
export interface RunOptions {
  readonly checks: readonly ConfiguredCheck[];
  /** As the checks see it. */
  readonly client: Client;
  /** As long as nothing shows that it logged in. */
  readonly clientClass: ClientClass;
  /** As the upstream told it, which the upstream's own Received repeats. */
  readonly forwardedClient: Client;
  /** Absent: its Received is not believed. */
  readonly upstream?: Upstream;
  readonly hostname: string;
  readonly listener: string;
  /** What the checks have after the last byte of the message; by then they only wait for names. */
  readonly finishMs: number;
  readonly resolver: { forTransaction(signal: AbortSignal): ResolveFunction };
  /** Whether the story is kept. */
  readonly explain: boolean;
  readonly now: () => Date;
  readonly report: (error: unknown, check: string, transaction: string | undefined) => void;
  /** Its id, for reports. */
  readonly transaction: string | undefined;
}

/** Made once: to note where it was made takes longer than all that is stopped by it. */
const overReason = new Error('the transaction is over');

/** The check whose answer a forger would most like to be late: it has time of its own when that of all others is over. */
const decisive = 'dmarc';
const decisiveMs = 3000;

/** A check, and how many of its stages had begun when it was asked. */
interface Mark {
  readonly course: Course;
  readonly since: number;
}

/** The checks of one transaction. */
export class Run {
  readonly #options: RunOptions;
  readonly #notes: Notes = new Map();
  readonly #over = new AbortController();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #decisiveStopped = Promise.withResolvers<void>();
  readonly #recipients: string[] = [];
  /** Those that have once not answered before patience ended. */
  readonly #slow = new Set<Course>();
  /** For the questions that are asked once for all checks that read the signatures. */
  readonly #readerExplainer: Explainer | undefined;
  #courses: readonly Course[];
  #context: MailContext;
  #endOfHeaders: EndOfHeadersContext | undefined;
  #reader: MessageReader | undefined;
  #clientClass: ClientClass;
  #listMail = false;
  #headerKnown = false;

  constructor(options: RunOptions) {
    this.#options = options;
    const { clientClass, client, hostname, listener, now } = options;
    this.#clientClass = clientClass;
    const signal = this.#over.signal;
    const { explain: explained, report, resolver, transaction } = options;
    // MAIL is where a run begins, and with it the transaction.
    const begunMs = performance.now();
    this.#courses = options.checks
      .filter(({ skippedFor }) => !skippedFor.includes(clientClass))
      .map((check) => {
        // Each waits on its own account: strangers' slow names must not leave the author's policy unknown.
        const resolve = resolver.forTransaction(signal);
        const explainer = explained ? new Explainer(check.name, resolve, begunMs) : undefined;
        const reportOpen = (error: unknown, name: string) => {
          if (!signal.aborted) report(error, name, transaction);
        };
        const { promise: stopped } = check.name === decisive ? this.#decisiveStopped : this.#stopped;
        return new Course(check, { stopped, resolve, explainer, report: reportOpen });
      });
    const resolve = resolver.forTransaction(signal) as Resolve;
    this.#readerExplainer = explained ? new Explainer(askedAhead, resolve, begunMs) : undefined;
    const explain = () => {};
    const notes = this.#notes;
    const known = { client, hostname, listener, reversePath: '' };
    this.#context = { ...known, resolve, signal, notes, now, explained, explain };
    this.#start('connect', this.#context);
    this.#start('helo', this.#context);
  }

  /** As the checks know it. */
  get context(): MailContext {
    return this.#context;
  }

  /** How far the client is trusted; final when the header section is known. */
  get clientClass(): ClientClass {
    return this.#clientClass;
  }

  /** Whether the message came through a mailing list. */
  get listMail(): boolean {
    return this.#listMail;
  }

  /** The story so far; empty unless it is kept. */
  explanation(findings: readonly CheckFindings[]): Explanation {
    if (!this.#readerExplainer) return [];
    const checks = this.#options.checks.map((check): CheckExplanation => {
      const course = this.#courses.find((each) => each.check === check);
      const results = findings.find((each) => each.check === check)?.results ?? [];
      const silent = { check: check.name, skippedFor: this.#clientClass, questions: [], facts: [], results };
      return course?.explanation(results) ?? silent;
    });
    return [this.#readerExplainer.explanation([]), ...checks];
  }

  /**
   * @param reversePath Unicode, '' for the null reverse-path
   * @returns what a check would do with the transaction, where one has a say as early as this
   */
  mail(reversePath: string): Promise<Proposal | undefined> | undefined {
    this.#context = { ...this.#context, reversePath };
    this.#start('mail', this.#context);
    return this.#early(
      this.#courses.map((course) => ({ course, since: 0 })),
      ['connect', 'helo', 'mail'],
    );
  }

  /** Whether a check takes part in the stage `rcpt`. */
  get hearsRecipients(): boolean {
    return this.#asks('rcpt');
  }

  /** @returns what a check would do with this recipient, where one has a say as early as this */
  rcpt(recipient: string): Promise<Proposal | undefined> | undefined {
    if (!this.hearsRecipients) return undefined;
    const marks = this.#courses.map((course) => ({ course, since: course.begun }));
    this.#start('rcpt', { ...this.#context, recipient }, recipient);
    return this.#early(marks, ['rcpt']);
  }

  /** The downstream accepted this recipient. */
  accepted(recipient: string): void {
    this.#recipients.push(recipient);
  }

  /** The header section is complete. */
  header(fields: readonly HeaderField[]): void {
    if (this.#over.signal.aborted || this.#headerKnown) return;
    this.#headerKnown = true;
    const { upstream, forwardedClient } = this.#options;
    const readers = this.#asks('endOfHeaders') || this.#asks('endOfMessage');
    const received =
      upstream && (readers || this.#believesLogin)
        ? readUpstreamReceived(fields, forwardedClient, upstream)
        : undefined;
    this.#classify(received);
    this.#listMail = isListMail(fields);
    if (this.#asks('header')) for (const field of fields) this.#start('header', { ...this.#context, field });
    if (!readers) return;
    const { now } = this.#context;
    const resolve = this.#readerExplainer?.resolve ?? this.#context.resolve;
    this.#reader = new MessageReader({ header: fields, resolve, now: now() });
    this.#endOfHeaders = {
      ...this.#context,
      clientClass: this.#clientClass,
      recipients: this.#recipients,
      header: fields,
      received,
      verification: this.#reader.verification,
    };
    this.#start('endOfHeaders', this.#endOfHeaders);
  }

  /**
   * The next bytes of the body; the header section comes before.
   *
   * @param chunk is not kept by anybody
   */
  body(chunk: Buffer): void {
    if (this.#over.signal.aborted) return;
    if (this.#asks('body')) this.#start('body', { ...this.#context, chunk });
    this.#reader?.write(chunk);
  }

  /** @returns what all checks found, in their order; for a message whose header never came, with an empty one */
  async finish(signal: AbortSignal | undefined): Promise<readonly CheckFindings[]> {
    const stop = () => this.#stop();
    const { finishMs } = this.#options;
    const timer = setTimeout(() => this.#stopped.resolve(), finishMs);
    const lastTimer = setTimeout(stop, finishMs + decisiveMs);
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    try {
      this.header([]);
      this.#reader?.end();
      const courses = this.#courses;
      await Promise.all(courses.map((course) => course.settled()));
      const findings = courses.map((course) => course.findings(this.#recipients));
      const last = this.#endOfHeaders;
      if (!last) return findings;
      for (const [i, course] of courses.entries()) {
        if (!course.check.stages.endOfMessage) continue;
        const results = findings.flatMap((each) => each.results);
        course.start('endOfMessage', { ...last, results });
        await course.settled();
        findings[i] = course.findings(this.#recipients);
      }
      return findings;
    } finally {
      clearTimeout(timer);
      clearTimeout(lastTimer);
      signal?.removeEventListener('abort', stop);
      this.abort();
    }
  }

  abort(): void {
    this.#stop();
    this.#over.abort(overReason);
    this.#reader?.destroy(overReason);
  }

  /** Nobody waits for any check any longer. */
  #stop(): void {
    this.#stopped.resolve();
    this.#decisiveStopped.resolve();
  }

  /** What is known of the client only now may silence checks that have begun. */
  #classify(received: UpstreamReceived | undefined): void {
    if (!this.#believesLogin || !received?.authenticated) return;
    this.#clientClass = 'authenticated';
    this.#courses = this.#courses.filter(({ check }) => !check.skippedFor.includes('authenticated'));
  }

  get #believesLogin(): boolean {
    return this.#options.checks.some(({ name }) => name === 'auth');
  }

  /** Whether any check takes part in the stage. */
  #asks(stage: keyof Stages): boolean {
    return this.#courses.some(({ check }) => check.stages[stage]);
  }

  #start<Stage extends keyof Stages>(stage: Stage, context: Stages[Stage], recipient?: string): void {
    for (const course of this.#courses) course.start(stage, context, recipient);
  }

  /** What checks with a say of their own think of what is known so far; undefined when there is none. */
  #early(
    marks: readonly Mark[],
    stages: readonly (keyof Stages)[],
  ): Promise<Proposal | undefined> | undefined {
    const asked = marks.filter(
      ({ course: { check } }) => check.proposes && stages.some((stage) => check.stages[stage]),
    );
    return asked.length === 0 ? undefined : this.#hear(asked);
  }

  /** Whoever is still thinking when patience ends is heard at the end of the message, if that is soon enough, and not waited for before. */
  async #hear(asked: readonly Mark[]): Promise<Proposal | undefined> {
    const awaited = asked.filter(({ course }) => !this.#slow.has(course));
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      for (const { course, since } of awaited) if (course.settled(since)) this.#slow.add(course);
      patience.resolve();
    }, this.#options.finishMs);
    await Promise.race([
      Promise.all(awaited.map(({ course, since }) => course.settled(since))),
      patience.promise,
    ]);
    clearTimeout(timer);
    return asked
      .map(({ course, since }) => course.proposal(since))
      .find((proposal) => proposal !== undefined);
  }
}
