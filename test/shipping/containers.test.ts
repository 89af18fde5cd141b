// The configurations for containers run, and the manifests fit what is then seen: probes, metrics, memory, user, volumes.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { programIn } from '../cli/program.ts';
import { Site } from '../mta/support/site.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { configurationOf, root, textOf, yamlOf, yamlsOf } from './support/files.ts';
import { relay, type Serving, startServing } from './support/serving.ts';

interface Container {
  readonly name: string;
  readonly image: string;
  readonly resources?: {
    readonly requests: { readonly memory: string };
    readonly limits: { memory: string };
  };
  readonly securityContext?: { readonly runAsUser: number; readonly runAsGroup: number };
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
  readonly readinessProbe?: { readonly httpGet?: { readonly path: string } };
  readonly livenessProbe?: { readonly httpGet?: { readonly path: string } };
}

interface Manifest {
  readonly kind: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly Container[];
        readonly volumes: readonly {
          readonly name: string;
          readonly emptyDir?: { readonly sizeLimit: string };
        }[];
      };
    };
  };
}

interface Service {
  readonly image: string;
  readonly mem_limit?: string;
  readonly tmpfs?: readonly string[];
}

const token = '0123456789abcdef0123456789abcdef';
const { version } = JSON.parse(textOf('package.json')) as { version: string };
const units: Readonly<Record<string, number>> = { m: 2 ** 20, Mi: 2 ** 20, g: 2 ** 30, Gi: 2 ** 30 };

/** Bytes of a size as manifests and compose files write it. */
function bytesOf(size: string | undefined): number {
  const [, number, unit = ''] = /^(\d+)(\D+)$/u.exec(size ?? '') ?? [];
  const factor = units[unit];
  assert.ok(number !== undefined && factor !== undefined, size);
  return Number(number) * factor;
}

/** What two workers take under full load, and what all texts say that it is. */
const fullLoad = (() => {
  const figures =
    /Under full load .* (\d+) MB for the primary, (\d+) MB for each worker, and (\d+) MB for the HTTP process: with 2 workers (\d+ MB at rest, (\d+) MB under full load)\./u.exec(
      textOf('docs/operations.md'),
    );
  assert.ok(figures, 'docs/operations.md has no figures of memory');
  const [primary = 0, worker = 0, http = 0] = figures.slice(1).map(Number);
  const [text = '', megabytes] = figures.slice(4);
  assert.ok(Math.abs(primary + 2 * worker + http - Number(megabytes)) <= 50, figures[0]);
  return { text, bytes: Number(megabytes) * 1e6 };
})();

/** One way to run Postern in a container, and what it is given there. */
interface Way {
  readonly file: string;
  readonly configuration: string;
  readonly images: readonly string[];
  /** The whole file that says how much memory there is. */
  readonly text: string;
  readonly memoryBytes: number;
  /** How much room the volume of the spool has; it is memory too. */
  readonly spoolBytes: number;
  readonly probes: readonly string[];
}

const manifests = ['docker/kubernetes/sidecar.yaml', 'docker/kubernetes/deployment.yaml'].map((file): Way => {
  const all = yamlsOf<Manifest>(file);
  const pod = all.find(({ kind }) => ['Deployment', 'StatefulSet'].includes(kind))?.spec.template.spec;
  const postern = pod?.containers.find(({ name }) => name === 'postern');
  assert.ok(pod && postern?.resources);
  assert.ok(bytesOf(postern.resources.requests.memory) >= fullLoad.bytes, file);
  const probes = [postern.readinessProbe, postern.livenessProbe];
  return {
    file,
    configuration: all.find(({ kind }) => kind === 'ConfigMap')?.data?.['postern.yaml'] ?? '',
    images: pod.containers.map(({ image }) => image),
    text: textOf(file),
    memoryBytes: bytesOf(postern.resources.limits.memory),
    spoolBytes: bytesOf(pod.volumes.find(({ emptyDir }) => emptyDir)?.emptyDir?.sizeLimit),
    probes: probes.map((probe) => probe?.httpGet?.path ?? ''),
  };
});

const composed = ['docker/postern/postern.yaml', 'docker/postern/before-queue.yaml'].map((file): Way => {
  const { services } = yamlOf<{ services: Readonly<Record<string, Service>> }>('docker/compose.yaml');
  const { postern } = services;
  return {
    file,
    configuration: textOf(file),
    images: Object.values(services).map(({ image }) => image),
    text: textOf(file),
    memoryBytes: bytesOf(postern?.mem_limit),
    spoolBytes: bytesOf(/size=(\w+)/u.exec(postern?.tmpfs?.[0] ?? '')?.[1]),
    probes: ['/healthz'],
  };
});

/** The configuration at addresses of this machine, with as little else changed as possible. */
function here(text: string, destination: string): string {
  const shown = parse(text) as { listeners: readonly object[]; http: object };
  const listeners = shown.listeners.map((each) => ({
    ...each,
    listen: '127.0.0.1:0',
    clients: ['127.0.0.0/8'],
    destinations: [destination],
  }));
  const http = { ...shown.http, listen: '127.0.0.1:0', tokenFile: './token' };
  return stringify({ ...shown, listeners, http, dns: { zone: '/dev/null', zoneOnly: true } });
}

