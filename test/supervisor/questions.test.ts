// Questions between processes: all workers as one, each answer to whoever asked, records only to who listens.
import assert from 'node:assert/strict';
import type { Worker } from 'node:cluster';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { Followers } from '../../src/supervisor/followers.ts';
import { forkAs } from '../../src/supervisor/fork.ts';
import type { FromHttp, ToHttp } from '../../src/supervisor/http-messages.ts';
import { HttpProcess } from '../../src/supervisor/http-process.ts';
import type { Answers, Question } from '../../src/supervisor/messages.ts';
import { RemoteObservatory } from '../../src/supervisor/remote-observatory.ts';
import { TotalObservatory } from '../../src/supervisor/total-observatory.ts';
import type { WorkerProcess } from '../../src/supervisor/worker-process.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import type { MetricsSnapshot } from '../../src/telemetry/metrics-total.ts';

/** A worker that answers so; what is not there is not answered. */
function worker(answers: Partial<Answers> = {}, lastMetrics: MetricsSnapshot = []): WorkerProcess {
  const ask = async ({ what }: Question) => answers[what];
  return { ask, lastMetrics } as Partial<WorkerProcess> as WorkerProcess;
}

/** What those say that take connections, and those that only let theirs end. */
function total(current: readonly WorkerProcess[], retiring: readonly WorkerProcess[] = [], stopping = false) {
  return new TotalObservatory(
    { all: () => [...current, ...retiring], current: () => current, stopping, lost: [], follow() {} },
    new Metrics({ version: '1.2.3', process: false }),
  );
}

const ready = worker({ readiness: { ready: true, reasons: [] } });
const unready = worker({ readiness: { ready: false, reasons: ['listener in: no destination answers'] } });

test('mail can pass where one of the workers that take connections says so', async () => {
  assert.deepEqual(await total([unready, worker(), ready]).readiness(), { ready: true, reasons: [] });
  assert.deepEqual(await total([ready], [], true).readiness(), {
    ready: false,
    reasons: ['Postern is stopping'],
  });
  assert.deepEqual(await total([unready, unready], [ready]).readiness(), {
    ready: false,
    reasons: ['listener in: no destination answers'],
  });
  assert.deepEqual(await total([worker()]).readiness(), { ready: false, reasons: ['no worker answers'] });
});

test('the stories of all workers are one list, the newest first, and each is found wherever it is', async () => {
  const summary = (id: string, time: string) => {
    return { id, time, listener: 'in', from: '', recipients: 1, results: {}, disposition: 'accept' };
  };
  const story = { id: 'b', time: '2026-01-02', record: {}, explanation: [] };
  const observatory = total(
    [worker({ stories: [summary('c', '2026-01-03'), summary('a', '2026-01-01')] }), worker()],
    [worker({ stories: [summary('b', '2026-01-02')], story })],
  );
  assert.deepEqual(
    (await observatory.stories()).map(({ id }) => id),
    ['c', 'b', 'a'],
  );
  assert.deepEqual(await observatory.story('b'), story);
});

test('a worker that does not answer counts in the metrics as when it answered last', async () => {
  const metrics = new Metrics({ version: '1.2.3', process: false });
  metrics.connectionOpened('in');
  const counted = await metrics.snapshot();
  const text = await total([worker({ metrics: counted }), worker({}, counted)]).metrics();
  assert.match(text, /^postern_connections_total\{listener="in"\} 2$/m);
});

test('an answer goes to whoever asked, and so does that there is none', async () => {
  const told: FromHttp[] = [];
  const observatory = new RemoteObservatory((message) => told.push(message));
  const answers = Promise.allSettled([observatory.metrics(), observatory.stories(), observatory.story('x')]);
  const ids = told.map((message) => (message.kind === 'ask' ? message.id : 0));
  observatory.hear({ kind: 'answer', id: ids[1] ?? 0, answer: [] });
  observatory.hear({ kind: 'unknown', id: ids[2] ?? 0 });
  observatory.hear({ kind: 'answer', id: ids[0] ?? 0, answer: 'x 1\n' });
  const [metrics, stories, story] = await answers;
  assert.deepEqual(metrics, { status: 'fulfilled', value: 'x 1\n' });
  assert.deepEqual(stories, { status: 'fulfilled', value: [] });
  assert.match(String(story.status === 'rejected' && story.reason), /the primary process has no answer/);
});

