// The files for containers fit each other, the program and the documents.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { documentedLines } from '../mta/support/documents.ts';
import { configurationOf, root, textOf, yamlOf } from './support/files.ts';

interface Service {
  readonly build?: string;
  readonly image?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: Readonly<Record<string, { readonly ipv4_address?: string }>>;
  readonly secrets?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[] };
  readonly profiles?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly stop_grace_period?: string;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks?: Readonly<Record<string, { ipam: { config: readonly { subnet: string }[] } }>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, { readonly file: string }>>;
}

/** What the Compose specification knows, of all that these files use. */
const serviceKeys = new Set(
  `build cap_drop command depends_on environment healthcheck hostname image mem_limit networks pids_limit ports
   profiles read_only restart secrets security_opt stop_grace_period tmpfs volumes`.split(/\s+/),
);

const files = ['docker/compose.yaml', 'docker/compose.before-queue.yaml', 'docker/compose.try.yaml'];
const compose = yamlOf<Compose>('docker/compose.yaml');
const service = (name: string): Service => {
  const found = compose.services[name];
  assert.ok(found, name);
  return found;
};
const addressOf = (name: string) => service(name).networks?.mail?.ipv4_address;

test('compose files have the keys that the Compose specification has', () => {
  for (const file of files) {
    const { services, ...rest } = yamlOf<Compose>(file);
    const known = ['name', 'networks', 'volumes', 'secrets'];
    assert.deepEqual(
      Object.keys(rest).filter((key) => !known.includes(key)),
      [],
    );
    for (const [name, keys] of Object.entries(services)) {
      assert.deepEqual(
        Object.keys(keys).filter((key) => !serviceKeys.has(key)),
        [],
        name,
      );
    }
  }
});

test('files and directories that containers are given exist, and so do volumes, networks, secrets and services', () => {
  for (const file of files) {
    for (const [name, each] of Object.entries(yamlOf<Compose>(file).services)) {
      const where = `${file}: ${name}`;
      if (each.build) assert.ok(existsSync(join(root, 'docker', each.build, 'Dockerfile')), where);
      for (const volume of each.volumes ?? []) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('.'))
          assert.ok(existsSync(join(root, 'docker', source)), `${where}: ${source}`);
        else assert.ok(compose.volumes && source in compose.volumes, `${where}: ${source}`);
      }
      for (const network of Object.keys(each.networks ?? {})) assert.ok(compose.networks?.[network], where);
      for (const secret of each.secrets ?? []) assert.ok(compose.secrets?.[secret], where);
      const others = Array.isArray(each.depends_on) ? each.depends_on : Object.keys(each.depends_on ?? {});
      for (const other of others) assert.ok(compose.services[other], where);
      assert.ok(file !== files[0] || each.networks?.mail, `${where} is in the network`);
    }
  }
});

test('nothing is open to the world until somebody says so, and who is waited for has a health check', () => {
  for (const [name, { ports = [], depends_on }] of Object.entries(compose.services)) {
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:[0-9]+:[0-9]+$/u, name);
    for (const [other, wait] of Object.entries(depends_on ?? {})) {
      if (typeof wait === 'object' && wait.condition === 'service_healthy') {
        const { build = '' } = service(other);
        assert.match(textOf(join('docker', build, 'Dockerfile')), /^HEALTHCHECK /mu, other);
      }
    }
  }
});

test('Postern runs without rights, and writes nothing but its spool', () => {
  const { read_only, cap_drop, tmpfs, stop_grace_period } = service('postern');
  assert.equal(read_only, true);
  assert.deepEqual(cap_drop, ['ALL']);
  assert.match(tmpfs?.[0] ?? '', /^\/var\/spool\/postern:.*uid=10025/u);
  const { stopMs } = configurationOf(textOf('docker/postern/postern.yaml'));
  assert.ok(Number.parseInt(stop_grace_period ?? '', 10) * 1000 > stopMs);
});

for (const [file, mode] of [
  ['docker/postern/postern.yaml', 'after-queue'],
  ['docker/postern/before-queue.yaml', 'before-queue'],
] as const) {
  test(`Postfix and Postern of ${mode} know each other's addresses, and believe nobody else`, () => {
    const { listeners, dns, http } = configurationOf(textOf(file));
    const [listener] = listeners;
    assert.equal(listener?.mode, mode);
    assert.deepEqual(listener?.clients, [addressOf('postfix')]);
    const { environment = {} } = service('postfix');
    assert.equal(environment.FILTER_CLIENTS, `${addressOf('postern')}/32`);
    assert.deepEqual(
      listener?.destinations.map(({ text }) => text),
      [`smtp://${environment.REINJECTION_LISTEN}`],
    );
    assert.equal(environment.FILTER_ADDRESS, 'postern:10025');
    assert.deepEqual(listener?.listen, { host: '0.0.0.0', port: 10025 });
    assert.deepEqual(dns.servers, [addressOf('unbound')]);
    assert.ok(http !== false);
  });
}

test('the resolver answers the network of the containers', () => {
  const subnet = compose.networks?.mail?.ipam.config[0]?.subnet ?? '';
  assert.ok(textOf('docker/unbound/unbound.conf').includes(`access-control: ${subnet} allow`));
});

test('the addresses of compose.try.yaml are those of compose.yaml', () => {
  const { services } = yamlOf<Compose>('docker/compose.try.yaml');
  assert.equal(services.postfix?.environment?.TRIAL_CLIENTS, `${addressOf('postern')}/32`);
  assert.ok(
    services.postern?.volumes?.some((volume) =>
      volume.includes(services.postern?.environment?.POSTERN_DNS_ZONE ?? '?'),
    ),
  );
});

for (const use of ['after-queue', 'before-queue']) {
  test(`Postfix's ${use} lines are those of docs/${use}.md, which real servers try`, () => {
    const lines = textOf(`docker/postfix/master.${use}.cf`)
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    const documented = ['upstream', 'downstream'].flatMap((side) =>
      documentedLines(`${use} master.cf ${side}`, {}).split('\n'),
    );
    assert.deepEqual(lines, documented);
  });
}

test('each variable that a compose file gives to Postfix is one that its entry script reads', () => {
  const script = textOf('docker/postfix/entrypoint.sh');
  for (const file of files) {
    for (const name of Object.keys(yamlOf<Compose>(file).services.postfix?.environment ?? {})) {
      assert.match(script, new RegExp(`^: "\\$\\{${name}:=`, 'mu'));
    }
  }
});

test('the image has the Node.js that the tests run on', () => {
  const { devDependencies, version } = JSON.parse(textOf('package.json')) as {
    devDependencies: Record<string, string>;
    version: string;
  };
  assert.ok(textOf('Dockerfile').includes(`/node:${devDependencies.node}-bookworm-slim\n`));
  assert.ok(textOf('Dockerfile').includes(`ARG VERSION=${version}\n`));
});

test('the scripts are ones that their shells can read', () => {
  const scripts = globSync('docker/**/*.sh', { cwd: root });
  assert.ok(scripts.length >= 3);
  for (const script of scripts) {
    const shell = /^#!.*?(\w+)$/mu.exec(textOf(script))?.[1] ?? '';
    const { status, stderr } = spawnSync(shell, ['-n', join(root, script)], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  }
});
