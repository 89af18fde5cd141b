// A file of rules that changes under the running policy, second by second.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { Policy } from '../../src/policy/policy.ts';
import type { RuleSource } from '../../src/policy/rule-file.ts';
import { type Rule, rulesSchema } from '../../src/policy/rule-schema.ts';
import { policySchema } from '../../src/policy/schema.ts';
import type { Log, LogFields } from '../../src/telemetry/log.ts';
import { inputOf } from './support.ts';

const discard = '- { name: one, when: {}, then: discard }';
const reject = '- { name: two, when: {}, then: reject }';

function read(text: string): readonly Rule[] | undefined {
  return rulesSchema.safeParse(parse(text) ?? []).data;
}

/** A policy that follows a file; time passes when the test says so. */
class Followed {
  content: string | Error = discard;
  mistakes: readonly string[] = ['rules.yaml:1: wrong'];
  reads = 0;
  readonly told: (readonly [string, LogFields | undefined])[] = [];
  readonly policy: Policy;
  readonly #context: TestContext;

  /** @param own rules of the configuration */
  constructor(context: TestContext, own = '[]') {
    this.#context = context;
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const first = read(discard);
    assert.ok(first);
    const ruleFile: RuleSource = {
      path: '/etc/postern/rules.yaml',
      text: discard,
      rules: first,
      read: async () => {
        this.reads += 1;
        if (this.content instanceof Error) throw this.content;
        return this.content;
      },
      parse: (text) => read(text) ?? { mistakes: this.mistakes },
    };
    const tell = (event: string, fields?: LogFields) => void this.told.push([event, fields]);
    const log: Log = { error: tell, warn: tell, info: tell, debug: tell };
    const clock = () => new Date('2026-06-01');
    this.policy = new Policy(policySchema.parse({ rules: parse(own) }), { log, ruleFile, clock });
    this.policy.open();
  }

  get rule(): string | undefined {
    return this.policy.decide(inputOf({})).rule;
  }

  async seconds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#context.mock.timers.tick(1000);
      await new Promise(setImmediate);
    }
  }
}

test('a file that stays as it is says nothing', async (context) => {
  const followed = new Followed(context);
  await followed.seconds(5);
  assert.equal(followed.rule, 'one');
  assert.equal(followed.reads, 5);
  assert.deepEqual(followed.told, []);
  followed.policy.close();
});

test('a change counts once it has been seen twice', async (context) => {
  const followed = new Followed(context);
  followed.content = `${discard}\n- { name: tw`;
  await followed.seconds(1);
  followed.content = reject;
  await followed.seconds(1);
  assert.equal(followed.rule, 'one');
  await followed.seconds(1);
  assert.equal(followed.rule, 'two');
  assert.deepEqual(followed.told, [['policy rules reloaded', { file: '/etc/postern/rules.yaml', rules: 1 }]]);
  followed.policy.close();
});

test('a file with mistakes leaves the rules as they are, and is warned about once', async (context) => {
  const followed = new Followed(context);
  followed.content = '- { when: {} }';
  await followed.seconds(5);
  assert.equal(followed.rule, 'one');
  const warning = [
    'policy rules cannot be used, those before stay',
    { file: '/etc/postern/rules.yaml', mistakes: ['rules.yaml:1: wrong'] },
  ] as const;
  assert.deepEqual(followed.told, [warning]);
  followed.content = reject;
  await followed.seconds(2);
  assert.equal(followed.rule, 'two');
  followed.content = '- { when: {} }';
  await followed.seconds(2);
  assert.deepEqual(followed.told.slice(2), [warning]);
  followed.policy.close();
});

test('of a file with very many mistakes, a line of the log holds some', async (context) => {
  const followed = new Followed(context);
  followed.content = '- 1';
  followed.mistakes = Array.from({ length: 5000 }, (_, i) => `rules.yaml:${i}: wrong`);
  await followed.seconds(2);
  const [, fields] = followed.told[0] ?? [];
  assert.deepEqual(fields?.mistakes, followed.mistakes.slice(0, 20));
  followed.policy.close();
});

test('a file that is gone leaves the rules as they are; one that is replaced is read', async (context) => {
  const followed = new Followed(context);
  followed.content = new Error('rules.yaml: cannot be read');
  await followed.seconds(3);
  assert.equal(followed.rule, 'one');
  assert.deepEqual(
    followed.told.map(([, fields]) => fields?.mistakes),
    [['rules.yaml: cannot be read']],
  );
  followed.content = reject;
  await followed.seconds(2);
  assert.equal(followed.rule, 'two');
  followed.policy.close();
});

test('rules of the configuration come before those of the file', async (context) => {
  const followed = new Followed(context, '- { name: own, when: { listener: in }, then: accept }');
  assert.equal(followed.rule, 'own');
  assert.equal(followed.policy.decide(inputOf({ listener: 'out' })).rule, 'one');
  followed.policy.close();
});

test('a rule without a name is known by its file and its place there', async (context) => {
  const followed = new Followed(context);
  followed.content = '[{ when: { list: true }, then: accept }, { when: {}, then: discard }]';
  await followed.seconds(2);
  assert.equal(followed.rule, 'rules.yaml[1]');
  followed.policy.close();
});

test('no rules are rules too, and with them every message is accepted', async (context) => {
  const followed = new Followed(context);
  assert.equal(followed.policy.acceptsAll, false);
  followed.content = '# all of them commented out';
  await followed.seconds(2);
  assert.equal(followed.rule, undefined);
  assert.equal(followed.policy.acceptsAll, true);
  followed.policy.close();
});

test('rules that are over when they come are warned about', async (context) => {
  const followed = new Followed(context);
  followed.content = '- { name: old, when: {}, then: discard, until: 2026-05-01 }';
  await followed.seconds(2);
  assert.deepEqual(followed.told[0], [
    'policy rule has expired',
    { rule: 'old', until: new Date('2026-05-02') },
  ]);
  followed.policy.close();
});

test('a policy that is closed looks no more, also where it is just reading', async (context) => {
  const followed = new Followed(context);
  followed.content = reject;
  await followed.seconds(1);
  context.mock.timers.tick(1000);
  followed.policy.close();
  await followed.seconds(5);
  assert.equal(followed.reads, 2);
  assert.equal(followed.rule, 'one');
  assert.deepEqual(followed.told, []);
});