test('a thousand questions may wait for an answer, and there is room again when one has come', async () => {
  let asked = 0;
  const observatory = new RemoteObservatory(() => {
    asked += 1;
  });
  const waiting = Array.from({ length: 1000 }, () => observatory.metrics());
  await assert.rejects(observatory.metrics(), /too many questions/);
  assert.equal(asked, 1000);
  observatory.hear({ kind: 'answer', id: 1, answer: '' });
  await waiting[0];
  void observatory.metrics();
  assert.equal(asked, 1001);
});

test('where news come from is told when the first one follows and when the last one leaves', () => {
  const switched: boolean[] = [];
  const heard: string[] = [];
  const followers = new Followers<string>((on) => switched.push(on));
  const hear = (news: string) => void heard.push(news);
  const [one, other] = [new AbortController(), new AbortController()];
  followers.add(hear, AbortSignal.abort());
  assert.deepEqual(switched, []);
  followers.add(hear, one.signal);
  followers.add(hear, other.signal);
  followers.tell('to both');
  one.abort();
  followers.tell('to one');
  assert.deepEqual(switched, [true]);
  other.abort();
  followers.tell('to nobody');
  assert.deepEqual(switched, [true, false]);
  assert.deepEqual(heard, ['to both', 'to both', 'to one']);
});

test('to a process of HTTP that takes no records no further ones are told, until it does', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: ToHttp[] = [];
  const taken: (() => void)[] = [];
  const fork = Object.assign(new EventEmitter(), {
    process: { pid: 1 },
    send: (message: ToHttp, _: undefined, sent: () => void) => {
      told.push(message);
      taken.push(sent);
    },
  });
  const signals: AbortSignal[] = [];
  let hear: (records: readonly string[]) => void = () => undefined;
  const observatory = {
    follow: (how: typeof hear, signal: AbortSignal) => {
      hear = how;
      signals.push(signal);
    },
  } as Partial<TotalObservatory> as TotalObservatory;
  const start = {
    kind: 'start',
    http: { host: '127.0.0.1', port: 0 },
    log: { level: 'info', format: 'json' },
  };
  new HttpProcess({ worker: fork as unknown as Worker, start: start as never, observatory, stuck() {} });
  fork.emit('message', { kind: 'follow', on: true } satisfies FromHttp);
  const batch = Array.from({ length: 1000 }, () => '{}');
  for (let i = 0; i < 5; i += 1) hear(batch);
  assert.equal(told.length, 2);
  taken.shift()?.();
  for (let i = 0; i < 5; i += 1) hear(batch);
  assert.equal(told.length, 3);
  fork.emit('message', { kind: 'follow', on: false } satisfies FromHttp);
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true],
  );
});

test('a process of HTTP that is stuck is killed', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: string[] = [];
  const fork = Object.assign(new EventEmitter(), {
    process: { pid: 1, kill: (signal: string) => void told.push(signal) },
    send: ({ kind }: ToHttp) => void told.push(kind),
  });
  new HttpProcess({
    worker: fork as unknown as Worker,
    start: {} as never,
    observatory: {} as TotalObservatory,
    stuck: (seconds) => told.push(`stuck for ${seconds} s`),
  });
  fork.emit('message', { kind: 'ready', address: '127.0.0.1:25' } satisfies FromHttp);
  t.mock.timers.tick(60_000);
  fork.emit('message', { kind: 'alive' } satisfies FromHttp);
  t.mock.timers.tick(60_000);
  t.mock.timers.tick(59_999);
  assert.deepEqual(told.splice(0), ['alive', 'alive']);
  t.mock.timers.tick(1);
  assert.deepEqual(told.splice(0), ['stuck for 60 s', 'SIGKILL']);
});

test('the process of HTTP answers when it is asked for a sign of life', async () => {
  const worker = forkAs('http-worker', undefined);
  const heard = Promise.withResolvers<string>();
  worker.on('message', ({ kind }: FromHttp) => {
    if (kind === 'hello') worker.send({ kind: 'alive' });
    else heard.resolve(kind);
  });
  assert.equal(await heard.promise, 'alive');
  worker.process.kill('SIGKILL');
  await once(worker, 'exit');
});
