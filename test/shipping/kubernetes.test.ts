// The manifests for Kubernetes fit each other and the program.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configurationOf, textOf, yamlOf, yamlsOf } from './support/files.ts';

type Labels = Readonly<Record<string, string>>;

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly tcpSocket?: { readonly port: string };
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
}

interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly Container[];
  readonly volumes: readonly {
    readonly name: string;
    readonly configMap?: { readonly name: string };
    readonly emptyDir?: object;
  }[];
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly serviceName?: string;
    readonly selector: Labels & { readonly matchLabels?: Labels };
    readonly podSelector: { readonly matchLabels: Labels };
    readonly ports?: readonly { readonly port: number; readonly targetPort: string | number }[];
    readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
    readonly scaleTargetRef: { readonly kind: string; readonly name: string };
    readonly metrics: readonly { readonly pods: { readonly metric: { readonly name: string } } }[];
    readonly ingress: readonly { readonly ports: readonly { readonly port: string | number }[] }[];
  };
}

const versions: Readonly<Record<string, string>> = {
  ConfigMap: 'v1',
  Service: 'v1',
  Deployment: 'apps/v1',
  StatefulSet: 'apps/v1',
  PodDisruptionBudget: 'policy/v1',
  NetworkPolicy: 'networking.k8s.io/v1',
  HorizontalPodAutoscaler: 'autoscaling/v2',
};

