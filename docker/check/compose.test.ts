// The compose files and docker/try.sh, with the images that docker/check-image.sh has built, in a network of their own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { readImage } from './container.ts';
import { Engine, type Outcome } from './engine.ts';

const run = promisify(execFile);
const work = process.env.POSTERN_IMAGES;
if (work === undefined) throw new Error('docker/check-image.sh runs this');

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
  version: string;
};
const images = new Map(
  [
    ['localhost/postern', 'postern'],
    ['localhost/postern-postfix', 'postfix'],
    ['localhost/postern-unbound', 'unbound'],
  ].map(([name = '', built = '']) => [`${name}:${version}`, readImage(work, built)]),
);
/** Addresses that compose.yaml fixes. */
const postern = '172.30.25.10';
const postfix = '172.30.25.20';

describe('docker/try.sh', () => {
  const cleanup = new AsyncDisposableStack();
  const directory = mkdtempSync(join(work, 'compose-'));
  const docker = join(directory, 'docker');
  const engine = new Engine(images, directory);
  const socket = join(directory, 'engine.sock');

  before(async () => {
    // What it writes, the token, belongs into no checkout.
    cpSync(join(import.meta.dirname, '..'), docker, { recursive: true });
    rmSync(join(docker, 'secrets'), { recursive: true, force: true });
    mkdirSync(join(directory, 'bin'));
    const program = join(import.meta.dirname, 'docker.ts');
    writeFileSync(
      join(directory, 'bin/docker'),
      `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`,
      {
        mode: 0o755,
      },
    );
    const server = createServer(async (request, response) => {
      const { parameters, cwd } = (await json(request)) as { parameters: string[]; cwd: string };
      const outcome = await engine
        .docker(parameters, cwd)
        .catch(({ message }: Error): Outcome => ({ status: 70, stdout: '', stderr: `${message}\n` }));
      response.end(JSON.stringify(outcome));
    });
    server.listen(socket);
    await once(server, 'listening');
    cleanup.defer(() => void server.close());
    cleanup.use(engine);
  });
  after(() => cleanup.disposeAsync());

  /** Runs the script as a shell does. */
  async function tryIt(...parameters: string[]): Promise<{ status: number; output: string }> {
    const environment = { PATH: `${join(directory, 'bin')}:${process.env.PATH}`, POSTERN_ENGINE: socket };
    try {
      const { stdout, stderr } = await run(join(docker, 'try.sh'), parameters, {
        env: environment,
        timeout: 100_000,
      });
      return { status: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { status: code, output: stdout + stderr };
    }
  }

  /** What it shows of each message: the heading, and all below it. */
  const shown = (output: string) => output.split(/^== /mu).slice(1);

  test('shows both messages as they were delivered, with what an after-queue filter found', async () => {
    const { status, output } = await tryIt();
    assert.equal(status, 0, output);
    const [honest = '', forged = ''] = shown(output);
    assert.match(honest, /^honest \d{6}: from 192\.0\.2\.10 \(client\.sender\.example\)$/mu);
    assert.match(honest, /^-- delivered:$/mu);
    assert.match(honest, /^Authentication-Results: mx\.example\.com;/mu);
    for (const result of ['iprev=pass', 'spf=pass', 'dmarc=pass']) assert.ok(honest.includes(result), honest);
    assert.match(forged, /^-- delivered:$/mu);
    for (const result of ['spf=fail', 'dmarc=fail']) assert.ok(forged.includes(result), forged);
  });

  test('what the compose file publishes is served, and the status page to who has the token', async () => {
    for (const [host, port] of [
      [postfix, 25],
      [postern, 8025],
    ] as const) {
      const client = connect(port, host);
      await once(client, 'connect', { signal: AbortSignal.timeout(5000) });
      client.destroy();
    }
    const token = readFileSync(join(docker, 'secrets/http-token'), 'utf8');
    assert.match(token, /^[0-9a-f]{64}$/u);
    const ask = (path: string, headers = {}) => fetch(`http://${postern}:8025${path}`, { headers });
    assert.equal((await ask('/readyz')).status, 200);
    assert.equal((await ask('/metrics')).status, 401);
    const metrics = await ask('/metrics', { Authorization: `Bearer ${token}` });
    assert.match(await metrics.text(), /^postern_transactions_total\{[^}]*\} [1-9]/mu);
    const welcome = await fetch(`http://${postern}:8025/?token=${token}`, { redirect: 'manual' });
    const [cookie = ''] = (welcome.headers.get('Set-Cookie') ?? '').split(';');
    const page = await ask('/', { Cookie: cookie });
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<title>Postern/u);
  });

  test('others than Postfix may not speak to Postern, nor others than Postern to the second smtpd', async () => {
    const greeted = async (host: string, port: number) => {
      const client = connect(port, host);
      const [greeting] = (await once(client, 'data', { signal: AbortSignal.timeout(5000) })) as [Buffer];
      client.end('MAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.com>\r\nQUIT\r\n');
      let said = greeting.toString();
      for await (const piece of client) said += piece;
      return said;
    };
    assert.match(await greeted(postern, 10_025), /^(?:421|554) /u);
    assert.match(await greeted(postfix, 10_026), /^554 5\.7\.1 .*Access denied/mu);
  });

  test('Postern asks the resolver of the compose file', async () => {
    const { status, stdout, stderr } = await engine
      .container('postern')
      .exec(['postern', 'dns', 'localhost', 'A', '--config', '/etc/postern/postern.yaml']);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /127\.0\.0\.1/u);
  });

  test('it needs less memory and fewer threads than it is given', () => {
    const { bytes, threads } = engine.container('postern').usage();
    assert.ok(
      bytes < 512 * 2 ** 20,
      `${bytes} bytes; twice that is needed while it reloads, and 1 GiB is there`,
    );
    assert.ok(threads < 128, `${threads} threads; twice that is needed while it reloads, and 256 are there`);
  });

  test('before the queue, the message that fails DMARC is refused, and the other one is delivered', async () => {
    const { status, output } = await tryIt('before-queue');
    assert.equal(status, 0, output);
    const [honest = '', forged = ''] = shown(output);
    assert.match(honest, /^-- delivered:$/mu);
    assert.match(honest, /dmarc=pass/u);
    assert.match(forged, /\b550 5\.7\.1 /u);
    assert.match(forged, /^-- refused; nothing was delivered$/mu);
  });

  test('a wrong parameter is answered with the right ones, and down stops everything', async () => {
    const wrong = await tryIt('sideways');
    assert.deepEqual(
      [wrong.status, wrong.output],
      [64, 'docker/try.sh [after-queue | before-queue | down]\n'],
    );
    assert.equal((await tryIt('down')).status, 0);
    assert.throws(() => engine.container('postern'), /does not run/u);
  });
});
