// Rules at work: which of them applies to a message.
import { createHash } from 'node:crypto';
import { DomainPatterns } from '../smtp/domains.ts';
import { Networks } from '../smtp/networks.ts';
import type { Facts } from './facts.ts';
import type { Action, Rule } from './rule-schema.ts';

/** A rule that is ready to be asked. */
export interface ReadyRule {
  /** Its name, or its place in the list. */
  readonly label: string;
  readonly action: Action;
  readonly until: Date | undefined;
  /** The methods whose results it asks for, in lower case. */
  readonly methods: readonly string[];
  applies(facts: Facts, now: Date): boolean;
}

/**
 * Gets rules ready.
 *
 * @param list where they stand, for those without a name, such as `rules`
 */
export function readyRules(rules: readonly Rule[], list: string): readonly ReadyRule[] {
  return rules.map((rule, i) => readyRule(rule, rule.name ?? `${list}[${i}]`));
}

function readyRule(rule: Rule, label: string): ReadyRule {
  const { until, percent = 100 } = rule;
  const conditions = conditionsOf(rule.when);
  // Rules are drawn independently of each other, and a larger share holds all of a smaller one.
  const seed = rule.name ?? JSON.stringify([rule.when, rule.then]);
  return {
    label,
    action: rule.then,
    until,
    methods: Object.keys(rule.when.results ?? {}).map((method) => method.toLowerCase()),
    applies: (facts, now) =>
      (until === undefined || now < until) &&
      conditions.every((holds) => holds(facts)) &&
      (percent === 100 || share(seed, facts.key) < percent),
  };
}

/** @returns a number from 0 to below 100, always the same for the same texts */
function share(seed: string, key: string): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, key]))
    .digest();
  return (digest.readUInt32BE(0) / 2 ** 32) * 100;
}

type Condition = (facts: Facts) => boolean;

/** One for each key that is there: an absent one holds always. */
function conditionsOf(when: Rule['when']): readonly Condition[] {
  const { results, from, mailFrom, dkim, networks, helo, clients, listener, list } = when;
  return [
    listener && (({ input }: Facts) => listener.includes(input.listener)),
    clients && (({ input }: Facts) => clients.includes(input.outcome.clientClass)),
    list !== undefined && (({ input }: Facts) => input.outcome.listMail === list),
    networks && clientOn(networks),
    helo && heloAmong(helo),
    results && resultsAre(results),
    mailFrom && senderAmong(mailFrom),
    dkim && anyAmong(dkim, ({ signers }) => signers),
    from && anyAmong(from, ({ authors }) => authors),
  ].filter((condition) => typeof condition === 'function');
}

function clientOn(texts: readonly string[]): Condition {
  const networks = new Networks(texts);
  return ({ input }) => input.outcome.client.ip !== undefined && networks.includes(input.outcome.client.ip);
}

function heloAmong(names: readonly string[]): Condition {
  const patterns = new DomainPatterns(names);
  return ({ input }) => {
    const { helo } = input.outcome.client;
    return helo !== undefined && patterns.includes(helo.toLowerCase().replace(/\.$/, ''));
  };
}

/** A method may have several results, as dkim has one for each signature: one of them is enough. */
function resultsAre(wanted: NonNullable<Rule['when']['results']>): Condition {
  const all = Object.entries(wanted).map(([method, values]) => ({ method: method.toLowerCase(), values }));
  return ({ input }) =>
    all.every(({ method, values }) =>
      input.outcome.results.some(
        (result) => result.method.toLowerCase() === method && values.includes(result.value),
      ),
    );
}

function senderAmong(texts: readonly string[]): Condition {
  const whole = new Set(texts);
  const domains = new DomainPatterns(texts.filter((text) => text !== '<>' && !text.includes('@')));
  return ({ sender }) => domains.includes(sender.domain) || whole.has(sender.address);
}

function anyAmong(texts: readonly string[], of: (facts: Facts) => readonly string[]): Condition {
  const patterns = new DomainPatterns(texts);
  return (facts) => of(facts).some((domain) => patterns.includes(domain));
}
