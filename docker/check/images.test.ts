// The images that docker/check-image.sh has built, tried as in a pod: side by side, with one loopback between them.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SmtpClient } from '../../test/mta/support/smtp-client.ts';
import { eventually } from '../../test/mta/support/wait.ts';
import { Container, type ContainerOptions, readImage } from './container.ts';

const work = process.env.POSTERN_IMAGES;
if (work === undefined) throw new Error('docker/check-image.sh runs this');
const postern = readImage(work, 'postern');
const postfix = readImage(work, 'postfix');
const unbound = readImage(work, 'unbound');

const honest = { name: 'client.sender.example', address: '192.0.2.10', helo: 'client.sender.example' };
const spoofer = { name: '[UNAVAILABLE]', address: '203.0.113.66', helo: 'pool-66.isp.example' };

/** What Postern is told of the world: there is no network here. */
const zone = `
sender.example: { TXT: ["v=spf1 ip4:192.0.2.10 -all"], MX: ["10 client.sender.example"] }
_dmarc.sender.example: { TXT: ["v=DMARC1; p=reject"] }
client.sender.example: { A: [192.0.2.10] }
10.2.0.192.in-addr.arpa: { PTR: [client.sender.example] }
`;

const configuration = (mode: string) => `
hostname: mx.example.com
listeners:
  - name: filter
    listen: 127.0.0.1:10025
    mode: ${mode}
    destinations: [smtp://127.0.0.1:10026]
dns: { zone: ./zone.yaml, zoneOnly: true }
policy: { dmarc: reject }
`;

const letter = (subject: string, text = 'Hello.\r\n') =>
  `From: alice@sender.example\r\nTo: bob@example.com\r\nSubject: ${subject}\r\n\r\n${text}`;

describe('the image of Postern', () => {
  const { config, root } = postern;

  test('says who it is, what it runs, and how it is stopped', () => {
    assert.equal(config.User, '10025:10025');
    assert.deepEqual(config.Entrypoint, ['postern']);
    assert.deepEqual(config.Cmd, ['serve']);
    assert.equal(config.StopSignal, 'SIGTERM');
    assert.deepEqual(Object.keys(config.ExposedPorts ?? {}).sort(), ['10025/tcp', '8025/tcp']);
    assert.equal(config.Labels?.['org.opencontainers.image.title'], 'Postern');
    assert.equal(config.Healthcheck?.Test[0], 'CMD');
  });

  test('has the program and what it needs, and nothing that builds or tests it', () => {
    const has = (path: string) => existsSync(join(root, 'opt/postern', path));
    for (const path of ['dist/cli.js', 'config/postern.yaml', 'node_modules/mailauth'])
      assert.ok(has(path), path);
    for (const path of ['src', 'test', 'node_modules/typescript', 'node_modules/node'])
      assert.ok(!has(path), path);
  });
});

