// The package as npm makes it: packed, installed in an empty folder, and used from there.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Site } from '../mta/support/site.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { startRegistry } from './support/registry.ts';
import { relay, startServing } from './support/serving.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
/** Others may be at work on this machine, and npm and the compiler are work. */
const limitMs = 240_000;

/** What a package is built from; a test must not build in the checkout, where others may be at work. */
const sources = [
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'src',
  'scripts',
  'config',
  'docs',
  'docker',
  'LICENSE',
  'README.md',
];

const message = `From: alice@sender.example
To: bob@example.com
Subject: Hello

Hello.
`;

const zone = `
sender.example: { TXT: ["v=spf1 ip4:192.0.2.10 -all"] }
_dmarc.sender.example: { TXT: ["v=DMARC1; p=reject"] }
client.sender.example: { A: [192.0.2.10] }
10.2.0.192.in-addr.arpa: { PTR: [client.sender.example] }
`;

const consumer = `
import type { CustomCheck } from 'postern';
import { parseMessage, verify } from 'postern/checks';
import { ConfigurationError, loadConfiguration } from 'postern/configuration';
import { Proxy as MailProxy, silentLog } from 'postern/proxy';

export const check: CustomCheck = { name: 'x-listed', async connect({ client, resolve }) {
  const listed = await resolve(client.ip + '.list.example', 'A');
  return [{ method: 'x-listed', value: listed.includes('127.0.0.2') ? 'fail' : 'none', properties: [] }];
} };

const configuration = loadConfiguration({ file: 'postern.yaml', environment: {} });
const [listener] = configuration.listeners;
if (!listener) throw new Error('no listener');

const judgement = await verify(
  configuration,
  listener,
  {
    message: parseMessage(Buffer.from(${JSON.stringify(message)}), {
      messageBytes: 1e6, headerBytes: 1e5, bareNewlines: 'normalize',
    }),
    client: { ip: '192.0.2.10', helo: 'client.sender.example' },
    reversePath: 'alice@sender.example',
    recipients: ['bob@example.com'],
    smtputf8: false,
  },
  { explain: false, report() {} },
);
const proxy = new MailProxy(configuration, silentLog);
await proxy.start();
const address: string | undefined = proxy.addresses.get('in');
await proxy.stop();

let mistakes: readonly string[] = [];
try {
  loadConfiguration({ file: 'absent.yaml', environment: {} });
} catch (error) {
  if (error instanceof ConfigurationError) mistakes = error.mistakes;
}
console.log(JSON.stringify({ results: judgement.outcome.results.map(({ method, value }) => method + '=' + value), address, mistakes }));
`;

const configuration = `
listeners:
  - name: in
    listen: 127.0.0.1:0
    mode: after-queue
    destinations: [smtp://127.0.0.1:1]
dns: { zone: ./zone.yaml, zoneOnly: true }
`;

