// What test/shipping/many-machines.test.ts runs, as root and with a network of its own.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { runSend } from '../../../src/send/command.ts';
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

/** Where mail comes in for each of the ways that the document tells. */
const ways = {
  'through HAProxy': `${addresses.mailServers[0]}:25`,
  'by a list of MX records': `${addresses.mailServers[1]}:25`,
  'by a list of A records': `${addresses.mailServers[1]}:2525`,
};

describe('many machines', () => {
  const cleanup = new AsyncDisposableStack();
  const [first, second] = addresses.mailServers;
  let posterns: readonly PosternMachine[];
  let store: Postfix;
  let balancer: Daemon;
  let strange: readonly string[];

  before(
    async () => {
      const network = cleanup.use(await Network.create(`${addresses.test}/24`));
      const site = cleanup.use(new Site());
      cleanup.use(await NameServer.start(names, { address: addresses.test, port: 53 }));
      const resolver = join(site.directory('resolver'), 'resolv.conf');
      writeFileSync(resolver, `nameserver ${addresses.test}\n`);
      execFileSync('mount', ['--bind', resolver, '/etc/resolv.conf']);
      const siteAt = async (address: string) => cleanup.use(new MachineSite(await network.machine(address)));
      store = mailServer(
        await siteAt(first),
        'first',
        `content_filter = postern:[${addresses.balancer}]:10025`,
      );
      const listing = mailServer(
        await siteAt(second),
        'second',
        block('cf', 'content_filter'),
        '2525 inet n - n - - smtpd -o content_filter=postern:[postern.internal]:10025',
      );
      const sites = [await siteAt(addresses.posterns[0]), await siteAt(addresses.posterns[1])];
      posterns = sites.map((each) => new PosternMachine(each));
      strange = (await network.machine(addresses.stranger)).inside;
      await Promise.all([store, listing].map((each) => each.start()));
      await Promise.all([store, listing].map((each) => each.logged(/daemon started/u)));
      // Last, so that they find the mail server there, and HAProxy never hears anything else.
      await Promise.all(posterns.map((each) => each.start()));
      balancer = await startBalancer(await siteAt(addresses.balancer));
    },
    { timeout: 100_000 },
  );
  after(() => cleanup.disposeAsync());

  /** Hands a message to a mail server, as from a client elsewhere, and waits for it: judged once, by whom it was meant to be. */
  async function passes(server: string, subject: string): Promise<void> {
    const { outcome, problem } = await runSend(
      undefined,
      {
        server,
        from: 'alice@sender.example',
        to: [mailbox],
        subject,
        helo: 'test.example',
        xforwardAddr: '192.0.2.10',
        xforwardHelo: 'client.sender.example',
        timeout: '60s',
      },
      () => undefined,
    );
    assert.equal(outcome, 'accepted', problem);
    const stored = await store.delivered(mailbox, `Subject: ${subject}\n`);
    assert.match(
      field(stored, 'Authentication-Results'),
      /^Authentication-Results: mx\.example\.com;.*\bspf=pass\b/u,
    );
    assert.equal(stored.match(/^Authentication-Results:/gimu)?.length, 1);
  }

  test('HAProxy: both Posterns are well, and know the mail server behind it', async () => {
    await passes(`${first}:25`, 'balanced');
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

  for (const [index, name] of ['postern1', 'postern2'].entries()) {
    test(`mail passes while ${name} is stopped, and HAProxy's probe tells when it is back`, async () => {
      const [stopped, other] = [posterns[index], posterns[1 - index]];
      assert.ok(stopped && other);
      const judged = () => other.log().filter(({ event }) => event === 'transaction').length;
      const before = judged();
      await stopped.stop();
      const passing = Object.entries(ways).flatMap(([way, server]) =>
        [1, 2, 3].map((number) => passes(server, `${name} ${way} ${number}`)),
      );
      await Promise.all(passing);
      // Its line comes when the mail server has the message, and nobody waits for it.
      await eventually('all of them in the log', () => judged() >= before + passing.length, {
        state: () => `${judged()} transactions, ${before} of them before`,
      });
      await balancerSays(new RegExp(`${name} is DOWN`, 'u'));
      await stopped.start();
      await balancerSays(new RegExp(`${name} is UP`, 'u'));
    });
  }

  async function balancerSays(pattern: RegExp): Promise<void> {
    await eventually(`HAProxy to say ${pattern}`, () => pattern.test(balancer.output()), {
      limitMs: 60_000,
      state: () => balancer.output(),
    });
  }
});
