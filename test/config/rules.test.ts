// The policy's rules in the configuration and in a file of their own: where they are looked for, and their mistakes.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfiguration } from '../../src/config/load.ts';
import { ConfigurationError } from '../../src/config/mistakes.ts';
import { ruleSource } from '../../src/config/rules.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-rules-'));
after(() => rmSync(directory, { recursive: true }));
mkdirSync(join(directory, 'policy'));

const good = `listeners:
  - name: in
    listen: 127.0.0.1:10025
    mode: after-queue
    destinations: [smtp://127.0.0.1:10026]
`;

function load(policy: string, rules = '') {
  writeFileSync(join(directory, 'postern.yaml'), `${good}${policy}`);
  writeFileSync(join(directory, 'policy/rules.yaml'), rules);
  return loadConfiguration({ file: join(directory, 'postern.yaml'), environment: {} });
}

function mistakesOf(policy: string, rules?: string): string[] {
  try {
    load(policy, rules);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    for (const mistake of error.mistakes) assert.match(mistake, /^\P{Cc}+; expected \P{Cc}+$/u);
    return error.mistakes.map((mistake) => mistake.replaceAll(`${directory}/`, ''));
  }
  return [];
}

const named = 'policy: { rulesFile: policy/rules.yaml }';

test('a file of rules is looked for beside the configuration', () => {
  const { ruleFile, policy } = load(named, '- { name: one, when: { from: .Example.COM }, then: accept }\n');
  assert.equal(ruleFile?.path, join(directory, 'policy/rules.yaml'));
  assert.equal(
    JSON.stringify(ruleFile?.rules),
    '[{"name":"one","when":{"from":[".example.com"]},"then":{"kind":"accept"}}]',
  );
  assert.deepEqual(policy.rules, []);
});

const given = 'iprev, auth, x-tls, spf, dkim, arc, dmarc';
const silent = `no check that is switched on gives such results; expected one of ${given}`;

test('a rule about results that no check gives would never apply', () => {
  const rule = '{ when: { results: { dnsbl: fail, dmrac: fail, SPF: fail } }, then: reject }';
  assert.deepEqual(mistakesOf(named, `- ${rule}`), [
    `policy/rules.yaml:1: [0].when.results.dnsbl: ${silent}`,
    `policy/rules.yaml:1: [0].when.results.dmrac: ${silent}; did you mean dmarc?`,
  ]);
  assert.deepEqual(mistakesOf(`policy: { rules: [${rule}] }`), [
    `postern.yaml:6: policy.rules[0].when.results.dnsbl: ${silent}`,
    `postern.yaml:6: policy.rules[0].when.results.dmrac: ${silent}; did you mean dmarc?`,
  ]);
  const off = 'policy: { rules: [{ when: { results: { dmarc: fail } }, then: reject }] }';
  assert.deepEqual(mistakesOf(off), []);
  assert.equal(mistakesOf(`checks: { dmarc: false }\n${off}`).length, 1);
});

test('a check of one’s own may give results of any name', () => {
  writeFileSync(join(directory, 'own.mjs'), "export default { name: 'x-own', mail() {} };");
  const rule = 'policy: { rules: [{ when: { results: { x-other: fail } }, then: reject }] }';
  assert.deepEqual(mistakesOf(`checks: { custom: [./own.mjs] }\n${rule}`), []);
});

test('what builds on DMARC does nothing without it', () => {
  const text = 'does nothing while checks.dmarc is false; expected the check to be switched on';
  assert.deepEqual(mistakesOf('checks: { dmarc: false, bimi: {} }\npolicy: { dmarc: reject }'), [
    `postern.yaml:6: checks.bimi: ${text}`,
    `postern.yaml:7: policy.dmarc: "reject" ${text}`,
  ]);
  assert.deepEqual(mistakesOf('checks: { dmarc: false }\npolicy: { dmarc: annotate }'), []);
});

test('a file of rules may be empty', () => assert.deepEqual(load(named, '# none\n').ruleFile?.rules, []));