describe('the package', { timeout: 2 * limitMs }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-package-'));
  const folder = join(directory, 'empty');
  const installed = join(folder, 'node_modules/postern');
  let packed: readonly string[] = [];

  before(
    async () => {
      const build = join(directory, 'build');
      for (const source of sources) cpSync(join(root, source), join(build, source), { recursive: true });
      symlinkSync(join(root, 'node_modules'), join(build, 'node_modules'));
      // Whoever runs this may have a home directory that cannot be written to, and a proxy.
      const env = {
        ...process.env,
        npm_config_cache: join(directory, 'cache'),
        npm_config_noproxy: '127.0.0.1',
      };
      await run('npm', ['run', '--ignore-scripts', 'build'], { cwd: build, env });
      const { stdout } = await run(
        'npm',
        ['pack', '--json', '--ignore-scripts', '--pack-destination', directory],
        { cwd: build, env },
      );
      const [archive] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
      packed = archive.files.map(({ path }) => path);
      mkdirSync(folder);
      await using registry = await startRegistry();
      await run(
        'npm',
        [
          ...[
            'install',
            '--no-audit',
            '--no-fund',
            '--ignore-scripts',
            '--no-package-lock',
            '--fetch-retries=0',
          ],
          ...['--registry', registry.url, join(directory, archive.filename)],
        ],
        { cwd: folder, env },
      );
      writeFileSync(join(folder, 'message.eml'), message);
      writeFileSync(join(folder, 'zone.yaml'), zone);
      writeFileSync(join(folder, 'postern.yaml'), configuration);
      writeFileSync(join(folder, 'consumer.ts'), consumer);
    },
    { timeout: limitMs },
  );
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('has what is needed to run it and to write for it, and nothing else', () => {
    const tops = new Set(packed.map((path) => path.split('/', 1)[0]));
    assert.deepEqual([...tops].sort(), [
      'LICENSE',
      'README.md',
      'config',
      'dist',
      'docker',
      'docs',
      'package.json',
    ]);
    for (const path of [
      'dist/cli.js',
      'dist/library/proxy.d.ts',
      'dist/http/page/index.html',
      'config/postern.yaml',
      'config/systemd/postern.service',
    ]) {
      assert.ok(packed.includes(path), path);
    }
    assert.ok(existsSync(join(installed, 'dist/cli.js')));
  });

  test('names nothing in its exports that it does not have', () => {
    const { exports, bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      exports: Record<string, string | Record<string, string>>;
      bin: Record<string, string>;
    };
    const files = [
      ...Object.values(exports).flatMap((entry) =>
        Object.values(typeof entry === 'string' ? [entry] : entry),
      ),
      ...Object.values(bin),
    ];
    assert.ok(files.length > 8, String(files.length));
    assert.deepEqual(
      files.filter((file) => !existsSync(join(installed, file))),
      [],
    );
  });

  test('has everything that its documents link to, and no map without its source', () => {
    const documents = packed.filter((path) => path.endsWith('.md'));
    assert.ok(documents.length > 20, String(documents.length));
    const dead = documents.flatMap((document) =>
      [...readFileSync(join(installed, document), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/gu)]
        .map(([, link = '']) => join(dirname(document), link))
        .filter((path) => !existsSync(join(installed, path))),
    );
    assert.deepEqual(dead, []);
    assert.deepEqual(
      packed.filter((path) => path.endsWith('.map')),
      [],
    );
  });

  test('exports what its documents name, and as the types of checks nothing that runs', async () => {
    const program = `for (const name of ['postern', 'postern/checks', 'postern/configuration', 'postern/proxy'])
      console.log(name, Object.keys(require(name)).sort().join(' '));`;
    const { stdout } = await run(process.execPath, ['--eval', program], { cwd: folder });
    assert.deepEqual(stdout.trimEnd().split('\n'), [
      'postern ',
      'postern/checks VerifyError parseMessage verify',
      'postern/configuration ConfigurationError loadConfiguration',
      'postern/proxy Proxy createLog silentLog',
    ]);
  });

  test('has everything installed that it imports', async () => {
    const { stdout } = await run('npm', ['ls', '--all', '--json'], { cwd: folder });
    assert.equal((JSON.parse(stdout) as { problems?: unknown }).problems, undefined);
  });

  test('judges a message from where it is installed', async () => {
    const client = [
      '--ip',
      '192.0.2.10',
      '--helo',
      'client.sender.example',
      '--from',
      'alice@sender.example',
    ];
    const { stdout } = await run(
      join(folder, 'node_modules/.bin/postern'),
      ['verify', 'message.eml', '--zone', 'zone.yaml', ...client],
      { cwd: folder },
    );
    assert.match(stdout, /spf=pass/u);
    assert.match(stdout, /dmarc=pass/u);
  });

  test('serves from where it is installed: a message is relayed, and all of the status page is there', async () => {
    await using site = new Site();
    await using downstream = await ScriptedDownstream.start();
    const file = join(folder, 'serve.yaml');
    const served = configuration.replace('smtp://127.0.0.1:1', downstream.destination);
    writeFileSync(file, `${served}http: 127.0.0.1:0\nworkers: 1\nspool: { directory: . }\n`);
    const program = join(folder, 'node_modules/.bin/postern');
    const serving = await startServing(site, [program, 'serve', '--config', file]);
    const { data } = await relay(serving, 'in', downstream);
    assert.match(data.toString('latin1'), /^Authentication-Results: /mu);

    const pages = new Map<string, string>();
    const waiting = [''];
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      if (pages.has(path)) continue;
      const answer = await fetch(`${serving.http}/${path}`);
      assert.equal(answer.status, 200, path);
      const text = await answer.text();
      pages.set(path, text);
      const named = text.matchAll(/(?:src|href)="([\w.]+\.\w+)"|from '\.\/([\w.]+)'|url\("?([\w.]+)"?\)/gu);
      for (const [, ...names] of named) waiting.push(...names.filter((name) => name !== undefined));
    }
    const page = join(root, 'src/http/page');
    const files = readdirSync(page).filter((name) => /\.(?:html|css|js|svg)$/u.test(name));
    assert.deepEqual(
      [...pages.keys()].sort(),
      files.map((name) => (name === 'index.html' ? '' : name)).sort(),
    );
    for (const [path, text] of pages) {
      assert.equal(text, readFileSync(join(page, path === '' ? 'index.html' : path), 'utf8'), path);
    }
    const status = await fetch(`${serving.http}/api/status`);
    assert.equal(status.status, 200);
    await serving.stop();
    assert.match(serving.output(), /"event":"stopped"/u);
  });

  test('runs the proxy within another program, as its example does: reloaded, then stopped', async () => {
    cpSync(join(installed, 'docs/examples/proxy.mjs'), join(folder, 'proxy.mjs'));
    const program = spawn(process.execPath, ['proxy.mjs', 'postern.yaml'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const closed = once(program, 'close');
      const signals: NodeJS.Signals[] = ['SIGHUP', 'SIGTERM'];
      for await (const line of createInterface(program.stdout)) {
        const signal = line.includes('"event":"listening"') && signals.shift();
        if (signal) program.kill(signal);
      }
      assert.deepEqual(await closed, [0, null]);
      assert.deepEqual(signals, []);
    } finally {
      program.kill('SIGKILL');
    }
  });

  test('has types that another program compiles with, and does what they say', async () => {
    const compilerOptions = {
      ...{
        target: 'es2024',
        module: 'nodenext',
        strict: true,
        noEmit: true,
        exactOptionalPropertyTypes: true,
      },
      ...{
        lib: ['es2024', 'esnext.disposable'],
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
      },
      ...{ skipLibCheck: false },
    };
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ type: 'module', dependencies: { postern: '*' } }),
    );
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    const compiled = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc')], {
      cwd: folder,
    }).catch((error: { stdout: string }) => error);
    assert.equal(compiled.stdout, '');

    const { stdout } = await run(process.execPath, ['consumer.ts'], { cwd: folder });
    const { results, address, mistakes } = JSON.parse(stdout) as {
      results: string[];
      address: string;
      mistakes: string[];
    };
    assert.ok(results.includes('spf=pass') && results.includes('dmarc=pass'), results.join(' '));
    assert.match(address, /^127\.0\.0\.1:[0-9]+$/u);
    assert.equal(mistakes.length, 1);
  });
});
