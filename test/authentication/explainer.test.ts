// What is kept of a check's way: questions, answers and facts, as plain data of bounded size.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Explainer } from '../../src/authentication/story/explainer.ts';
import { askedAhead } from '../../src/authentication/story/explanation.ts';
import { toPlain } from '../../src/authentication/story/plain.ts';
import type { ResolveFunction } from '../../src/dns/resolver.ts';
import { DnsError } from '../../src/dns/resolver.ts';
import { judge } from './judge.ts';

const answers =
  (answer: string[][]): ResolveFunction =>
  async () =>
    answer;

test('a question is kept with its answer, when it was asked, and how long that took', async (t) => {
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  const slow: ResolveFunction = async () => {
    now += 12.34;
    return [['v=spf1 -all']];
  };
  const explainer = new Explainer('spf', slow, now);
  now += 3.06;
  assert.deepEqual(await explainer.resolve('example.com', 'TXT'), [['v=spf1 -all']]);
  assert.deepEqual(explainer.explanation([]).questions, [
    {
      name: 'example.com',
      type: 'TXT',
      startMilliseconds: 3.1,
      milliseconds: 12.3,
      answer: [['v=spf1 -all']],
    },
  ]);
});

test('a question without an answer is kept with the code of its failure, and fails', async () => {
  const explainer = new Explainer(
    'spf',
    async (name, type) => {
      throw new DnsError('ESERVFAIL', name, type);
    },
    performance.now(),
  );
  await assert.rejects(explainer.resolve('example.com', 'TXT'), { code: 'ESERVFAIL' });
  assert.equal(explainer.explanation([]).questions[0]?.failure, 'ESERVFAIL');
});

test('a question that is asked again with the same answer is told once', async () => {
  const explainer = new Explainer('dkim', answers([['key']]), performance.now());
  for (const name of ['a.example', 'A.example', 'b.example']) await explainer.resolve(name, 'TXT');
  assert.deepEqual(
    explainer.explanation([]).questions.map(({ name }) => name),
    ['a.example', 'b.example'],
  );
});

test('what a library does to an answer afterwards does not change the story', async () => {
  const answer = [['one']];
  const explainer = new Explainer('spf', answers(answer), performance.now());
  (await explainer.resolve('example.com', 'TXT')).length = 0;
  assert.deepEqual(explainer.explanation([]).questions[0]?.answer, [['one']]);
});

test('a record of 70 kB is told with its beginning', async () => {
  const explainer = new Explainer('spf', answers([['x'.repeat(70_000)]]), performance.now());
  await explainer.resolve('example.com', 'TXT');
  const kept = JSON.stringify(explainer.explanation([]).questions[0]?.answer);
  assert.ok(kept.length < 1200);
  assert.match(kept, /x\.\.\. \(70000 characters\)"/);
});

test('a story has an end in entries and in characters, and says how much is left out', () => {
  const many = new Explainer('custom', answers([]), performance.now());
  for (let i = 0; i < 1000; i++) many.explain('number', i);
  assert.equal(many.explanation([]).facts.length, 200);
  assert.equal(many.explanation([]).omitted, 800);
  const long = new Explainer('custom', answers([]), performance.now());
  for (let i = 0; i < 150; i++) long.explain('text', 'x'.repeat(10_000));
  const story = long.explanation([]);
  assert.ok(JSON.stringify(story).length < 70_000);
  assert.equal(story.facts.length + (story.omitted ?? 0), 150);
});

test('facts of any kind become plain data', () => {
  const loop: { self?: unknown } = {};
  loop.self = loop;
  const hostile = {
    get trap(): string {
      throw new Error('no');
    },
  };
  const cases: readonly (readonly [unknown, unknown])[] = [
    ['text', 'text'],
    [undefined, null],
    [Number.NaN, 'NaN'],
    [12n, '12'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Date(Number.NaN), 'invalid date'],
    [Buffer.from('abc'), 'YWJj'],
    [new Error('why'), 'why'],
    [new Map([['a', 1]]), { a: 1 }],
    [new Set([1, 2]), [1, 2]],
    [{ a: undefined, b: [true, null] }, { b: [true, null] }],
    ['\ud800', '\ufffd'],
    [hostile, 'unreadable'],
  ];
  for (const [value, plain] of cases) assert.deepEqual(toPlain(value), plain);
  assert.ok(JSON.stringify(toPlain(loop)).length < 200);
});

test('wide and deep values are cut, whatever their size', () => {
  const wide = Array.from({ length: 100_000 }, () => ({ a: ['x', 'y'] }));
  assert.ok(JSON.stringify(toPlain([wide, wide, wide])).length < 50_000);
  assert.equal((toPlain(wide) as unknown[]).at(-1), '... 99900 more');
  assert.equal(Object.keys(toPlain(Object.fromEntries(wide.entries())) as object).length, 101);
});

test('of very many long texts each is told with a shorter beginning, and none is left out', () => {
  const explainer = new Explainer('arc', answers([]), performance.now());
  const seals = Array.from({ length: 50 }, (_, i) => ({ i, results: `${i} ${'x'.repeat(2000)}` }));
  explainer.explain('chain', seals);
  const { facts, omitted } = explainer.explanation([]);
  assert.equal(omitted, undefined);
  const kept = facts[0]?.value as readonly { i: number; results: string }[];
  assert.deepEqual(
    kept.map(({ i, results }) => [i, results.startsWith(`${i} xxx`)]),
    seals.map(({ i }) => [i, true]),
  );
});

test('an outcome tells of the shared reading of the message, of each check, and of those that were skipped', async () => {
  const { explanation } = await judge({
    zone: { '_dmarc.example.com': { TXT: ['v=DMARC1; p=none'] } },
    client: {},
    options: { explain: true },
  });
  const told = Object.fromEntries((explanation ?? []).map((each) => [each.check, each]));
  assert.equal(explanation?.[0]?.check, askedAhead);
  assert.deepEqual(
    told[askedAhead]?.questions.map(({ name }) => name),
    ['_dmarc.example.com'],
  );
  assert.equal(told.spf?.skippedFor, 'unknown');
  assert.equal(told.dmarc?.skippedFor, undefined);
  assert.deepEqual(
    told.dmarc?.results.map(({ method }) => method),
    ['dmarc'],
  );
});

test('the times of all checks are counted from MAIL', async (t) => {
  let now = 5000;
  t.mock.method(performance, 'now', () => now++);
  const { explanation = [] } = await judge({
    zone: { 'example.com': { TXT: ['v=spf1 -all'] }, '_dmarc.example.com': { TXT: ['v=DMARC1; p=none'] } },
    options: { explain: true },
  });
  const starts = new Map(
    explanation.flatMap(({ questions }) =>
      questions.map(({ name, type, startMilliseconds }) => [`${type} ${name}`, startMilliseconds] as const),
    ),
  );
  const spf = starts.get('TXT example.com') ?? Number.NaN;
  const dmarc = starts.get('TXT _dmarc.example.com') ?? Number.NaN;
  assert.ok(spf > 0, `${spf}`);
  assert.ok(dmarc > spf, `${dmarc} after ${spf}`);
});

test('nothing is told where nobody asks', async () => {
  assert.equal((await judge({})).explanation, undefined);
});