for (const file of ['docker/kubernetes/sidecar.yaml', 'docker/kubernetes/deployment.yaml']) {
  describe(file, () => {
    const all = yamlsOf<Manifest>(file);
    const of = (kind: string) => all.filter((each) => each.kind === kind);
    const [workload] = [...of('Deployment'), ...of('StatefulSet')];
    assert.ok(workload);
    const { labels } = workload.spec.template.metadata;
    const pod = workload.spec.template.spec;
    const postern = pod.containers.find(({ name }) => name === 'postern');
    assert.ok(postern);
    const configuration = configurationOf(of('ConfigMap')[0]?.data?.['postern.yaml'] ?? '');
    const portNames = pod.containers.flatMap(({ ports = [] }) => ports.map(({ name }) => name));
    const fits = (selector: Labels | undefined) =>
      selector !== undefined && Object.entries(selector).every(([key, value]) => labels[key] === value);

    test('has kinds of today’s Kubernetes, each name once', () => {
      for (const { kind, apiVersion } of all) assert.equal(apiVersion, versions[kind], kind);
      const names = all.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
      assert.equal(new Set(names).size, names.length);
    });

    test('selects the pods that it makes', () => {
      assert.ok(fits(workload.spec.selector.matchLabels));
      for (const { spec } of of('PodDisruptionBudget')) assert.ok(fits(spec.selector.matchLabels));
      for (const { spec, metadata } of of('Service')) {
        if (!fits(spec.selector)) continue;
        for (const { targetPort } of spec.ports ?? []) {
          assert.ok(portNames.includes(String(targetPort)), `${metadata.name}: ${targetPort}`);
        }
      }
      assert.ok(of('Service').some(({ spec }) => fits(spec.selector)));
      for (const { spec } of of('NetworkPolicy')) {
        if (!fits(spec.podSelector.matchLabels)) continue;
        for (const { port } of spec.ingress.flatMap(({ ports }) => ports)) {
          assert.ok(portNames.includes(String(port)), String(port));
        }
      }
      const { serviceName } = workload.spec;
      assert.ok(
        serviceName === undefined || of('Service').some(({ metadata }) => metadata.name === serviceName),
      );
    });

    test('mounts volumes that are there, and the configuration that stands beside', () => {
      const volumes = [
        ...pod.volumes.map(({ name }) => name),
        ...(workload.spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
      ];
      for (const { name, volumeMounts = [] } of pod.containers) {
        for (const mount of volumeMounts) assert.ok(volumes.includes(mount.name), `${name}: ${mount.name}`);
      }
      const mounted = pod.volumes.flatMap(({ configMap }) => (configMap ? [configMap.name] : []));
      assert.deepEqual(
        mounted,
        of('ConfigMap').map(({ metadata }) => metadata.name),
      );
      const spool = pod.volumes.find(({ emptyDir }) => emptyDir);
      assert.equal(
        postern.volumeMounts?.find(({ name }) => name === spool?.name)?.mountPath,
        '/var/spool/postern',
      );
    });

    test('probes what Postern serves, where its configuration has it', () => {
      const { http } = configuration;
      assert.ok(http !== false);
      const port = postern.ports?.find(({ name }) => name === 'http')?.containerPort;
      const served = textOf('src/http/probes.ts');
      for (const probe of [postern.startupProbe, postern.readinessProbe, postern.livenessProbe]) {
        assert.equal(probe?.httpGet?.port, 'http');
        assert.ok(served.includes(`'${probe.httpGet.path}'`), probe.httpGet.path);
      }
      assert.deepEqual({ host: '0.0.0.0', port }, hostAndPort(http));
    });

    test('runs Postern without rights, and lets it end its transactions', () => {
      const { securityContext = {} } = postern;
      assert.equal(securityContext.runAsNonRoot, true);
      assert.equal(securityContext.runAsUser, 10025);
      assert.equal(securityContext.readOnlyRootFilesystem, true);
      assert.equal(securityContext.allowPrivilegeEscalation, false);
      assert.deepEqual(securityContext.capabilities, { drop: ['ALL'] });
      assert.ok(pod.terminationGracePeriodSeconds * 1000 > configuration.stopMs + 5000);
    });
  });
}

test('the sidecar believes loopback alone, where Postfix beside it hands mail over and takes it back', () => {
  const all = yamlsOf<Manifest>('docker/kubernetes/sidecar.yaml');
  const text = all.find(({ kind }) => kind === 'ConfigMap')?.data?.['postern.yaml'] ?? '';
  const [listener] = configurationOf(text).listeners;
  assert.deepEqual(listener?.clients, ['127.0.0.0/8', '::1']);
  assert.deepEqual(listener?.listen, { host: '127.0.0.1', port: 10025 });
  assert.equal(listener?.destinations[0]?.text, 'smtp://127.0.0.1:10026');
  const script = textOf('docker/postfix/entrypoint.sh');
  assert.match(script, /^: "\$\{FILTER_ADDRESS:=127\.0\.0\.1:10025\}"$/mu);
  assert.match(script, /^: "\$\{REINJECTION_LISTEN:=127\.0\.0\.1:10026\}"$/mu);
  const postfix = all
    .find(({ kind }) => kind === 'StatefulSet')
    ?.spec.template.spec.containers.find(({ name }) => name === 'postfix');
  for (const { name } of postfix?.env ?? []) assert.ok(script.includes(`: "\${${name}:=`), name);
});

test('the autoscaler asks for a metric of ours, in the name that the adapter gives it', () => {
  const scaler = yamlsOf<Manifest>('docker/kubernetes/deployment.yaml').find(
    ({ kind }) => kind === 'HorizontalPodAutoscaler',
  );
  assert.deepEqual(
    [scaler?.spec.scaleTargetRef.kind, scaler?.spec.scaleTargetRef.name],
    ['Deployment', 'postern'],
  );
  const { rules } = yamlOf<{
    rules: { custom: readonly { seriesQuery: string; name: { as: string } }[] };
  }>('docker/kubernetes/prometheus-adapter.yaml');
  const [rule] = rules.custom;
  assert.equal(scaler?.spec.metrics[0]?.pods.metric.name, rule?.name.as);
  const series = /^\w+/u.exec(rule?.seriesQuery ?? '')?.[0] ?? '';
  assert.ok(textOf('docs/metrics.md').includes(`\`${series}\``), series);
});

/** Where HTTP is, whatever else its section says. */
function hostAndPort(http: object): { host: unknown; port: unknown } {
  const { host, port } = ('listen' in http ? http.listen : http) as { host: unknown; port: unknown };
  return { host, port };
}
