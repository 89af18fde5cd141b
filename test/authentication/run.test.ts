// The stages: what begins when, and what becomes of checks that throw or never end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfiguredCheck } from '../../src/authentication/checks.ts';
import type { CheckFindings } from '../../src/authentication/course.ts';
import { Run, type RunOptions } from '../../src/authentication/run.ts';
import { zoneResolver } from './judge.ts';

function run(checks: readonly ConfiguredCheck[], more: Partial<RunOptions> = {}) {
  const reported: string[] = [];
  const made = new Run({
    checks,
    client: {},
    clientClass: 'stranger',
    forwardedClient: {},
    listener: 'test',
    explain: false,
    hostname: 'mx.example.org',
    finishMs: 10_000,
    resolver: zoneResolver({}),
    now: () => new Date(),
    report: (error, check) => reported.push(`${check}: ${error}`),
    ...more,
  });
  return { made, reported };
}

const header = [{ name: 'From', raw: Buffer.from('From: a@example.com\r\n') }];

const pass = (method: string) => [{ method, value: 'pass', properties: [] }] as const;
const good: ConfiguredCheck = { name: 'good', skippedFor: [], stages: { mail: async () => pass('good') } };

const resultsOf = (findings: readonly CheckFindings[]) => findings.flatMap(({ results }) => results);

test('a check that throws is a temperror and is reported; the others are not disturbed', async () => {
  const { made, reported } = run([
    {
      name: 'sync',
      skippedFor: [],
      stages: {
        connect: () => {
          throw new Error('at once');
        },
      },
    },
    { name: 'async', skippedFor: [], stages: { endOfHeaders: async () => assert.fail('later') } },
    { name: 'last', skippedFor: [], stages: { endOfMessage: async () => assert.fail('at the end') } },
    good,
  ]);
  made.mail('');
  made.header(header);
  const results = resultsOf(await made.finish(undefined));
  assert.deepEqual(
    results.map(({ method, value }) => `${method}=${value}`),
    ['sync=temperror', 'async=temperror', 'last=temperror', 'good=pass'],
  );
  assert.deepEqual(
    reported.map((line) => line.split(':', 1)[0]),
    ['sync', 'async', 'last'],
  );
});

test('a check that throws for every field is reported once, however many fields there are', async () => {
  const field: ConfiguredCheck = {
    name: 'field',
    skippedFor: [],
    stages: { header: async () => assert.fail('for each') },
  };
  const { made, reported } = run([field]);
  made.mail('');
  made.header(Array.from({ length: 5000 }, () => header).flat());
  assert.equal(resultsOf(await made.finish(undefined)).length, 1);
  assert.equal(reported.length, 1);
});

test('a check that never ends is a temperror when the time is over', async () => {
  const never: ConfiguredCheck = {
    name: 'never',
    skippedFor: [],
    stages: { connect: () => new Promise(() => {}) },
  };
  const { made, reported } = run([never, good], { finishMs: 10 });
  made.mail('');
  const results = resultsOf(await made.finish(undefined));
  assert.deepEqual(results, [
    { method: 'never', value: 'temperror', reason: 'the check ran out of time', properties: [] },
    ...pass('good'),
  ]);
  assert.deepEqual(reported, []);
});

test('the end of the message reads the results of all other stages and the message', async () => {
  let seen: unknown;
  const last: ConfiguredCheck = {
    name: 'last',
    skippedFor: [],
    stages: {
      endOfMessage: async ({ results, verification, reversePath }) => {
        seen = { results, from: (await verification).headerFrom, reversePath };
        return [];
      },
    },
  };
  const { made } = run([last, good]);
  made.mail('alice@example.com');
  made.header(header);
  await made.finish(undefined);
  assert.deepEqual(seen, {
    results: [...pass('good')],
    from: ['a@example.com'],
    reversePath: 'alice@example.com',
  });
});

test('a check that is skipped for the client does nothing at any stage', async () => {
  const own: ConfiguredCheck = {
    name: 'own',
    skippedFor: ['local'],
    stages: {
      connect: () => assert.fail('connect'),
      mail: () => assert.fail('mail'),
      endOfHeaders: () => assert.fail('endOfHeaders'),
      endOfMessage: () => assert.fail('endOfMessage'),
    },
  };
  const { made, reported } = run([own], { clientClass: 'local' });
  made.mail('');
  made.header(header);
  made.body(Buffer.from('x'));
  assert.deepEqual(await made.finish(undefined), []);
  assert.deepEqual(reported, []);
});

test('an aborted run tells its checks, and reports nothing', async () => {
  let aborted = false;
  const { made, reported } = run([
    {
      name: 'watch',
      skippedFor: [],
      stages: {
        connect: ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              aborted = true;
              reject(new Error('aborted'));
            });
          }),
      },
    },
  ]);
  made.abort();
  assert.ok(aborted);
  await made.finish(undefined);
  assert.deepEqual(reported, []);
});
