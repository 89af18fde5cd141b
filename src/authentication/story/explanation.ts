// Why the verdicts fell: what each check asked, found and concluded, kept on request.

import type { Result } from '../result.ts';
import type { ClientClass } from '../subject.ts';
import type { Plain } from './plain.ts';

/** A question to DNS with what came of it. */
export interface ExplainedQuestion {
  readonly name: string;
  readonly type: string;
  /** When it was asked, counted from MAIL. */
  readonly startMilliseconds: number;
  /** How long its answer took. */
  readonly milliseconds: number;
  /** In the form of `dns.promises.resolve`; absent when there was none. */
  readonly answer?: Plain;
  /** The code of the failure (`ENOTFOUND`, `ETIMEOUT`...). */
  readonly failure?: string;
}

/** Something that a check found out on its way. */
export interface ExplainedFact {
  readonly fact: string;
  readonly value: Plain;
}

/** No check, but what is asked ahead for several of them while the message arrives; no check has such a name. */
export const askedAhead = 'asked ahead';

/** The way of one check, or of {@link askedAhead}. */
export interface CheckExplanation {
  readonly check: string;
  /** It says nothing about messages of such clients. */
  readonly skippedFor?: ClientClass;
  /** In the order of their answers; one that was asked again with the same answer is told once. */
  readonly questions: readonly ExplainedQuestion[];
  readonly facts: readonly ExplainedFact[];
  /** Questions and facts beyond what is kept. */
  readonly omitted?: number;
  readonly results: readonly Result[];
}

/** The whole story of a message's authentication, one entry for each check. */
export type Explanation = readonly CheckExplanation[];
