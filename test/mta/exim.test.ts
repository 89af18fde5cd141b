// Exim on both sides of Postern: it says QUIT together with the end of a message, and closes its side at once.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Exim, startExim } from './support/exim.ts';
import { signedMessage, zones } from './support/mail.ts';
import { startNameServer } from './support/name-server.ts';
import { freePort } from './support/ports.ts';
import { startPostern } from './support/postern.ts';
import { skipWithout } from './support/requires.ts';
import { Site } from './support/site.ts';

const ALICE = 'alice@sender.example';
const RECIPIENTS = ['bob@recipient.example', 'carol@recipient.example'];

describe('Exim, Postern, Exim', { skip: skipWithout('exim', 'nsd') }, () => {
  const site = new Site();
  let upstream: Exim;
  let downstream: Exim;

  before(async () => {
    const ports = { upstream: await freePort(), postern: await freePort(), downstream: await freePort() };
    const nameServer = await startNameServer(site, zones);
    [upstream, downstream] = await Promise.all([
      startExim(site, 'upstream', ports.upstream, ports.postern),
      // It takes fewer connections than Postern opens, and would queue what comes behind the tenth message of each.
      startExim(
        site,
        'downstream',
        ports.downstream,
        undefined,
        'smtp_accept_max_per_host = 2\nsmtp_accept_queue_per_connection = 0',
      ),
      startPostern(
        site,
        `hostname: postern.example
listeners:
  - name: filter
    listen: 127.0.0.1:${ports.postern}
    mode: after-queue
    destinations: [smtp://127.0.0.1:${ports.downstream}]
`,
        nameServer.address,
      ),
    ]);
  });
  after(() => site[Symbol.asyncDispose]());

  test('every message of many at once is taken at the first try, and stored once, with its results', async () => {
    const subjects = Array.from({ length: 12 }, (_, i) => `message ${i}`);
    await Promise.all(
      subjects.map(async (subject) => upstream.submit(ALICE, RECIPIENTS, await signedMessage(subject))),
    );
    await upstream.queueEmpty();
    await downstream.queueEmpty();

    assert.doesNotMatch(upstream.log(), / == | \*\* /u, 'nothing is put off or returned');
    assert.equal(upstream.log().match(/ Completed$/gmu)?.length, subjects.length);
    const stored = downstream.mailbox();
    for (const subject of subjects) {
      const copies = stored.match(new RegExp(`^Subject: ${subject}$`, 'gmu'))?.length;
      assert.equal(copies, RECIPIENTS.length, `${subject}, for each recipient once`);
    }
    const passed = stored.match(/^Authentication-Results: postern\.example;\n dkim=pass /gmu);
    assert.equal(passed?.length, subjects.length * RECIPIENTS.length);
  });
});
