// A message as the policy is told about it, changed as a test says, and the policy of a configuration's text.
import { parse } from 'yaml';
import type { Outcome } from '../../src/authentication/authentication.ts';
import type { Result, ResultValue } from '../../src/authentication/result.ts';
import type { DecisionInput } from '../../src/policy/facts.ts';
import { type Decision, Policy, type PolicyEnvironment } from '../../src/policy/policy.ts';
import { policySchema } from '../../src/policy/schema.ts';

export interface Message extends Partial<Omit<DecisionInput, 'outcome' | 'header'>> {
  readonly results?: readonly (readonly [string, ResultValue])[];
  /** Domains whose signatures passed. */
  readonly signedBy?: readonly string[];
  readonly outcome?: Partial<Outcome>;
  /** Lines of the header section, without line ends. */
  readonly header?: readonly string[];
}

/** What is asked of a policy; a stranger's message unless the test says otherwise. */
export function inputOf({ results = [], signedBy = [], outcome, header = [], ...rest }: Message) {
  const plain = results.map(([method, value]): Result => ({ method, value, properties: [] }));
  const signed = signedBy.map(
    (value): Result => ({
      method: 'dkim',
      value: 'pass',
      properties: [{ ptype: 'header', property: 'd', value }],
    }),
  );
  const input: DecisionInput = {
    mode: 'before-queue',
    listener: 'in',
    reversePath: 'alice@example.com',
    ...rest,
    header: header.map((line) => ({
      name: line.slice(0, line.indexOf(':')).trimEnd(),
      raw: Buffer.from(`${line}\r\n`),
    })),
    outcome: {
      results: [...plain, ...signed],
      fields: [],
      sealed: false,
      client: { ip: '192.0.2.10', helo: 'mail.example.com' },
      clientClass: 'stranger',
      listMail: false,
      proposals: [],
      rewrite: () => undefined,
      ...outcome,
    },
  };
  return input;
}

/** Rules as they stand in a file. */
export function rules(yaml: string): { readonly rules: unknown } {
  return { rules: parse(yaml) as unknown };
}

export function policyOf(policy: unknown, environment?: PolicyEnvironment): Policy {
  return new Policy(policySchema.parse(policy), environment);
}

/** What a policy decides about a message. */
export function decide(policy: unknown, message: Message = {}): Decision {
  return policyOf(policy).decide(inputOf(message));
}
