// The small parts: shares of totals, back-off, names of users, the budget of the spool.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import { findAccount, findGroup, findUser } from '../../src/config/accounts.ts';
import { reloadCustomChecks } from '../../src/config/custom-checks.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { SpoolBudget } from '../../src/message/budget.ts';
import { Spool, SpoolError } from '../../src/message/spool.ts';
import { Backoff } from '../../src/supervisor/backoff.ts';
import { shareOf } from '../../src/supervisor/shares.ts';
import { warnAboutSpool } from '../../src/supervisor/spool-warning.ts';
import { type LogFields, silentLog } from '../../src/telemetry/log.ts';

const examples = join(import.meta.dirname, '../../config/examples');

function example(workers: number) {
  const file = join(examples, 'after-queue.yaml');
  return { ...loadConfiguration({ file, environment: {} }), workers };
}

test('shares of what is in the configuration add up to it', () => {
  const whole = example(3);
  const shares = [1, 2, 3].map((number) => shareOf(whole, number));
  const sum = (of: (share: typeof whole) => number | undefined) =>
    shares.reduce((total, share) => total + (of(share) ?? 0), 0);
  const [listener] = whole.listeners;
  assert.equal(
    sum(({ listeners }) => listeners[0]?.pool.size),
    listener?.pool.size,
  );
  assert.equal(
    sum(({ listeners }) => listeners[0]?.pool.waiting),
    listener?.pool.waiting,
  );
  // These are counted by the primary.
  for (const share of shares) assert.deepEqual(share.listeners[0]?.limits, listener?.limits);
  assert.ok(Math.abs(sum(({ spool }) => spool.limitBytes) - whole.spool.limitBytes) < 3);
});

test('each worker has at least one of everything, room for a message, and nothing where there is nothing', () => {
  const whole = example(200);
  const [listener] = whole.listeners;
  assert.ok(listener);
  const tight = { ...whole, listeners: [{ ...listener, pool: { ...listener.pool, size: 3, waiting: 0 } }] };
  const last = shareOf(tight, 200);
  assert.deepEqual([last.listeners[0]?.pool.size, last.listeners[0]?.pool.waiting], [1, 0]);
  assert.equal(last.spool.limitBytes, whole.spool.messageLimitBytes);
});

test('a configuration arrives in another process as it was', () => {
  const { customChecks: _, ...sent } = example(2);
  assert.deepEqual(deserialize(serialize(sent)), sent);
});

test('the checks of a configuration that is named from a directory which is gone can be loaded again', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-gone-'));
  t.after(() => rm(directory, { recursive: true }));
  writeFileSync(join(directory, 'mine.cjs'), "module.exports = { name: 'x-mine', connect: () => [] };");
  const listener =
    '{ name: in, listen: "127.0.0.1:0", mode: after-queue, destinations: [smtp://127.0.0.1:1] }';
  const file = join(directory, 'postern.yaml');
  for (const custom of ['[]', '[{ module: ./mine.cjs }]']) {
    writeFileSync(file, `listeners: [${listener}]\nchecks: { custom: ${custom} }\n`);
    const configuration = loadConfiguration({ file: relative(process.cwd(), file), environment: {} });
    const gone = t.mock.method(process, 'cwd', () => {
      throw new Error('ENOENT: process.cwd failed');
    });
    const names = reloadCustomChecks(configuration).map(({ name }) => name);
    gone.mock.restore();
    assert.deepEqual(names, custom === '[]' ? [] : ['x-mine']);
  }
});

test('a module that has changed and cannot be used any more is told by its path, with the keys of its mistakes', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-changed-'));
  t.after(() => rm(directory, { recursive: true }));
  const configuration = example(1);
  const reload = (name: string, text: string) => {
    const module = join(directory, name);
    writeFileSync(module, text);
    const entry = { module, options: { until: 'six' }, hideNone: false, header: 'Authentication-Results' };
    return reloadCustomChecks({ checks: { ...configuration.checks, custom: [entry] } });
  };
  assert.throws(
    () => reload('throws.mjs', "throw new Error('no licence');"),
    /throws\.mjs: cannot be loaded: no licence$/u,
  );
  const otherOptions =
    "export default { name: 'x-mine', schema: (z) => z.strictObject({ until: z.int() }), mail() {} };";
  assert.throws(() => reload('options.mjs', otherOptions), /options\.mjs: options\.until: .*number/u);
});

test('the first death costs no time, further ones more and more, and a healthy life forgives', () => {
  const backoff = new Backoff();
  const delays = [5, 5, 5, 5, 5, 5, 5, 5].map((livedMs) => backoff.died(livedMs));
  assert.deepEqual(delays, [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.equal(backoff.died(60_000), 0);
});

test('users and groups are found by name and by number', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-accounts-'));
  const files = { passwd: join(directory, 'passwd'), group: join(directory, 'group') };
  writeFileSync(files.passwd, 'root:x:0:0:root:/root:/bin/sh\npostern:x:105:110::/:/bin/false\n');
  writeFileSync(files.group, 'root:x:0:\npostfix:x:112:postern\n');
  assert.deepEqual(findAccount('postern', undefined, files), { uid: 105, gid: 110 });
  assert.deepEqual(findAccount('postern', 'postfix', files), { uid: 105, gid: 112 });
  assert.deepEqual(findAccount(105, undefined, files), { uid: 105, gid: 110 });
  assert.deepEqual(findAccount(2000, 2000, files), { uid: 2000, gid: 2000 });
  assert.deepEqual(
    [findUser('postern', files), findGroup('postfix', files), findUser(7, files)],
    [105, 112, 7],
  );
  assert.throws(() => findAccount('nobody', undefined, files), /no user "nobody"/);
  assert.throws(() => findAccount(2000, undefined, files), /expected a group/);
  assert.throws(() => findGroup('nogroup', files), /no group "nogroup"/);
  await rm(directory, { recursive: true });
});

test('spools together take what the budget has, in memory and on disk, and give all of it back', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-budget-'));
  const budget = new SpoolBudget(100_000);
  const options = { memoryBytes: 10_000, directory, budget };
  const [small, large] = [new Spool(options), new Spool(options)];
  await small.append(Buffer.alloc(6000));
  await large.append(Buffer.alloc(80_000));
  assert.deepEqual(budget.counts, { memoryBytes: 6000, diskBytes: 80_000, messages: 2 });
  assert.equal(budget.full, false);
  await assert.rejects(async () => small.append(Buffer.alloc(14_001)), SpoolError);
  await small.append(Buffer.alloc(14_000));
  assert.equal(budget.full, true);
  await large.dispose();
  await large.dispose();
  await small.dispose();
  assert.deepEqual(budget.counts, { memoryBytes: 0, diskBytes: 0, messages: 0 });
  await rm(directory, { recursive: true });
});

test('a spool directory that cannot be used is told at the start, one that can be is not', () => {
  const told: [string, LogFields | undefined][] = [];
  const log = { ...silentLog, warn: (event: string, fields?: LogFields) => void told.push([event, fields]) };
  warnAboutSpool(tmpdir(), log);
  assert.equal(told.length, 0);
  const directory = join(tmpdir(), 'postern-none', 'spool');
  warnAboutSpool(directory, log);
  const [event, fields] = told[0] ?? [];
  assert.equal(event, 'large messages will be put off with 452: the spool directory cannot be written');
  assert.equal(fields?.directory, directory);
  assert.match(String(fields?.error), /ENOENT/);
});
