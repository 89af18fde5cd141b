// The stages: what begins when, and what becomes of checks that throw or never end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MailContext } from '../../src/authentication/check.ts';
import type { ConfiguredCheck } from '../../src/authentication/checks.ts';
import type { CheckFindings } from '../../src/authentication/course.ts';
import { Run, type RunOptions } from '../../src/authentication/run.ts';
import { NameServer } from '../support/name-server.ts';
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
    transaction: 'T1',
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

test('a check that does not answer is waited for once before the end of the message; others are heard, and go on being', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const stuck: ConfiguredCheck = {
    name: 'stuck',
    skippedFor: [],
    proposes: true,
    stages: { rcpt: () => new Promise(() => {}) },
  };
  const refusal = { kind: 'reject', reason: 'closed' } as const;
  const closed: ConfiguredCheck = {
    ...stuck,
    name: 'closed',
    stages: {
      rcpt: async ({ recipient }) => (recipient === 'c@example.com' ? { disposition: refusal } : undefined),
    },
  };
  const { made } = run([stuck, closed], { finishMs: 10_000 });
  made.mail('');
  const first = made.rcpt('c@example.com');
  t.mock.timers.tick(10_000);
  assert.deepEqual(await first, refusal);
  // Time stands still from here on: who waited would wait for ever.
  assert.equal(await made.rcpt('a@example.com'), undefined);
  assert.deepEqual(await made.rcpt('c@example.com'), refusal);
  made.abort();
});

test('when the time of all others is over, dmarc still has some of its own', async () => {
  const late: ConfiguredCheck = {
    name: 'arc',
    skippedFor: [],
    stages: { endOfMessage: () => new Promise(() => {}) },
  };
  const dmarc: ConfiguredCheck = {
    name: 'dmarc',
    skippedFor: [],
    stages: {
      endOfMessage: async ({ resolve }) => {
        await assert.rejects(resolve('example.com', 'TXT'), { code: 'ENOTFOUND' });
        return pass('dmarc');
      },
    },
  };
  const { made, reported } = run([late, dmarc], { finishMs: 10 });
  made.mail('');
  made.header(header);
  const [arc, ...others] = resultsOf(await made.finish(undefined));
  assert.equal(arc?.reason, 'the check ran out of time');
  assert.deepEqual([others, reported], [[...pass('dmarc')], []]);
});

test('a check that spends its time for names leaves others theirs', async () => {
  await using server = await NameServer.start({ 'TXT slow.example': 'silent' });
  const zone = { 'fast.example': { TXT: 'NXDOMAIN' } };
  const network = { servers: [server.address], zoneOnly: false, transactionMs: 20 };
  const resolver = zoneResolver(zone, network);
  const asks = (name: string, asked: string, stage: 'mail' | 'endOfMessage'): ConfiguredCheck => ({
    name,
    skippedFor: [],
    stages: {
      [stage]: ({ resolve }: MailContext) =>
        resolve(asked, 'TXT').catch((error: unknown) => [
          { method: name, value: 'none', reason: String(error), properties: [] },
        ]),
    },
  });
  const checks = [asks('spf', 'slow.example', 'mail'), asks('dmarc', 'fast.example', 'endOfMessage')];
  const { made } = run(checks, { resolver });
  made.mail('');
  made.header(header);
  const reasons = resultsOf(await made.finish(undefined)).map(({ reason }) => reason);
  assert.match(reasons[0] ?? '', /ETIMEOUT/);
  assert.match(reasons[1] ?? '', /ENOTFOUND/);
  resolver.close();
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
