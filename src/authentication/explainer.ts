// Listens to one check in one transaction: its questions to DNS, and the facts that it tells.
import type { ResolveFunction } from '../dns/resolver.ts';
import type { CheckExplanation, ExplainedFact, ExplainedQuestion } from './explanation.ts';
import type { Result } from './result.ts';

/** A story has an end: a message that makes a check ask more is told with its beginning. */
const maxEntries = 200;

/** The ears of one check. */
export class Explainer {
  readonly #check: string;
  readonly #questions: ExplainedQuestion[] = [];
  readonly #facts: ExplainedFact[] = [];
  /** Asks, and keeps what came of it. */
  readonly resolve: ResolveFunction;

  constructor(check: string, resolve: ResolveFunction) {
    this.#check = check;
    this.resolve = async (name, type) => {
      const begun = performance.now();
      const keep = (answer: ExplainedQuestion['answer']) => {
        const milliseconds = Math.round((performance.now() - begun) * 10) / 10;
        if (this.#questions.length < maxEntries) this.#questions.push({ name, type, answer, milliseconds });
      };
      try {
        const answer = await resolve(name, type);
        keep(structuredClone(answer));
        return answer;
      } catch (error) {
        keep(error instanceof Error && 'code' in error ? String(error.code) : String(error));
        throw error;
      }
    };
  }

  readonly explain = (fact: string, value: unknown): void => {
    if (this.#facts.length < maxEntries) this.#facts.push({ fact, value });
  };

  /** The story so far. */
  explanation(results: readonly Result[]): CheckExplanation {
    return { check: this.#check, questions: [...this.#questions], facts: [...this.#facts], results };
  }
}
