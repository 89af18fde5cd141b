// Loading a configuration: defaults, files, environment.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os, { availableParallelism, hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { referenceFile, withReference } from '../../scripts/configuration-reference.ts';
import { findSource } from '../../src/config/find.ts';
import { loadConfiguration } from '../../src/config/load.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-config-'));
after(() => rmSync(directory, { recursive: true }));

/** A file in a directory of this test's own. */
function write(name: string, text: string): string {
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
}

const shortest = `
listeners:
  - name: in
    listen: 127.0.0.1:10025
    mode: after-queue
    destinations: [smtp://127.0.0.1:10026]
`;

/** Loads a file's text; no variable of this process gets in. */
function load(text: string, environment: NodeJS.ProcessEnv = {}) {
  return loadConfiguration({ file: write('postern.yaml', text), environment });
}

const ownName = 'machine.example';
let machine = ownName;
// What it is called without us does not always do.
mock.method(os, 'hostname', () => machine);
syncBuiltinESMExports();

/** Gives this machine another name until the test ends. */
function nameMachine(t: TestContext, name: string): void {
  machine = name;
  t.after(() => {
    machine = ownName;
  });
}

test('a name of the machine that is no host name is said to be the machine’s', (t) => {
  for (const [name, shown] of [
    ['Ali’s Mac', '"Ali’s Mac"'],
    ['(none)', '"(none)"'],
    ['', '""'],
  ] as const) {
    nameMachine(t, name);
    const told = `missing, and this machine’s own name, ${shown}, is not a host name; expected a name such as mx.example.com, or an address in brackets`;
    const file = write('nameless.yaml', shortest);
    assert.throws(() => loadConfiguration({ file, environment: {} }), {
      mistakes: [`${file}:2: hostname: ${told}`],
    });
    const environment = { POSTERN_LISTEN: '127.0.0.1:10025', POSTERN_DESTINATION: 'smtp://127.0.0.1:10026' };
    assert.throws(() => loadConfiguration({ environment }), { mistakes: [`POSTERN_HOSTNAME: ${told}`] });
    assert.equal(load(`hostname: mx.example.com${shortest}`).hostname, 'mx.example.com');
  }
});

test('a machine that is called as every other is warned of, unless the configuration has a name', (t) => {
  for (const name of ['localhost', 'LOCALHOST.localdomain']) {
    nameMachine(t, name);
    assert.deepEqual(load(shortest).warnings, [
      `${join(directory, 'postern.yaml')}:2: hostname: missing, and this machine’s own name, "${name}", is that of every other too; expected a name such as mx.example.com`,
    ]);
    assert.deepEqual(load(`hostname: mx.example.com${shortest}`).warnings, []);
  }
});

