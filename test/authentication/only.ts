// One check alone: its configuration, and what it tells of its way.
import assert from 'node:assert/strict';
import type { Outcome } from '../../src/authentication/authentication.ts';

/** The `checks` section in which this check is the only one that is on. */
export function only(name: string, options: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const off = Object.fromEntries(
    ['iprev', 'auth', 'x-tls', 'spf', 'dkim', 'arc', 'dmarc'].map((each) => [each, false]),
  );
  return { ...off, [name]: options };
}

/** The facts that a check told, and its questions as `TYPE name`; for outcomes with `explain`. */
export function wayOf(
  outcome: Outcome,
  check: string,
): { facts: Record<string, unknown>; questions: string[] } {
  const told = outcome.explanation?.find((each) => each.check === check);
  assert.ok(told, `${check} told nothing`);
  return {
    facts: Object.fromEntries(told.facts.map(({ fact, value }) => [fact, value])),
    questions: told.questions.map(({ type, name }) => `${type} ${name}`),
  };
}
