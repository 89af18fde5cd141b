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
  readonly finding: Promise<Finding>;
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

  constructor(check: ConfiguredCheck, options: CourseOptions) {
    this.check = check;
    this.#options = options;
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
    this.#found.push({ finding: this.#guard(async () => work(own)), recipient });
  }

  /** What it would do with the transaction, by the stages that have begun since there were `since` of them. */
  async proposal(since: number): Promise<Proposal | undefined> {
    const findings = await Promise.all(this.#found.slice(since).map(({ finding }) => finding));
    return findings.find(({ disposition }) => disposition !== undefined)?.disposition;
  }

  /** @param recipients those that were accepted: what was said about others is no matter of the message's */
  async findings(recipients: readonly string[]): Promise<CheckFindings> {
    const found = this.#found;
    const findings = await Promise.all(found.map(({ finding }) => finding));
    const counting = findings.filter((_, i) => {
      const recipient = found[i]?.recipient;
      return recipient === undefined || recipients.includes(recipient);
    });
    return {
      check: this.check,
      results: findings.flatMap(({ results = [] }) => results),
      fields: findings.flatMap(({ fields = [] }) => fields),
      proposals: counting.flatMap(({ disposition }) => (disposition ? [disposition] : [])),
    };
  }

  /** The story so far, where it is kept. */
  explanation(results: readonly Result[]) {
    return this.#options.explainer?.explanation(results);
  }

  async #guard(stage: () => Promise<Found>): Promise<Finding> {
    const { name } = this.check;
    const late = this.#options.stopped.then(() => temporaryError(name, 'the check ran out of time'));
    const safe = stage().then(toFinding, (error: unknown) => {
      // Stages that began before it broke may fail as well, one for each field of the message.
      if (this.#broken) return {};
      this.#broken = true;
      this.#options.report(error, name);
      return temporaryError(name, 'the check failed');
    });
    return Promise.race([safe, late]);
  }
}

function toFinding(found: Found): Finding {
  if (found === undefined) return {};
  return 'length' in found ? { results: found } : found;
}

function temporaryError(method: string, reason: string): Finding {
  return { results: [{ method, value: 'temperror', reason, properties: [] }] };
}