const inRules: readonly (readonly [string, string])[] = [
  ['when: {}\nthen: accept', 'policy/rules.yaml:1: a mapping is not possible here; expected a list'],
  ['- when: {}', 'policy/rules.yaml:1: [0].then: '],
  ['- then: accept', 'policy/rules.yaml:1: [0].when: missing; expected a mapping'],
  [
    '- { when: {}, then: drop }',
    'policy/rules.yaml:1: [0].then: "drop" is not possible here; expected one of accept, ',
  ],
  [
    '- when: {}\n  then:\n    reject:\n      code: 450',
    'policy/rules.yaml:4: [0].then.reject.code: 450 is not possible here; expected a code from 500 to 559',
  ],
  [
    '- when: {}\n  then: { tempfail: { code: "450" } }',
    'policy/rules.yaml:2: [0].then.tempfail.code: "450" is not possible here; expected a code from 400 to 459',
  ],
  [
    '- when:\n    from:\n      - good.example\n      - "*.example.com"\n  then: accept',
    'policy/rules.yaml:4: [0].when.from[1]: "*.example.com" is not possible here; expected a domain such as',
  ],
  [
    '- when:\n    from: a b\n  then: accept',
    'policy/rules.yaml:2: [0].when.from: "a b" is not possible here; expected a domain such as',
  ],
  [
    '- when: { results: { spf: failed } }\n  then: accept',
    'policy/rules.yaml:1: [0].when.results.spf: "failed" is not possible here; expected a value of results',
  ],
  [
    '- when: { results: { spf: [fail, failed] } }\n  then: accept',
    'policy/rules.yaml:1: [0].when.results.spf[1]: "failed" is not possible here; expected a value of results',
  ],
  [
    '- when: { results: { "s f": fail } }\n  then: accept',
    'policy/rules.yaml:1: [0].when.results."s f": "s f" is not possible here; expected the method of a result',
  ],
  [
    '- { when: { listener: out }, then: accept }',
    'policy/rules.yaml:1: [0].when.listener: "out" is no listener; expected one of in',
  ],
  [
    '- { when: { listener: [in, out] }, then: accept }',
    'policy/rules.yaml:1: [0].when.listener[1]: "out" is no listener; expected one of in',
  ],
  [
    '- { when: {}, then: accept, until: tomorrow }',
    'policy/rules.yaml:1: [0].until: "tomorrow" is not possible here; expected a day such as 2026-12-31',
  ],
  [
    '- { when: {}, then: accept, percent: 101 }',
    'policy/rules.yaml:1: [0].percent: 101 is too large; expected at most 100',
  ],
  ['- { when: {}, then: {} }', 'policy/rules.yaml:1: [0].then: '],
  ['- [', 'policy/rules.yaml:1: '],
];
for (const [rules, expected] of inRules) {
  test(`in a file of rules, ${JSON.stringify(rules)} is one mistake`, () => {
    const mistakes = mistakesOf(named, rules);
    assert.equal(mistakes.length, 1, mistakes.join('\n'));
    assert.equal(mistakes[0]?.slice(0, expected.length), expected);
  });
}

test('what a rule does is one thing, and one that there is', () => {
  assert.deepEqual(mistakesOf(named, '- { when: {}, then: { discard: {} } }'), [
    'policy/rules.yaml:1: [0].then.discard: unknown key; expected one of reject, tempfail',
    'policy/rules.yaml:1: [0].then: not one thing to do; expected a mapping with reject or with tempfail',
  ]);
});

test('a file that no parser can bear is a mistake, and not the end of whoever follows it', async () => {
  const { ruleFile } = load(named, '# none\n');
  assert.ok(ruleFile);
  const source = ruleSource(ruleFile, { listeners: ['in'], methods: undefined });
  const parsed = source.parse('['.repeat(200_000));
  assert.ok('mistakes' in parsed);
  assert.equal(parsed.mistakes.length > 0, true);
  assert.match(parsed.mistakes[0] ?? '', /rules\.yaml/);
  const signal = new AbortController().signal;
  assert.equal(await source.read(signal), '# none\n');
  writeFileSync(ruleFile.path, Buffer.from([0xff, 0xfe]));
  await assert.rejects(source.read(signal), /rules\.yaml: cannot be read: /);
});

test('mistakes in rules of the configuration have its lines, and come with all others', () => {
  const policy =
    'policy:\n  rules:\n    - when: { listener: out }\n      then: reject\n    - when: { list: maybe }\n      then: reject\n  rulesFile: policy/rules.yaml\n  temperror: { stranger: wait }\n';
  assert.deepEqual(mistakesOf(policy, '- 1'), [
    'postern.yaml:8: policy.rules[0].when.listener: "out" is no listener; expected one of in',
    'postern.yaml:10: policy.rules[1].when.list: "maybe" is not possible here; expected true or false',
    'postern.yaml:13: policy.temperror.stranger: "wait" is not possible here; expected one of annotate, tempfail',
    'policy/rules.yaml:1: [0]: 1 is not possible here; expected a mapping',
  ]);
});

test('a file of rules that is not there is a mistake', () => {
  const [mistake, ...others] = mistakesOf('policy: { rulesFile: absent.yaml }');
  assert.match(mistake ?? '', /^postern\.yaml:\d+: policy\.rulesFile: absent\.yaml: cannot be read: ENOENT/);
  assert.deepEqual(others, []);
});
