// The primary's observatory as the process that serves HTTP sees it: each question is a message.
import type { Observatory, Readiness, WorkerStatus } from '../telemetry/status.ts';
import type { Story, StorySummary } from '../telemetry/trace.ts';
import { Followers } from './followers.ts';
import type { FromHttp, ToHttp, TotalAnswers, TotalQuestion } from './http-messages.ts';

/** Nobody asks so much at the same time, but of a primary that does not answer. */
const mostQuestions = 1000;

type Answer = TotalAnswers[keyof TotalAnswers];
/** What is said of a transaction. */
type Said = Readonly<Record<string, unknown>>;

/** Asks by one channel; the primary's answers are bounded in time, and this process ends with it. */
export class RemoteObservatory implements Observatory {
  readonly #tell: (message: FromHttp) => void;
  readonly #questions = new Map<number, PromiseWithResolvers<Answer>>();
  readonly #followers = new Followers<Said>((on) => this.#tell({ kind: 'follow', on }));
  #lastQuestion = 0;

  constructor(tell: (message: FromHttp) => void) {
    this.#tell = tell;
  }

  status(): Promise<readonly WorkerStatus[]> {
    return this.#ask({ what: 'status' });
  }

  metrics(): Promise<string> {
    return this.#ask({ what: 'metrics' });
  }

  readiness(): Promise<Readiness> {
    return this.#ask({ what: 'readiness' });
  }

  stories(): Promise<readonly StorySummary[]> {
    return this.#ask({ what: 'stories' });
  }

  story(id: string): Promise<Story | undefined> {
    return this.#ask({ what: 'story', id });
  }

  follow(hear: (said: Said) => void, signal: AbortSignal): void {
    this.#followers.add(hear, signal);
  }

  /** What the primary says. */
  hear(message: Extract<ToHttp, { readonly kind: 'answer' | 'unknown' | 'records' }>): void {
    switch (message.kind) {
      case 'answer':
        this.#questions.get(message.id)?.resolve(message.answer);
        this.#questions.delete(message.id);
        break;
      case 'unknown':
        this.#questions.get(message.id)?.reject(new Error('the primary process has no answer'));
        this.#questions.delete(message.id);
        break;
      case 'records':
        for (const record of message.records) this.#followers.tell(JSON.parse(record) as Said);
        break;
    }
  }

  async #ask<What extends keyof TotalAnswers>(
    question: Extract<TotalQuestion, { readonly what: What }>,
  ): Promise<TotalAnswers[What]> {
    if (this.#questions.size >= mostQuestions) throw new Error('too many questions wait for an answer');
    const id = ++this.#lastQuestion;
    const asked = Promise.withResolvers<Answer>();
    this.#questions.set(id, asked);
    this.#tell({ kind: 'ask', id, question });
    // What is asked says what is answered.
    return (await asked.promise) as TotalAnswers[What];
  }
}
