// One check in the course of a transaction: whatever it does at a stage, there is a finding, and there is one in time.
import type { ResolveFunction } from '../dns/resolver.ts';
import type { AddedField, Finding, Found, Proposal, Stages } from './check.ts';
import type { ConfiguredCheck } from './checks.ts';
import type { Result } from './result.ts';
import type { Explainer } from './story/explainer.ts';

/** What a check left in the course of a transaction. */
export interface CheckFindings {
  readonly check: ConfiguredCheck;
  readonly results: readonly Result[];
  readonly fields: readonly AddedField[];
  readonly proposals: readonly Proposal[];
}

/** What a course is told. */
export interface CourseOptions {
  /** Settles when nobody waits any longer: what is still at work then is a `temperror`. */
  readonly stopped: Promise<void>;
  /** Asks for names, within the time that the check has for it. */
  readonly resolve: ResolveFunction;
  /** Present where the story is kept. */
  readonly explainer: Explainer | undefined;
  /** A stage threw. */
  readonly report: (error: unknown, check: string) => void;
}

/** What one stage gives. */
interface StageFinding {
  /** Undefined as long as it is at work. */
  finding: Finding | undefined;
  /** Resolves when it is not any more; absent where it never waited. */
  ended?: Promise<void>;
  /** Stage `rcpt`: whom it is about. */
  readonly recipient: string | undefined;
}

/** The way of one check. */
export class Course {
  readonly check: ConfiguredCheck;
  readonly #options: CourseOptions;
  /** In the order of the stages. */
  readonly #found: StageFinding[] = [];
  /** It threw: it is not asked again. */
  #broken = false;
  /** Nobody waits any longer. */
  #over = false;

  constructor(check: ConfiguredCheck, options: CourseOptions) {
    this.check = check;
    this.#options = options;
    void options.stopped.then(() => {
      this.#over = true;
      for (const stage of this.#found) conclude(stage, this.#late());
    });
  }

  /** How many stages have begun. */
  get begun(): number {
    return this.#found.length;
  }

  /** Begins a stage, if the check takes part in it. */
  start<Stage extends keyof Stages>(stage: Stage, context: Stages[Stage], recipient?: string): void {
    const work = this.check.stages[stage];
    if (!work || this.#broken) return;
    const { explainer, resolve } = this.#options;
    const { explain = context.explain } = explainer ?? {};
    const own = { ...context, resolve: explainer?.resolve ?? resolve, explain };
    const stageFinding: StageFinding = { finding: this.#over ? this.#late() : undefined, recipient };
    this.#found.push(stageFinding);
    try {
      const found = work(own);
      if (found === undefined || Array.isArray(found)) conclude(stageFinding, toFinding(found));
      else stageFinding.ended = this.#await(stageFinding, found);
    } catch (error) {
      conclude(stageFinding, this.#failure(error));
    }
  }

  /** What it would do with the transaction, by what it has found in the stages that have begun since there were `since`. */
  proposal(since: number): Proposal | undefined {
    const found = this.#found.slice(since).map(({ finding }) => finding?.disposition);
    return found.find((disposition) => disposition !== undefined);
  }

  /**
   * Waits for the stages that are at work, as long as somebody does.
   *
   * @param since those that have begun since there were so many
   * @returns undefined where none is; never rejects
   */
  settled(since = 0): Promise<unknown> | undefined {
    const working = this.#found.flatMap(({ finding, ended }, i) =>
      i < since || finding || !ended ? [] : ended,
    );
    return working.length > 0 ? Promise.race([Promise.all(working), this.#options.stopped]) : undefined;
  }

  /**
   * What it has found by now.
   *
   * @param recipients those that were accepted: what was said about others is no matter of the message's
   */
  findings(recipients: readonly string[]): CheckFindings {
    const counting = this.#found.filter(
      ({ recipient }) => recipient === undefined || recipients.includes(recipient),
    );
    return {
      check: this.check,
      results: this.#found.flatMap(({ finding }) => finding?.results ?? []),
      fields: this.#found.flatMap(({ finding }) => finding?.fields ?? []),
      proposals: counting.flatMap(({ finding }) => finding?.disposition ?? []),
    };
  }

  /** The story so far, where it is kept. */
  explanation(results: readonly Result[]) {
    return this.#options.explainer?.explanation(results);
  }

  /** Never rejects. */
  async #await(stage: StageFinding, found: Found | Promise<Found>): Promise<void> {
    try {
      conclude(stage, toFinding(await found));
    } catch (error) {
      conclude(stage, this.#failure(error));
    }
  }

  #failure(error: unknown): Finding {
    // Stages that began before it broke may fail as well, one for each field of the message.
    if (this.#broken) return {};
    this.#broken = true;
    const { name } = this.check;
    this.#options.report(error, name);
    return temporaryError(name, 'the check failed');
  }

  #late(): Finding {
    return temporaryError(this.check.name, 'the check ran out of time');
  }
}

/** What was found first stays: one that comes when nobody waits any longer does not count. */
function conclude(stage: StageFinding, finding: Finding): void {
  stage.finding ??= finding;
}

function toFinding(found: Found): Finding {
  if (found === undefined) return {};
  return 'length' in found ? { results: found } : found;
}

function temporaryError(method: string, reason: string): Finding {
  return { results: [{ method, value: 'temperror', reason, properties: [] }] };
}
