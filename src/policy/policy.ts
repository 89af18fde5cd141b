// From results to what happens with the message: the rules, the checks' own proposals, then the ready-made part.
import { basename } from 'node:path';
import type { Proposal } from '../authentication/check.ts';
import { type Log, silentLog } from '../telemetry/log.ts';
import { type Disposition, dispositionOf, type Refusal } from './disposition.ts';
import { type DecisionInput, Facts } from './facts.ts';
import { ReadyMade } from './ready-made.ts';
import { RuleFile, type RuleSource } from './rule-file.ts';
import type { Rule } from './rule-schema.ts';
import { type ReadyRule, readyRules } from './rules.ts';
import type { PolicyOptions } from './schema.ts';

export type { Disposition, Refusal } from './disposition.ts';
export type { DecisionInput } from './facts.ts';

/** What was decided. */
export interface Decision {
  readonly disposition: Disposition;
  /** What it would have been, were this not a dry run. */
  readonly dry?: Disposition;
  /** Name of the rule that decided, if one did. */
  readonly rule?: string;
}

/** What a policy has besides its options. */
export interface PolicyEnvironment {
  /** More rules, after those of the options. */
  readonly ruleFile?: RuleSource;
  readonly log?: Log;
  readonly clock?: () => Date;
}

const refusedText: Readonly<Partial<Record<Proposal['kind'], string>>> = {
  reject: 'Message rejected by local policy',
  tempfail: 'Message put off by local policy, try again later',
};

/** Decides what happens with messages; the same for all listeners. `open` once, `close` once. */
export class Policy {
  readonly #options: Omit<PolicyOptions, 'rulesFile'>;
  readonly #log: Log;
  readonly #clock: () => Date;
  readonly #readyMade: ReadyMade;
  readonly #own: readonly ReadyRule[];
  readonly #file: RuleFile | undefined;
  #more: readonly ReadyRule[] = [];

  constructor(options: Omit<PolicyOptions, 'rulesFile'>, environment: PolicyEnvironment = {}) {
    const { ruleFile, log = silentLog, clock = () => new Date() } = environment;
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
    this.#readyMade = new ReadyMade(options);
    this.#own = readyRules(options.rules, 'policy.rules');
    if (!ruleFile) return;
    const ready = (rules: readonly Rule[]) => readyRules(rules, basename(ruleFile.path));
    this.#more = ready(ruleFile.rules);
    this.#file = new RuleFile(ruleFile, log, (rules) => {
      this.#more = ready(rules);
      this.#warnOfExpired(this.#more);
    });
  }

  /** Follows the file of rules from now on, and tells which rules are over. */
  open(): void {
    this.#warnOfExpired([...this.#own, ...this.#more]);
    this.#file?.open();
  }

  /** Stops following the file. */
  close(): void {
    this.#file?.close();
  }

  /** Whether every message is accepted, whatever is found of it, unless a check proposes something else. */
  get acceptsAll(): boolean {
    if (this.#options.dryRun) return true;
    return this.#own.length === 0 && this.#more.length === 0 && this.#readyMade.acceptsAll;
  }

  /** Decides what is done with a message of which all is known. */
  decide(input: DecisionInput): Decision {
    const { disposition, rule } = this.#judge(new Facts(input));
    const named = rule === undefined ? {} : { rule };
    if (!this.#options.dryRun) return { disposition, ...named };
    return { disposition: { kind: 'accept' }, dry: disposition, ...named };
  }

  /**
   * Decides what a check proposes at MAIL or RCPT.
   *
   * @returns what refuses it; undefined: it goes on, and the end of the message decides
   */
  decideEarly(proposal: Proposal, mode: DecisionInput['mode']): Refusal | undefined {
    if (this.#options.dryRun) return undefined;
    const disposition = dispositionOf(proposal, this.#mayReject(mode));
    return disposition.kind === 'reject' || disposition.kind === 'tempfail' ? disposition : undefined;
  }

  #judge(facts: Facts): Pick<Decision, 'disposition' | 'rule'> {
    const { outcome, mode } = facts.input;
    const mayReject = this.#mayReject(mode);
    const now = this.#clock();
    const applies = (rule: ReadyRule) => rule.applies(facts, now);
    const rule = this.#own.find(applies) ?? this.#more.find(applies);
    if (rule) {
      const { action, label } = rule;
      // Its name is for those who run this, not for those whose mail it refuses.
      const text = action.text ?? explainedBySender(rule, facts) ?? refusedText[action.kind];
      return {
        disposition: dispositionOf({ ...action, text, reason: `rule ${label}` }, mayReject),
        rule: label,
      };
    }
    const [proposal] = outcome.proposals;
    return {
      disposition: proposal ? dispositionOf(proposal, mayReject) : this.#readyMade.decide(facts, mayReject),
    };
  }

  /** After the queue a reject makes the upstream send a bounce, to a sender who is often forged. */
  #mayReject(mode: DecisionInput['mode']): boolean {
    return mode === 'before-queue' || this.#options.rejectAfterQueue;
  }

  #warnOfExpired(rules: readonly ReadyRule[]): void {
    const now = this.#clock();
    for (const { label, until } of rules) {
      if (until && now >= until) this.#log.warn('policy rule has expired', { rule: label, until });
    }
  }
}

/**
 * What the sender's domain says to those whom SPF does not authorise (RFC 7208 §6.2), for a rule about just
 * that: a stranger's text, which the spf check gives as the reason only where it is allowed.
 */
function explainedBySender({ action, methods }: ReadyRule, { input }: Facts): string | undefined {
  if (action.kind !== 'reject' || !methods.includes('spf')) return undefined;
  const failed = input.outcome.results.find(({ method, value }) => method === 'spf' && value === 'fail');
  return failed?.reason === undefined ? undefined : `SPF check failed; ${failed.reason}`;
}
