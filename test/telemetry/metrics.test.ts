// Metrics: what is counted, how several processes become one, and that labels are bounded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MeasuredTransaction, Metrics } from '../../src/telemetry/metrics.ts';
import { EndedProcesses, metricsText } from '../../src/telemetry/metrics-total.ts';
import type { ObservedStatus } from '../../src/telemetry/status-metrics.ts';

const quiet = () => new Metrics({ version: '1.2.3', process: false });

const transaction: MeasuredTransaction = {
  listener: 'in',
  disposition: 'accept',
  results: { spf: 'pass', dkim: 'pass,fail' },
  sizeBytes: 5000,
  replyClass: '2xx',
  milliseconds: { envelope: 2, receive: 30, authenticate: 400, relay: 5, total: 437 },
};

function status(changes: { failures?: number; cached?: number; open?: number } = {}): ObservedStatus {
  const { failures = 0, cached = 0, open = 0 } = changes;
  return {
    listeners: [
      {
        name: 'in',
        address: '127.0.0.1:10025',
        mode: 'after-queue',
        connections: open,
        pool: { size: 50, idle: 2, busy: 1, waiting: 3, failures },
        destinations: ['smtp://127.0.0.1:10026'],
        reachable: failures === 0,
      },
    ],
    dns: { zone: 1, cached, joined: 2, network: 5, failed: 2, entries: 7 },
    spool: { memoryBytes: 100, diskBytes: 200, messages: 3 },
    spoolLimitBytes: 1000,
  };
}

