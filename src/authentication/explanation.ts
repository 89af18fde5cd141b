// Why the verdicts fell: what each check asked, found and concluded, kept on request.
import type { Answer } from '../dns/zone.ts';
import type { Result } from './result.ts';

/** A question to DNS with what came of it. */
export interface ExplainedQuestion {
  readonly name: string;
  readonly type: string;
  /** The answer, or the code of the failure (`ENOTFOUND`, `ETIMEOUT`...). */
  readonly answer: Answer | string;
  readonly milliseconds: number;
}

/** Something that a check found out on its way. */
export interface ExplainedFact {
  readonly fact: string;
  readonly value: unknown;
}

/** The way of one check. */
export interface CheckExplanation {
  readonly check: string;
  readonly questions: readonly ExplainedQuestion[];
  readonly facts: readonly ExplainedFact[];
  readonly results: readonly Result[];
}

/** The whole story of a message's authentication, one entry for each check that was carried out. */
export type Explanation = readonly CheckExplanation[];