/** Names and label names of everything that Prometheus would read. */
async function seriesOf({ http }: Serving): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const answer = await fetch(`${http}/metrics`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200);
  const found = new Map<string, Set<string>>();
  for (const [, name = '', labels = ''] of (await answer.text()).matchAll(/^(\w+)(?:\{(.*)\})? /gmu)) {
    const known = found.get(name) ?? new Set();
    for (const [, label = '', value] of labels.matchAll(/(\w+)="([^"]*)"/gu))
      known.add(label).add(`${label}="${value}"`);
    found.set(name, known);
  }
  return found;
}

for (const way of [...manifests, ...composed]) {
  describe(way.file, () => {
    test('its configuration has no mistake, boots, answers the probes and relays a message', async () => {
      await using site = new Site();
      await using downstream = await ScriptedDownstream.start();
      const directory = site.directory('containers');
      writeFileSync(join(directory, 'token'), `${token}\n`);
      const shown = way.configuration.replace(/tokenFile: \S+?(?= \})/u, 'tokenFile: ./token');
      writeFileSync(join(directory, 'shown.yaml'), shown);
      const checked = await programIn(directory).run(['config', 'check', 'shown.yaml']);
      assert.equal(checked.status, 0, checked.stderr);

      const file = join(directory, 'postern.yaml');
      writeFileSync(file, here(way.configuration, downstream.destination));
      const serve = [join(root, 'src/cli.ts'), 'serve', '--config', file];
      const serving = await startServing(site, [process.execPath, ...serve]);
      const [listener = ''] = serving.addresses.keys();
      const { data } = await relay(serving, listener, downstream);
      assert.match(data.toString('latin1'), /^Authentication-Results: mx\.example\.com;/mu);
      for (const path of way.probes) assert.equal((await fetch(serving.http + path)).status, 200, path);

      const [rule] = yamlOf<{
        rules: { custom: readonly { seriesQuery: string; metricsQuery: string }[] };
      }>('docker/kubernetes/prometheus-adapter.yaml').rules.custom;
      const [, name = '', asked = ''] = /^(\w+)\{(.*)\}$/u.exec(rule?.seriesQuery ?? '') ?? [];
      const labels = (await seriesOf(serving)).get(name);
      assert.ok(labels, `${name} is no metric`);
      // Those that a scrape adds; all others are the program's.
      const ours = asked.split(',').filter((label) => !/^(?:namespace|pod)!=""$/u.test(label));
      const summed = [...(rule?.metricsQuery ?? '').matchAll(/\w+="\w+"/gu)].map(([label]) => label);
      assert.deepEqual(ours, summed);
      assert.ok(ours.length > 0);
      for (const label of ours) assert.ok(labels.has(label), `${name}: ${label}`);
    });

    test('it has the memory that two workers, the primary, the HTTP process and a full spool take', () => {
      const { workers, spool } = configurationOf(way.configuration);
      assert.equal(workers, 2);
      assert.ok(way.text.includes(`ith the primary and the HTTP process ${fullLoad.text}`));
      assert.ok(way.memoryBytes >= fullLoad.bytes + way.spoolBytes);
      assert.ok(spool.limitBytes <= way.spoolBytes, 'the spool may be larger than its volume');
    });

    test('its images have the tag of this version, others one that stays what it is', () => {
      for (const image of way.images) {
        if (image.startsWith('localhost/')) assert.equal(image.split(':')[1], version, image);
        else assert.match(image, /:v?\d+\.\d+\.\d+$/u);
      }
    });
  });
}

test('the user, and what it may write, are those of the image', () => {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  const [, user, group] = /^USER (\d+):(\d+)$/mu.exec(dockerfile) ?? [];
  const [, spool] = /chown postern:postern (\S+)/u.exec(dockerfile) ?? [];
  assert.match(dockerfile, new RegExp(`^ARG VERSION=${version.replaceAll('.', '\\.')}$`, 'mu'));
  for (const { file } of manifests) {
    const containers = yamlsOf<Manifest>(file).flatMap(({ spec }) => spec?.template?.spec.containers ?? []);
    const postern = containers.find(({ name }) => name === 'postern');
    const { runAsUser, runAsGroup } = postern?.securityContext ?? {};
    assert.deepEqual([String(runAsUser), String(runAsGroup)], [user, group], file);
    const writable = postern?.volumeMounts?.filter(({ readOnly }) => !readOnly);
    // All listeners and destinations are TCP there, so that no socket needs a place.
    assert.deepEqual(
      writable?.map(({ mountPath }) => mountPath),
      [spool],
      file,
    );
  }
  const { services } = yamlOf<{ services: Readonly<Record<string, Service>> }>('docker/compose.yaml');
  assert.match(services.postern?.tmpfs?.[0] ?? '', new RegExp(`^${spool}:.*uid=${user},gid=${group}$`, 'u'));
  for (const { configuration } of [...manifests, ...composed]) assert.doesNotMatch(configuration, /unix:/u);
});
