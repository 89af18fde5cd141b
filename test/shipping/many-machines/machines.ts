// What test/shipping/many-machines.test.ts runs, as root and with a network of its own.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { programIn } from '../../cli/program.ts';
import { field } from '../../mta/support/mail.ts';
import type { Postfix } from '../../mta/support/postfix.ts';
import { type Daemon, Site } from '../../mta/support/site.ts';
import { eventually } from '../../mta/support/wait.ts';
import { NameServer } from '../../support/name-server.ts';
import { Network } from '../support/network.ts';
import { addresses, block, MachineSite, mailbox, mailServer, PosternMachine, startBalancer } from './park.ts';

const names = {
  'MX postern.internal': { values: ['10 postern1.internal', '10 postern2.internal'] },
  'A postern.internal': { values: addresses.posterns },
  'A postern1.internal': { values: [addresses.posterns[0]] },
  'A postern2.internal': { values: [addresses.posterns[1]] },
  'TXT sender.example': { values: ['v=spf1 ip4:192.0.2.10 -all'] },
  'TXT _dmarc.sender.example': { values: ['v=DMARC1; p=reject'] },
};

/** Connects to the balancer, and tells what it is told until the other side ends it. */
const stranger = `
  const socket = require('node:net').connect(10025, '${addresses.balancer}');
  socket.setTimeout(10000, () => socket.destroy());
  socket.on('data', (piece) => process.stdout.write(piece));
  socket.write('EHLO stranger.example\\r\\nMAIL FROM:<a@sender.example>\\r\\nQUIT\\r\\n');`;

describe('many machines', () => {
  const cleanup = new AsyncDisposableStack();
  const [first, second] = addresses.mailServers;
  const posterns: PosternMachine[] = [];
  let site: Site;
  let listing: MachineSite;
  let store: Postfix;
  let balancer: Daemon;
  let strange: readonly string[];

  before(async () => {
    const network = cleanup.use(await Network.create(`${addresses.test}/24`));
    site = cleanup.use(new Site());
    cleanup.use(await NameServer.start(names, { address: addresses.test, port: 53 }));
    const resolver = join(site.directory('resolver'), 'resolv.conf');
    writeFileSync(resolver, `nameserver ${addresses.test}\n`);
    execFileSync('mount', ['--bind', resolver, '/etc/resolv.conf']);
    const siteAt = async (address: string) => cleanup.use(new MachineSite(await network.machine(address)));
    for (const address of addresses.posterns) posterns.push(new PosternMachine(await siteAt(address)));
    store = mailServer(
      await siteAt(first),
      'first',
      `content_filter = postern:[${addresses.balancer}]:10025`,
    );
    listing = await siteAt(second);
    strange = (await network.machine(addresses.stranger)).inside;
    await store.start();
    for (const each of posterns) await each.start();
    await store.logged(/daemon started/u);
    balancer = await startBalancer(await siteAt(addresses.balancer));
  });
  after(() => cleanup.disposeAsync());

  /** Hands a message to a mail server, as from a client elsewhere. */
  async function send(server: string, subject: string): Promise<void> {
    const client = ['--xforward-addr', '192.0.2.10', '--xforward-helo', 'client.sender.example'];
    const envelope = ['--from', 'alice@sender.example', '--to', mailbox, '--subject', subject];
    const sent = await programIn(site.directory('send')).run([
      'send',
      '--server',
      `${server}:25`,
      ...envelope,
      ...client,
    ]);
    assert.equal(sent.status, 0, sent.stdout + sent.stderr);
  }

  /** Waits for it, judged once and by whom it was meant to be. */
  async function arrived(subject: string): Promise<void> {
    const stored = await store.delivered(mailbox, `Subject: ${subject}\n`);
    assert.match(
      field(stored, 'Authentication-Results'),
      /^Authentication-Results: mx\.example\.com;.*\bspf=pass\b/u,
    );
    assert.equal(stored.match(/^Authentication-Results:/gimu)?.length, 1);
  }

  /** With each of the two stopped in turn, everything passes through the other one. */
  async function passesWithEither(server: string, name: string): Promise<void> {
    for (const stopped of posterns) {
      const other = posterns.find((each) => each !== stopped);
      await stopped.stop();
      const subjects = [1, 2, 3].map((number) => `${name} ${posterns.indexOf(stopped)} ${number}`);
      await Promise.all(subjects.map((subject) => send(server, subject)));
      await Promise.all(subjects.map(arrived));
      assert.ok(other && other.log().filter(({ event }) => event === 'transaction').length >= 3);
      await stopped.start();
    }
  }

  test('HAProxy: both Posterns are well, and know the mail server behind it', async () => {
    await send(first, 'balanced');
    await arrived('balanced');
    const clients = posterns.flatMap((each) =>
      each.log().flatMap(({ event, client }) => (event === 'connection opened' ? [client] : [])),
    );
    assert.deepEqual(new Set(clients), new Set([first]));
    assert.doesNotMatch(balancer.output(), /DOWN|ALERT/u);
  });

  test('HAProxy: who is no mail server is offered no XFORWARD, though the balancer is believed', async () => {
    const [program = '', ...parameters] = [...strange, process.execPath, '-e', stranger];
    const { stdout } = await promisify(execFile)(program, parameters);
    assert.match(stdout, /^250-PIPELINING\r$/mu);
    assert.doesNotMatch(stdout, /XFORWARD/u);
  });

  test('HAProxy: mail passes while one Postern is stopped, and the probe tells when it is back', async () => {
    await passesWithEither(first, 'balanced');
    for (const name of ['postern1', 'postern2']) {
      await eventually(
        `${name} to be up again`,
        () => new RegExp(`${name} is UP`, 'u').test(balancer.output()),
        {
          state: () => balancer.output(),
        },
      );
      assert.match(balancer.output(), new RegExp(`${name} is DOWN`, 'u'));
    }
  });

  test('a list of MX records: mail passes while one Postern is stopped', async () => {
    const server = mailServer(listing, 'second', block('cf', 'content_filter'));
    await server.start();
    await server.logged(/daemon started/u);
    await passesWithEither(second, 'list');
    await server.stop();
  });

  test('a list of A records: mail passes while one Postern is stopped', async () => {
    const server = mailServer(listing, 'third', 'content_filter = postern:[postern.internal]:10025');
    await server.start();
    await server.logged(/daemon started/u);
    await passesWithEither(second, 'addresses');
    await server.stop();
  });
});