/** Samples by name and labels, as they stand in the text. */
function samples(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

test('a transaction counts once, each of its results, its size and its times', async () => {
  const metrics = quiet();
  metrics.transactionEnded(transaction);
  const found = samples(await metrics.text());
  assert.equal(found.get('postern_transactions_total{listener="in",disposition="accept",reply="2xx"}'), 1);
  assert.equal(found.get('postern_results_total{check="spf",value="pass"}'), 1);
  assert.equal(found.get('postern_results_total{check="dkim",value="pass"}'), 1);
  assert.equal(found.get('postern_results_total{check="dkim",value="fail"}'), 1);
  assert.equal(found.get('postern_message_size_bytes_bucket{le="4096",listener="in"}'), 0);
  assert.equal(found.get('postern_message_size_bytes_bucket{le="16384",listener="in"}'), 1);
  assert.equal(found.get('postern_transaction_seconds_sum{listener="in"}'), 0.437);
  assert.equal(found.get('postern_transaction_phase_seconds_sum{listener="in",phase="authenticate"}'), 0.4);
});

test('what a transaction did not come to is not measured', async () => {
  const metrics = quiet();
  metrics.transactionEnded({
    listener: 'in',
    disposition: 'none',
    sizeBytes: 0,
    replyClass: 'none',
    milliseconds: { envelope: 1, total: 1 },
  });
  const text = await metrics.text();
  assert.match(text, /postern_transactions_total\{listener="in",disposition="none",reply="none"\} 1/);
  assert.doesNotMatch(text, /phase="relay"/);
  assert.doesNotMatch(text, /postern_message_size_bytes_count\{/);
  assert.doesNotMatch(text, /postern_results_total\{/);
});

test('transactions are counted by the class of their gravest reply', async () => {
  const metrics = quiet();
  for (const replyClass of ['5xx', '4xx', '4xx', '2xx', 'none'] as const) {
    metrics.transactionEnded({ ...transaction, replyClass });
  }
  const found = samples(await metrics.text());
  for (const [reply, count] of Object.entries({ '5xx': 1, '4xx': 2, '2xx': 1, none: 1 })) {
    const name = `postern_transactions_total{listener="in",disposition="accept",reply="${reply}"}`;
    assert.equal(found.get(name), count, reply);
  }
});

test('labels are bounded: unknown values and too many names are other', async () => {
  const metrics = quiet();
  metrics.transactionEnded({ ...transaction, results: { spf: 'splendid' } });
  for (let i = 0; i < 1100; i++) {
    metrics.transactionEnded({ ...transaction, rule: `rule ${i}`, results: { [`x-${i}`]: 'pass' } });
  }
  const text = await metrics.text();
  assert.match(text, /postern_results_total\{check="spf",value="other"\} 1\n/);
  assert.match(text, /postern_results_total\{check="other",value="pass"\} 1001\n/);
  assert.match(text, /postern_policy_rule_hits_total\{rule="other"\} 100\n/);
  assert.equal(text.match(/^postern_results_total\{/gm)?.length, 101);
  assert.equal(text.match(/^postern_policy_rule_hits_total\{/gm)?.length, 1001);
});

test('removed fields, seals, rules, restarts and reloads are counted', async () => {
  const metrics = quiet();
  metrics.transactionEnded({ ...transaction, removedFields: 3, rule: 'a "rule"', sealed: true });
  metrics.connectionOpened('in');
  metrics.connectionPutOff('in', 'no_worker');
  metrics.workers(4);
  metrics.workerRestarted();
  metrics.reloaded('failure');
  metrics.dnsAnswered(12);
  const found = samples(await metrics.text());
  assert.equal(found.get('postern_removed_fields_total{listener="in"}'), 3);
  assert.equal(found.get('postern_policy_rule_hits_total{rule="a \\"rule\\""}'), 1);
  assert.equal(found.get('postern_seals_total'), 1);
  assert.equal(found.get('postern_connections_total{listener="in"}'), 1);
  assert.equal(found.get('postern_connections_put_off_total{listener="in",reason="no_worker"}'), 1);
  assert.equal(found.get('postern_workers'), 4);
  assert.equal(found.get('postern_worker_restarts_total'), 1);
  assert.equal(found.get('postern_reloads_total{result="failure"}'), 1);
  assert.equal(found.get('postern_dns_network_seconds_bucket{le="0.025"}'), 1);
});

test('gauges are read when somebody asks, counters are what was added since', async () => {
  const metrics = quiet();
  let now = status({ failures: 2, cached: 10, open: 4 });
  metrics.observe(() => now);
  await metrics.text();
  now = status({ failures: 3, cached: 15, open: 1 });
  const found = samples(await metrics.text());
  assert.equal(found.get('postern_open_connections{listener="in"}'), 1);
  assert.equal(found.get('postern_pool_connections{listener="in",state="idle"}'), 2);
  assert.equal(found.get('postern_pool_connections{listener="in",state="busy"}'), 1);
  assert.equal(found.get('postern_pool_waiting{listener="in"}'), 3);
  assert.equal(found.get('postern_pool_size{listener="in"}'), 50);
  assert.equal(found.get('postern_pool_failures_total{listener="in"}'), 3);
  assert.equal(found.get('postern_downstream_reachable{listener="in"}'), 0);
  assert.equal(found.get('postern_dns_questions_total{outcome="cached"}'), 15);
  assert.equal(found.get('postern_dns_questions_total{outcome="network"}'), 3);
  assert.equal(found.get('postern_dns_questions_total{outcome="failed"}'), 2);
  assert.equal(found.get('postern_dns_cache_entries'), 7);
  assert.equal(found.get('postern_spool_bytes{where="memory"}'), 100);
  assert.equal(found.get('postern_spool_bytes{where="disk"}'), 200);
  assert.equal(found.get('postern_spool_messages'), 3);
  assert.equal(found.get('postern_spool_limit_bytes'), 1000);
});

test('a source that is over takes its gauges along, and leaves what it counted', async () => {
  const metrics = quiet();
  const over = metrics.observe(() => status({ failures: 2, open: 4 }));
  await metrics.text();
  metrics.observe(() => status({ failures: 1, open: 1 }));
  const both = samples(await metrics.text());
  assert.equal(both.get('postern_open_connections{listener="in"}'), 5);
  assert.equal(both.get('postern_pool_failures_total{listener="in"}'), 3);
  assert.equal(both.get('postern_spool_limit_bytes'), 2000);
  over();
  over();
  const left = samples(await metrics.text());
  assert.equal(left.get('postern_open_connections{listener="in"}'), 1);
  assert.equal(left.get('postern_pool_failures_total{listener="in"}'), 3);
});

test('several processes add up, and the worst of them is the one that is shown where that matters', async () => {
  const [one, other] = [quiet(), quiet()];
  one.observe(() => status({ open: 1 }));
  other.observe(() => status({ open: 2, failures: 1 }));
  one.transactionEnded(transaction);
  other.transactionEnded(transaction);
  const found = samples(await metricsText([await one.snapshot(), await other.snapshot()]));
  assert.equal(found.get('postern_open_connections{listener="in"}'), 3);
  assert.equal(found.get('postern_pool_size{listener="in"}'), 100);
  assert.equal(found.get('postern_downstream_reachable{listener="in"}'), 0);
  assert.equal(found.get('postern_transaction_seconds_count{listener="in"}'), 2);
  assert.equal(found.get(`postern_build_info{version="1.2.3",node="${process.versions.node}"}`), 1);
});

test('what a process counted stays when it has ended, its gauges do not', async () => {
  const ended = new EndedProcesses();
  assert.deepEqual(await ended.snapshot(), []);
  const running = quiet();
  running.transactionEnded(transaction);
  for (let i = 0; i < 3; i++) {
    const worker = quiet();
    worker.observe(() => status({ open: 5 }));
    worker.transactionEnded(transaction);
    // As it comes from another process.
    ended.add(JSON.parse(JSON.stringify(await worker.snapshot())));
  }
  const found = samples(await metricsText([await running.snapshot(), await ended.snapshot()]));
  assert.equal(found.get('postern_transactions_total{listener="in",disposition="accept",reply="2xx"}'), 4);
  assert.equal(found.get('postern_transaction_seconds_bucket{le="0.5",listener="in"}'), 4);
  assert.equal(found.get('postern_open_connections{listener="in"}'), undefined);
  assert.equal(found.get('postern_dns_questions_total{outcome="joined"}'), 6);
});

test('the process itself is measured too, and is done with when it is closed', async () => {
  const metrics = new Metrics({ version: '1.2.3' });
  const text = await metrics.text();
  metrics.close();
  for (const name of [
    'process_resident_memory_bytes',
    'process_cpu_seconds_total',
    'postern_event_loop_lag_p50_seconds',
    'postern_event_loop_lag_p99_seconds',
  ]) {
    assert.match(text, new RegExp(`^${name} [0-9.e-]+$`, 'm'));
  }
  assert.ok(metrics.eventLoop.p99 >= metrics.eventLoop.p50);
});
