// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment are written so in YAML
// A configuration with its defaults: it loads again to the same one, in the units of people, without secrets.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { parse } from 'yaml';
import { loadConfiguration } from '../../src/config/load.ts';
import { ConfigurationError } from '../../src/config/mistakes.ts';
import { describeAsYaml, describeConfiguration, masked } from '../../src/config/show.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-show-'));
after(() => rmSync(directory, { recursive: true }));

/** A file in a directory of this test's own. */
function write(name: string, text: string): string {
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
}

const shortest = `
listeners:
  - { name: in, listen: "127.0.0.1:10025", mode: before-queue, destinations: ["smtp://127.0.0.1:10026"] }
`;

/** What is shown of a file's text. */
function show(text: string, environment: NodeJS.ProcessEnv = {}): unknown {
  return describeConfiguration({ file: write('postern.yaml', text), environment });
}

/** Whether what is shown loads to what the file loads to, from another directory. */
function assertSame(file: string, environment: NodeJS.ProcessEnv = {}): void {
  const again = mkdtempSync(join(directory, 'again-'));
  writeFileSync(join(again, 'shown.yaml'), describeAsYaml({ file, environment }));
  // Warnings name the file.
  const {
    file: _,
    warnings: _warnings,
    ...shown
  } = loadConfiguration({ file: join(again, 'shown.yaml'), environment: {} });
  const { file: __, warnings: __warnings, ...loaded } = loadConfiguration({ file, environment });
  assert.equal(inAnyPlace(shown), inAnyPlace(loaded));
}

/** Some names of files are kept as they were written, besides what they lead to. */
function inAnyPlace(value: unknown): string {
  return inspect(value, { depth: null, sorted: true, compact: false }).replaceAll(`${directory}/`, '');
}

const shipped = fileURLToPath(new URL('../../config/', import.meta.url));
for (const name of globSync(['*.yaml', 'examples/*.yaml'], { cwd: shipped })) {
  test(`what is shown of config/${name} loads to the same`, () => assertSame(join(shipped, name)));
}

test('what is shown of a file with everything in it loads to the same, wherever it lies', () => {
  const [certificate, key] = ['crt', 'key'].map((kind) =>
    fileURLToPath(new URL(`../support/tls/localhost.${kind}`, import.meta.url)),
  );
  writeFileSync(join(directory, 'cert.pem'), readFileSync(certificate ?? ''));
  writeFileSync(join(directory, 'key.pem'), readFileSync(key ?? ''));
  const { privateKey } = generateKeyPairSync('ed25519');
  write('seal.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  write('zone.yaml', 'example.com: { A: [192.0.2.1] }\n');
  write('rules.yaml', '- { when: { from: example.com }, then: quarantine }\n');
  const file = write(
    'full.yaml',
    `
hostname: \${HOST}
listeners:
  - name: in
    listen: unix:/run/in.sock
    mode: after-queue
    authservId: $$$a
    destinations: [lmtp+unix:/run/lmtp]
    tls: { certificate: cert.pem, key: key.pem }
    limits: { answer: 5s, header: 2097152 }
networks: { map: [{ client: [10.0.0.1], as: { ip: 192.0.2.10 } }] }
dns: { zone: zone.yaml, zoneOnly: true, servers: ["[::1]:5353"] }
checks: { arc: { seal: { domain: example.com, selector: s, key: seal.pem } }, dnsbl: { zones: [{ zone: bl.example }] } }
policy:
  rulesFile: rules.yaml
  temperror: { stranger: tempfail }
  rules: [{ when: { results: { spf: fail } }, then: { reject: { text: "costs $\${5} or $$$$" } }, until: 2030-01-01 }]
spool: { directory: spool, memory: 4096 }
http: false
workers: 3
`,
  );
  assertSame(file, { HOST: 'mx.example.com', POSTERN_AUTHSERV_ID: 'example.com' });
});

test('defaults are there, those that follow from other keys too', () => {
  const shown = show(`hostname: mx.example.com\n${shortest}`) as {
    readonly authservId: string;
    readonly workers: string;
    readonly dns: { readonly timeout: string };
    readonly spool: { readonly messageLimit: string; readonly directory: string };
    readonly listeners: readonly {
      readonly limits: { readonly answer: string };
      readonly authservId: string;
    }[];
  };
  assert.equal(shown.authservId, 'mx.example.com');
  assert.equal(shown.workers, 'auto');
  assert.equal(shown.dns.timeout, '5s');
  assert.equal(shown.spool.messageLimit, '50MiB');
  assert.ok(shown.spool.directory.startsWith('/'));
  assert.deepEqual(
    shown.listeners.map(({ limits, authservId }) => [limits.answer, authservId]),
    [['90s', 'mx.example.com']],
  );
});

test('sizes get units, and names of files become absolute', () => {
  write('zone.yaml', '');
  const { spool, dns } = show(
    `${shortest}spool: { memory: 1048576, directory: s }\ndns: { zone: ./zone.yaml }`,
  ) as {
    readonly spool: Readonly<Record<string, unknown>>;
    readonly dns: Readonly<Record<string, unknown>>;
  };
  assert.equal(spool.memory, '1MiB');
  assert.equal(spool.directory, join(directory, 's'));
  assert.equal(dns.zone, join(directory, 'zone.yaml'));
});

test('secrets among the options of checks of one’s own are masked', () => {
  write(
    'check.mjs',
    `export default { name: 'own', schema: (z) => z.looseObject({}), async endOfMessage() { return []; } };\n`,
  );
  const { checks } = show(
    `${shortest}checks: { custom: [{ module: check.mjs, options: { api_key: abc, deep: { token: "\${T}" }, url: u } }] }`,
    { T: 'secret' },
  ) as { readonly checks: { readonly custom: readonly { readonly options: unknown }[] } };
  assert.deepEqual(checks.custom[0]?.options, { api_key: masked, deep: { token: masked }, url: 'u' });
});

test('YAML and JSON show the same', () => {
  const place = { file: write('postern.yaml', shortest), environment: {} };
  assert.deepEqual(parse(describeAsYaml(place)), describeConfiguration(place));
});

test('a pipe, which can be read once only, is shown as a file is', () => {
  const file = write('piped.yaml', `hostname: mx.example\n${shortest}`);
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // Whoever reads it again gets nothing.
  const writer = spawn('sh', ['-c', 'cat "$1" > "$2"; : > "$2"', 'sh', file, pipe], { stdio: 'ignore' });
  try {
    const shown = describeConfiguration({ file: pipe, environment: {} });
    assert.equal((shown as { hostname?: unknown }).hostname, 'mx.example');
  } finally {
    writer.kill('SIGKILL');
  }
});

test('the environment alone can be shown', () => {
  const shown = describeConfiguration({
    environment: {
      POSTERN_LISTEN: '127.0.0.1:1',
      POSTERN_DESTINATION: 'smtp://127.0.0.1:2',
      POSTERN_HTTP: 'false',
    },
  }) as { readonly http: unknown; readonly listeners: readonly { readonly mode: string }[] };
  assert.equal(shown.http, false);
  assert.equal(shown.listeners[0]?.mode, 'after-queue');
});

test('a configuration with mistakes is not shown', () => {
  assert.throws(() => show('listeners: []\ncolour: red\n'), ConfigurationError);
});
