// What is told of metrics elsewhere holds: the document, the dashboard, the alert rules, and Prometheus' own judgement.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { skipWithoutTools } from '../mta/support/requires.ts';
import { observed, readMetrics, type ToldMetric } from './observed.ts';

const root = join(import.meta.dirname, '../..');
const skip = skipWithoutTools('promtool');

let text = '';
let told: ReadonlyMap<string, ToldMetric> = new Map();
before(async () => {
  text = await observed();
  told = readMetrics(text);
});

/** Runs promtool; what it says, and whether it was content. */
function promtool(args: readonly string[], input = ''): Promise<{ failed: boolean; output: string }> {
  return new Promise((resolve) => {
    const child = execFile('promtool', args, { timeout: 30_000 }, (error, stdout, stderr) =>
      resolve({ failed: error !== null, output: stdout + stderr }),
    );
    child.stdin?.end(input);
  });
}

async function checked(args: readonly string[], input?: string): Promise<void> {
  const { failed, output } = await promtool(args, input);
  assert.equal(failed, false, output);
}

/** All queries of the dashboard, its variables filled in. */
async function dashboardQueries(): Promise<string[]> {
  const dashboard: unknown = JSON.parse(await readFile(join(root, 'docker/grafana/postern.json'), 'utf8'));
  const found: string[] = [];
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'expr' && typeof inner === 'string') found.push(inner);
      else look(inner);
    }
  };
  look(dashboard);
  return found.map((query) => query.replaceAll('$__rate_interval', '1m').replaceAll(/\$\w+/g, 'x'));
}

/** Every metric of ours in a text, with the labels that its selector names. */
function used(query: string): { name: string; labels: string[] }[] {
  return [...query.matchAll(/\b(postern_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', selector = '']) => ({
    name,
    labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label = '']) => label),
  }));
}

/** Labels that Prometheus adds. */
const scraped = new Set(['instance', 'job']);

function assertThere(queries: readonly string[]): void {
  let seen = 0;
  for (const query of queries) {
    for (const { name, labels } of used(query)) {
      seen += 1;
      const metric = [...told.values()].find(({ samples }) => samples.has(name));
      assert.ok(metric, `${name} is not among what is told, in: ${query}`);
      for (const label of labels) {
        assert.ok(
          scraped.has(label) || metric.labels.includes(label),
          `${name} has no ${label}, in: ${query}`,
        );
      }
    }
  }
  assert.ok(seen > 10, `only ${seen} metrics were looked at`);
}

test('every metric is documented with its type and its labels, and every documented metric exists', async () => {
  const document = await readFile(join(root, 'docs/metrics.md'), 'utf8');
  const rows = [...document.matchAll(/^\| `(postern_\w+)` \| (\w+) \|([^|]*)\| \S/gm)];
  const documented = rows.map(([, name = '', type, labels = '']) => [
    name,
    { type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label).sort() },
  ]);
  const existing = [...told]
    .filter(([name]) => name.startsWith('postern_'))
    .map(([name, { type, labels }]) => [name, { type, labels: [...labels].sort() }]);
  assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(existing));
  const prefixes = [...document.matchAll(/^\| `(\w+_)\*`/gm)].map(([, prefix = '']) => prefix);
  const others = [...told.keys()].filter((name) => !name.startsWith('postern_'));
  assert.deepEqual(
    others.filter((name) => !prefixes.some((prefix) => name.startsWith(prefix))),
    [],
  );
  assert.ok(prefixes.every((prefix) => others.some((name) => name.startsWith(prefix))));
});

test('metrics of mail that passed tell of it', () => {
  const lines = [
    'postern_connections_total{listener="test"} 1',
    'postern_transactions_total{listener="test",disposition="accept",reply="2xx"} 1',
    'postern_transactions_total{listener="test",disposition="none",reply="4xx"} 1',
    'postern_results_total{check="dkim",value="none"} 1',
    'postern_removed_fields_total{listener="test"} 1',
    'postern_policy_rule_hits_total{rule="all"} 1',
    'postern_downstream_reachable{listener="test"} 1',
    'postern_spool_bytes{where="memory"} 0',
    'postern_spool_messages 0',
  ];
  for (const line of lines) assert.ok(text.split('\n').includes(line), `${line} is missing in:\n${text}`);
  assert.match(text, /^postern_message_size_bytes_count\{listener="test"\} 1$/m);
  assert.match(text, /^postern_transaction_phase_seconds_count\{listener="test",phase="relay"\} 1$/m);
  assert.match(text, /^postern_dns_questions_total\{outcome="zone"\} [1-9]/m);
});

test('the dashboard asks for what there is', async () => {
  const queries = await dashboardQueries();
  assert.ok(queries.length > 20);
  assertThere(queries);
});

test('the alert rules ask for what there is', async () => {
  const rules = await readFile(join(root, 'docker/prometheus/alerts.yaml'), 'utf8');
  assertThere([rules]);
});

test('Prometheus reads what is told, and finds nothing to criticise in ours', { skip }, async () => {
  const { output } = await promtool(['check', 'metrics'], text);
  // Those of the process are named by prom-client.
  const ours = output.split('\n').filter((line) => line !== '' && !/^(?:nodejs|process)_/.test(line));
  assert.deepEqual(ours, []);
});

test('Prometheus takes the alert rules and the configuration, and the rules alert when they should', {
  skip,
}, async () => {
  const folder = join(root, 'docker/prometheus');
  await checked(['check', 'rules', join(folder, 'alerts.yaml')]);
  await checked(['check', 'config', '--syntax-only', join(folder, 'prometheus.yaml')]);
  await checked(['test', 'rules', join(folder, 'alerts.test.yaml')]);
});

test('Prometheus understands every query of the dashboard', { skip }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-promtool-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const queries = await dashboardQueries();
  const rules = queries.map((expr, i) => ({ record: `query_${i}`, expr }));
  const file = join(directory, 'rules.yaml');
  // JSON is YAML as well.
  await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  await checked(['check', 'rules', '--no-lint-fatal', file]);
});