for (const mode of ['after-queue', 'before-queue']) {
  describe(`Postfix and Postern in one pod, ${mode}`, () => {
    const containers = new AsyncDisposableStack();
    const directory = mkdtempSync(join(work, `${mode}-`));
    const inbox = join(postfix.root, 'var/mail/inbox/new');
    const options: ContainerOptions = {
      readOnly: true,
      tmpfs: ['/var/spool/postern'],
      binds: { '/etc/postern': join(directory, 'etc') },
    };
    let mail: Container;
    let proxy: Container;

    before(async () => {
      mkdirSync(join(directory, 'etc'));
      writeFileSync(join(directory, 'etc/postern.yaml'), configuration(mode));
      writeFileSync(join(directory, 'etc/zone.yaml'), zone);
      proxy = containers.use(new Container(postern, join(directory, 'postern.log'), options));
      mail = containers.use(
        new Container(postfix, join(directory, 'postfix.log'), {
          environment: { MAIL_HOSTNAME: 'mx.example.com', FILTER: mode, TRIAL_CLIENTS: '127.0.0.0/8' },
        }),
      );
      await Promise.all([proxy.wrote(/listening on/u), mail.wrote(/daemon started/u)]);
    });
    after(() => containers.disposeAsync());

    /** The stored message in which the text appears. */
    const delivered = (text: string) =>
      eventually(
        `a message with ${text}`,
        () =>
          existsSync(inbox) &&
          readdirSync(inbox)
            .map((name) => readFileSync(join(inbox, name), 'latin1'))
            .find((message) => message.includes(text)),
        { state: () => mail.output() + proxy.output() },
      );

    test('a message is delivered, with what was found on top', async () => {
      using client = await SmtpClient.connect(25, honest);
      const replies = await client.send(
        'alice@sender.example',
        ['bob@example.com'],
        letter(`${mode} honest`),
      );
      assert.match(replies.at(-1) ?? '', /^250 2\.0\.0 Ok/u);
      const stored = await delivered(`Subject: ${mode} honest`);
      assert.match(stored, /^Authentication-Results: mx\.example\.com;/mu);
      assert.match(stored, /spf=pass/u);
      assert.match(stored, /dmarc=pass/u);
    });

    test('a message that fails DMARC is refused before the queue, and marked after it', async () => {
      using client = await SmtpClient.connect(25, spoofer);
      const replies = await client.send(
        'alice@sender.example',
        ['bob@example.com'],
        letter(`${mode} forged`),
      );
      if (mode === 'before-queue') {
        assert.match(replies.at(-1) ?? '', /^550 5\.7\.1 /u);
      } else {
        assert.match(await delivered(`Subject: ${mode} forged`), /^X-Disposition-Quarantine: /mu);
      }
    });

    test('a message too large for memory passes, though nothing but the spool can be written', async () => {
      assert.match(proxy.proc('mounts'), /^\S+ \/ \S+ ro,/mu);
      using client = await SmtpClient.connect(25, honest);
      const text = `${'x'.repeat(70)}\r\n`.repeat(40_000);
      const replies = await client.send(
        'alice@sender.example',
        ['bob@example.com'],
        letter(`${mode} large`, text),
      );
      assert.match(replies.at(-1) ?? '', /^250 2\.0\.0 Ok/u);
      assert.match(await delivered(`Subject: ${mode} large`), /spf=pass/u);
    });

    test('what docker/try.sh sends comes from clients elsewhere, and has the results of these', async () => {
      const send = async (subject: string, ip: string, name: string) => {
        const envelope = ['--from', 'alice@sender.example', '--to', 'bob@example.com', '--subject', subject];
        const client = ['--xforward-addr', ip, '--xforward-name', name, '--xforward-helo', name];
        const command = ['postern', 'send', '--server', '127.0.0.1:25', ...envelope, ...client];
        await using sender = new Container(postern, join(directory, 'send.log'), { readOnly: true, command });
        return await sender.ended();
      };
      assert.equal(await send(`${mode} tried`, honest.address, honest.name), 0);
      assert.match(await delivered(`Subject: ${mode} tried`), /spf=pass/u);
      // Unavailable: sysexits(3).
      const refused = mode === 'before-queue' ? 69 : 0;
      assert.equal(await send(`${mode} faked`, spoofer.address, spoofer.helo), refused);
    });

    test('it runs as nobody in particular, without capabilities', () => {
      const status = proxy.proc('status');
      assert.match(status, /^Uid:\t10025\t10025\t10025\t10025$/mu);
      assert.match(status, /^Gid:\t10025\t10025\t10025\t10025$/mu);
      assert.match(status, /^CapEff:\t0+$/mu);
    });

    test('its health check finds it well', async () => {
      const command = postern.config.Healthcheck?.Test.slice(1) ?? [];
      await using check = new Container(postern, join(directory, 'health.log'), { ...options, command });
      assert.equal(await check.ended(), 0, check.output() + proxy.output());
    });

    test('it ends by itself when it is told to, and its health check says so', async () => {
      assert.equal(await proxy.stop(), 0, proxy.output());
      const command = postern.config.Healthcheck?.Test.slice(1) ?? [];
      await using check = new Container(postern, join(directory, 'health-2.log'), { ...options, command });
      assert.equal(await check.ended(), 1);
    });
  });
}

test('Postfix without a filter that exists does not start', async () => {
  await using container = new Container(postfix, join(work, 'sideways.log'), {
    environment: { FILTER: 'sideways' },
  });
  assert.equal(await container.ended(), 78);
  assert.match(container.output(), /expected after-queue or before-queue/u);
});

test('the resolver starts, and its health check finds it well', async () => {
  await using resolver = new Container(unbound, join(work, 'unbound.log'));
  await resolver.wrote(/start of service/u);
  const command = unbound.config.Healthcheck?.Test.slice(1) ?? [];
  await using check = new Container(unbound, join(work, 'unbound-health.log'), { command });
  assert.equal(await check.ended(), 0, check.output());
});
