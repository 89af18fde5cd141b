// Listens to one check in one transaction: its questions to DNS, and the facts that it tells.
import type { ResolveFunction } from '../../dns/resolver.ts';
import type { Result } from '../result.ts';
import type { CheckExplanation, ExplainedFact, ExplainedQuestion } from './explanation.ts';
import { cutText, toPlain } from './plain.ts';

/** A story has an end: of a message that makes a check ask and find more, the beginning is told. */
const maxEntries = 200;
const maxCharacters = 64 * 1024;

/** The ears of one check. */
export class Explainer {
  readonly #check: string;
  readonly #questions: ExplainedQuestion[] = [];
  readonly #facts: ExplainedFact[] = [];
  /** Questions with their answers, to tell each once: the cache makes it cheap to ask again. */
  readonly #told = new Set<string>();
  #charactersLeft = maxCharacters;
  #omitted = 0;
  /** Asks, and keeps what came of it. */
  readonly resolve: ResolveFunction;

  /** @param begunMs when the transaction began, by `performance.now()` */
  constructor(check: string, resolve: ResolveFunction, begunMs: number) {
    this.#check = check;
    const asking: ResolveFunction = async (name, type) => {
      const askedMs = performance.now();
      const startMilliseconds = tenths(askedMs - begunMs);
      const keep = (outcome: Pick<ExplainedQuestion, 'answer' | 'failure'>) => {
        const milliseconds = tenths(performance.now() - askedMs);
        this.#keepQuestion({ name: cutText(name), type, startMilliseconds, milliseconds, ...outcome });
      };
      try {
        const answer = await resolve(name, type);
        keep({ answer: toPlain(answer) });
        return answer;
      } catch (error) {
        keep({ failure: cutText(String(error instanceof Error && 'code' in error ? error.code : error)) });
        throw error;
      }
    };
    this.resolve = asking;
  }

  readonly explain = (fact: string, value: unknown): void => {
    this.#keep(this.#facts, { fact, value: toPlain(value) });
  };

  /** The story so far. */
  explanation(results: readonly Result[]): CheckExplanation {
    return {
      check: this.#check,
      questions: [...this.#questions],
      facts: [...this.#facts],
      ...(this.#omitted > 0 && { omitted: this.#omitted }),
      results,
    };
  }

  #keepQuestion(question: ExplainedQuestion): void {
    const { name, type, answer = null, failure = null } = question;
    const key = JSON.stringify([name.toLowerCase(), type, answer, failure]);
    if (this.#told.has(key)) return;
    if (this.#keep(this.#questions, question)) this.#told.add(key);
  }

  /** @returns whether there was room for it */
  #keep<Entry>(list: Entry[], entry: Entry): boolean {
    const characters = JSON.stringify(entry).length;
    if (list.length >= maxEntries || characters > this.#charactersLeft) {
      this.#omitted += 1;
      return false;
    }
    this.#charactersLeft -= characters;
    list.push(entry);
    return true;
  }
}

/** A tenth of a millisecond is as fine as anybody reads. */
function tenths(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