test('the shortest file gets every default', () => {
  const { listeners, policy, checks, spool, ...rest } = load(shortest);
  assert.deepEqual(rest, {
    file: join(directory, 'postern.yaml'),
    warnings: [],
    hostname: hostname(),
    authservId: hostname(),
    networks: {
      local: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8', 'fc00::/7', '::1'],
      trusted: [],
      map: [],
    },
    header: { remove: [], alsoIn: ['X-Authentication-Results'], keepRemoved: false },
    trace: { keep: 0 },
    dns: {
      timeoutMs: 5000,
      tries: 2,
      zoneOnly: false,
      cache: { entries: 10_000, maxAgeMs: 3_600_000, failureAgeMs: 30_000 },
      transactionMs: 20_000,
    },
    customChecks: [],
    receivedSpf: false,
    http: { host: '127.0.0.1', port: 8025 },
    workers: availableParallelism(),
    stopMs: 30_000,
    log: { level: 'info', format: 'json', output: { kind: 'stdout' }, privacy: 'none' },
  });
  assert.equal(policy.dmarc, 'annotate');
  for (const name of ['iprev', 'spf', 'dkim', 'arc', 'dmarc'] as const) assert.ok(checks[name], name);
  assert.equal(checks.bimi, false);
  assert.equal(spool.memoryBytes, 1_048_576);
  assert.equal(spool.messageLimitBytes, 52_428_800);
  assert.ok([tmpdir(), '/var/spool/postern'].includes(spool.directory));
  assert.deepEqual(listeners, [
    {
      name: 'in',
      listen: { host: '127.0.0.1', port: 10_025 },
      mode: 'after-queue',
      clients: ['127.0.0.0/8', '::1'],
      destinations: [
        {
          protocol: 'smtp',
          tls: 'none',
          address: { host: '127.0.0.1', port: 10_026 },
          verify: true,
          text: 'smtp://127.0.0.1:10026',
        },
      ],
      authservId: hostname(),
      hostname: hostname(),
      pool: {
        size: 50,
        idleMs: 60_000,
        ageMs: 600_000,
        transactions: 100,
        waitMs: 30_000,
        waiting: 1000,
        backoffMs: 1000,
        backoffMaxMs: 60_000,
        checkAfterMs: 5000,
      },
      timeouts: {
        connectMs: 30_000,
        greetingMs: 60_000,
        helloMs: 60_000,
        mailMs: 300_000,
        rcptMs: 300_000,
        dataMs: 120_000,
        contentMs: 180_000,
        finalMs: 600_000,
      },
      envelope: 'passthrough',
      bareNewlines: 'normalize',
      proxyProtocol: [],
      limits: {
        connections: 1000,
        recipients: 1000,
        commandBytes: 2048,
        headerBytes: 1_048_576,
        idleMs: 300_000,
        transactionMs: 3_600_000,
        answerMs: 600_000,
      },
    },
  ]);
});

test('before the queue the answer comes sooner than Postfix gives up, unless the file says otherwise', () => {
  const before = shortest.replace('after-queue', 'before-queue');
  assert.equal(load(before).listeners[0]?.limits.answerMs, 90_000);
  assert.equal(load(`${before}    limits: { answer: 5s }`).listeners[0]?.limits.answerMs, 5000);
});

test('a listener has the authserv-id above it, or its own', () => {
  const above = `hostname: mx.example.com\nauthservId: example.com\n${shortest}`;
  assert.deepEqual(
    [
      load(above),
      load(`${above}    authservId: other.example`),
      load(`hostname: mx.example.com\n${shortest}`),
    ].map(({ listeners }) => [listeners[0]?.hostname, listeners[0]?.authservId]),
    [
      ['mx.example.com', 'example.com'],
      ['mx.example.com', 'other.example'],
      ['mx.example.com', 'mx.example.com'],
    ],
  );
});

test('a listener may be a UNIX socket, an IPv6 address, or a name', () => {
  const listen = (text: string) =>
    load(shortest.replace('127.0.0.1:10025', JSON.stringify(text))).listeners[0]?.listen;
  assert.deepEqual(listen('unix:/run/postern/in.sock'), { path: '/run/postern/in.sock' });
  assert.deepEqual(listen('[::1]:25'), { host: '::1', port: 25 });
  assert.deepEqual(listen('localhost:0'), { host: 'localhost', port: 0 });
});

test('anchors and aliases may save typing', () => {
  const configuration = load(`
listeners:
  - { name: a, listen: 127.0.0.1:1, mode: after-queue, destinations: &to [smtp://127.0.0.1:2] }
  - { name: b, listen: 127.0.0.1:3, mode: before-queue, destinations: *to }
`);
  assert.deepEqual(configuration.listeners[0]?.destinations, configuration.listeners[1]?.destinations);
});

test('the zone file is looked for beside the file that names it', () => {
  write('zone.yaml', 'example.com: { TXT: ["v=spf1 -all"] }\n');
  const { zone } = load(`${shortest}dns: { zone: ./zone.yaml, zoneOnly: true }`).dns;
  assert.deepEqual(zone?.get('example.com')?.get('TXT'), [['v=spf1 -all']]);
});

test('the certificate and its key are read', () => {
  const [certificate, key] = ['crt', 'key'].map((kind) =>
    fileURLToPath(new URL(`../support/tls/localhost.${kind}`, import.meta.url)),
  );
  const listener = load(`${shortest}    tls: { certificate: ${certificate}, key: ${key} }`).listeners[0];
  assert.equal(listener?.tls?.mode, 'starttls');
  assert.match(listener?.tls?.certificate ?? '', /^-----BEGIN CERTIFICATE-----/);
  assert.match(listener?.tls?.key ?? '', /PRIVATE KEY-----/);
});

test('the environment alone is enough', () => {
  const zone = write('environment-zone.yaml', 'example.com: { A: [192.0.2.1] }\n');
  const configuration = loadConfiguration({
    environment: {
      POSTERN_LISTEN: '0.0.0.0:25',
      POSTERN_MODE: 'before-queue',
      POSTERN_DESTINATION: 'lmtp://store:24, lmtp+unix:/run/lmtp',
      POSTERN_CLIENTS: '10.0.0.0/8,::1',
      POSTERN_HOSTNAME: 'mx.example.com',
      POSTERN_AUTHSERV_ID: 'example.com',
      POSTERN_DNS_ZONE: zone,
      POSTERN_WORKERS: '3',
      POSTERN_HTTP: 'false',
    },
  });
  const [listener] = configuration.listeners;
  assert.equal(configuration.file, undefined);
  assert.deepEqual(listener?.listen, { host: '0.0.0.0', port: 25 });
  assert.equal(listener?.mode, 'before-queue');
  assert.deepEqual(
    listener?.destinations.map(({ protocol, address }) => ({ protocol, address })),
    [
      { protocol: 'lmtp', address: { host: 'store', port: 24 } },
      { protocol: 'lmtp', address: { path: '/run/lmtp' } },
    ],
  );
  assert.deepEqual(listener?.clients, ['10.0.0.0/8', '::1']);
  assert.equal(listener?.hostname, 'mx.example.com');
  assert.equal(listener?.authservId, 'example.com');
  assert.equal(configuration.dns.zone?.has('example.com'), true);
  assert.equal(configuration.workers, 3);
  assert.equal(configuration.http, false);
});

test('without POSTERN_MODE the mode is after-queue, and an empty variable counts as absent', () => {
  const { listeners, hostname: name } = loadConfiguration({
    environment: {
      POSTERN_LISTEN: '127.0.0.1:10025',
      POSTERN_DESTINATION: 'smtp://127.0.0.1:10026',
      POSTERN_MODE: '',
      POSTERN_HOSTNAME: '',
    },
  });
  assert.equal(listeners[0]?.mode, 'after-queue');
  assert.equal(name, hostname());
});

test('with a file, the environment overrides what stands for one key, and not the listeners', () => {
  const configuration = load(`hostname: file.example\nworkers: 1\n${shortest}`, {
    POSTERN_HOSTNAME: 'environment.example',
    POSTERN_WORKERS: '2',
    POSTERN_LISTEN: '127.0.0.1:1',
    POSTERN_DESTINATION: 'smtp://127.0.0.1:2',
    POSTERN_PORT: 'tcp://10.0.0.1:25',
  });
  assert.equal(configuration.hostname, 'environment.example');
  assert.equal(configuration.workers, 2);
  assert.deepEqual(configuration.listeners[0]?.listen, { host: '127.0.0.1', port: 10_025 });
});

test('the environment is used where it describes a listener; that the default file is not, is a warning', () => {
  const file = write('etc.yaml', shortest);
  const files = [file, join(directory, 'no-such-file.yaml')] as const;
  const found = (environment: NodeJS.ProcessEnv) => {
    const { warnings, ...rest } = loadConfiguration({ environment }, findSource({ environment }, files));
    return { file: rest.file, warnings };
  };
  const environment = {
    POSTERN_LISTEN: '127.0.0.1:10025',
    POSTERN_DESTINATION: 'smtp://127.0.0.1:10026',
    POSTERN_HOSTNAME: 'mx.example.com',
  };
  const names = 'POSTERN_LISTEN, POSTERN_DESTINATION';
  assert.deepEqual(found(environment), {
    file: undefined,
    warnings: [`${file}: not used, since the environment describes a listener: ${names}`],
  });
  assert.deepEqual(found({ POSTERN_HOSTNAME: 'mx.example.com', POSTERN_MODE: '' }), { file, warnings: [] });
  assert.deepEqual(found({ POSTERN_MODE: 'before-queue', POSTERN_CLIENTS: '::1' }), {
    file,
    warnings: [`POSTERN_MODE, POSTERN_CLIENTS: not used, since the listeners are those of ${file}`],
  });
});

test('a certificate that is not valid at this time is used, and warned of', (context) => {
  const files = ['crt', 'key'].map((kind) =>
    fileURLToPath(new URL(`../support/tls/localhost.${kind}`, import.meta.url)),
  );
  const { validFromDate, validToDate } = new X509Certificate(readFileSync(files[0] ?? ''));
  const warnings = (now: number) => {
    context.mock.timers.setTime(now);
    return load(`${shortest}    tls: { certificate: ${files[0]}, key: ${files[1]} }`).warnings.join();
  };
  context.mock.timers.enable({ apis: ['Date'] });
  assert.equal(warnings(validFromDate.getTime() + 1000), '');
  assert.match(
    warnings(validFromDate.getTime() - 1000),
    new RegExp(
      `listeners\\[0\\]\\.tls\\.certificate: not valid before ${validFromDate.toISOString()}: `,
      'u',
    ),
  );
  assert.match(
    warnings(validToDate.getTime() + 1000),
    new RegExp(`certificate: expired on ${validToDate.toISOString()}: .*; expected one that is valid$`, 'u'),
  );
});

test('who checks is told of places that are not there, or are something else', () => {
  const file = write('not-a-directory', '');
  const text = `listeners:
  - name: in
    listen: unix:${directory}/absent/in.sock
    mode: after-queue
    destinations: [smtp+unix:/run/postfix/in.sock]
  - name: second
    listen: unix:${directory}/in.sock
    mode: after-queue
    destinations: [smtp+unix:/run/postfix/in.sock]
spool: { directory: absent }
log: { output: ${file}/postern.log }
`;
  const warnings = (change: (text: string) => string, purpose: 'serve' | 'check' = 'check') =>
    loadConfiguration({ file: write('places.yaml', change(text)), environment: {}, purpose }).warnings.map(
      (warning) => warning.replaceAll(`${directory}/`, ''),
    );
  assert.deepEqual(
    warnings((same) => same),
    [
      'places.yaml:3: listeners[0].listen: "absent" is not there: nothing can listen there; expected a directory',
      'places.yaml:10: spool.directory: "absent" is not there: large messages would be put off with 452; expected a directory',
      'places.yaml:11: log.output: "not-a-directory" is no directory: lines would go to standard error; expected a directory',
    ],
  );
  assert.deepEqual(
    warnings((same) => same, 'serve'),
    [],
  );
  const there = (path: string) => text.replaceAll('absent', '.').replace(/output: .*/, `output: ${path} }`);
  assert.deepEqual(
    warnings(() => there(`${directory}/postern.log`)),
    [],
  );
  assert.match(
    warnings(() => there(directory)).join(),
    /^places\.yaml:11: log\.output: .* is a directory: lines would go to standard error; expected the path of a file$/,
  );
});

test('docs/configuration.md lists the keys that the schema has', () => {
  const document = readFileSync(referenceFile, 'utf8');
  assert.equal(document, withReference(document), 'run: npm run generate');
});
