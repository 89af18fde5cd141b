// Postfix gives queued mail to Postern, and Postern gives it back to Postfix, set up as docs/after-queue.md says.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { documentedLines } from './support/documents.ts';
import { body, field, honest, message, signedMessage, zones } from './support/mail.ts';
import { startNameServer } from './support/name-server.ts';
import { type Pair, postfixPair } from './support/pair.ts';
import { freePort } from './support/ports.ts';
import { startPostern } from './support/postern.ts';
import { Postfix } from './support/postfix.ts';
import { skipWithout } from './support/requires.ts';
import { Site } from './support/site.ts';
import { SmtpClient } from './support/smtp-client.ts';
import { eventually } from './support/wait.ts';

const ALICE = 'alice@sender.example';
const BOB = 'bob@recipient.example';
const NOBODY = 'nobody@recipient.example';
const skip = skipWithout('postfix', 'nsd');

describe('Postfix, Postern after-queue, Postfix', { skip }, () => {
  const site = new Site();
  let pair: Pair;

  before(async () => {
    pair = await postfixPair(site, 'after-queue', { mailboxes: [BOB], senderMailbox: ALICE });
    const nameServer = await startNameServer(site, zones);
    await Promise.all([
      pair.upstream.start(),
      pair.downstream.start(),
      startPostern(site, documentedLines('after-queue postern.yaml', pair.ports), nameServer.address),
    ]);
  });
  after(() => site[Symbol.asyncDispose]());

  test('a signed message is delivered unaltered, with what was found on top', async () => {
    const sent = await signedMessage('signed');
    using client = await SmtpClient.connect(pair.ports.smtp, honest);
    assert.match((await client.send(ALICE, [BOB], sent)).at(-1) ?? '', /^250 2\.0\.0 Ok: queued as /u);

    const stored = await pair.downstream.delivered(BOB, 'Subject: signed\n');
    const results = field(stored, 'Authentication-Results');
    assert.match(results, /^Authentication-Results:\s*mx\.example\.com;/u);
    assert.match(results, /\bspf=pass\b/u);
    assert.match(results, /\bdkim=pass\b/u);
    assert.match(results, /\bdmarc=pass\b/u);
    assert.match(results, /\biprev=pass\b/u);
    assert.ok(stored.endsWith(sent.replaceAll('\r\n', '\n')), 'header fields and body are as they were sent');
  });

  test('both logs name the client outside, and the second one the queue id of the first', async () => {
    using client = await SmtpClient.connect(pair.ports.smtp, honest);
    const reply = (await client.send(ALICE, [BOB], await signedMessage('traced'))).at(-1) ?? '';
    const queueId = /queued as (\w+)/u.exec(reply)?.[1];
    assert.ok(queueId, reply);

    await pair.upstream.logged(
      new RegExp(`${queueId}: client=client\\.sender\\.example\\[192\\.0\\.2\\.10\\]`, 'u'),
    );
    await pair.downstream.logged(
      new RegExp(
        `orig_queue_id=${queueId}, orig_client=client\\.sender\\.example\\[192\\.0\\.2\\.10\\]`,
        'u',
      ),
    );
    await pair.downstream.delivered(BOB, 'Subject: traced\n');
  });

  test('a recipient that the downstream refuses is returned to the sender alone', async () => {
    using client = await SmtpClient.connect(pair.ports.smtp, honest);
    await client.send(ALICE, [NOBODY, BOB], await signedMessage('half refused'));

    await pair.downstream.delivered(BOB, 'Subject: half refused\n');
    const bounce = await pair.upstream.delivered(ALICE, 'Subject: half refused\n');
    assert.match(bounce, new RegExp(`^Final-Recipient: rfc822; ${NOBODY}$`, 'mu'));
    assert.match(bounce, /^Status: 5\.1\.1$/mu);
    assert.match(bounce.replaceAll(/\n +/gu, ' '), /550 5\.1\.1 .*User unknown in virtual mailbox table/u);
    assert.doesNotMatch(bounce, new RegExp(`^Final-Recipient: rfc822; ${BOB}$`, 'mu'));
    await pair.upstream.queueEmpty();
    assert.equal(pair.upstream.mailbox(ALICE).length, 1, 'one bounce, for the one recipient');
  });

  test('many refused recipients delay nobody else', async () => {
    using client = await SmtpClient.connect(pair.ports.smtp, honest);
    // More than Postfix bears of a stranger.
    const refused = Array.from({ length: 25 }, (_, i) => `nobody${i}@recipient.example`);
    await client.send(ALICE, [...refused, BOB], await signedMessage('much refused'));

    await pair.downstream.delivered(BOB, 'Subject: much refused\n');
    await pair.upstream.delivered(ALICE, 'Subject: much refused\n');
    await pair.upstream.queueEmpty();
    assert.doesNotMatch(pair.downstream.log(), /too many errors/u);
    assert.doesNotMatch(pair.upstream.log(), /status=deferred/u);
  });

  test('mail stays queued while the downstream is stopped, and is delivered once when it is back', async () => {
    const { upstream, downstream, ports } = pair;
    await downstream.stop();
    using client = await SmtpClient.connect(ports.smtp, honest);
    await client.send(ALICE, [BOB], await signedMessage('patient'));

    const reason = await eventually(
      'the message to be deferred',
      async () => (await upstream.queue())[0]?.recipients[0]?.delay_reason,
      { state: () => upstream.log() },
    );
    assert.match(reason, /451 4\.4\.1/u);

    await downstream.start();
    await upstream.flush();
    const stored = await downstream.delivered(BOB, 'Subject: patient\n');
    assert.match(field(stored, 'Authentication-Results'), /\bspf=pass\b/u);
    await upstream.queueEmpty();
    await downstream.queueEmpty();
    const copies = downstream.mailbox(BOB).filter((text) => text.includes('Subject: patient\n'));
    assert.equal(copies.length, 1);
  });
});

describe('One Postfix on both sides of Postern', { skip }, () => {
  const site = new Site();
  after(() => site[Symbol.asyncDispose]());

  test('takes a message from outside, has it judged once, and delivers it', async () => {
    const ports = { smtp: await freePort(), postern: await freePort(), reinjection: await freePort() };
    const postfix = new Postfix(site, {
      name: 'only',
      main: documentedLines('after-queue main.cf', ports),
      master: [
        `127.0.0.1:${ports.smtp} inet n - n - - smtpd`,
        documentedLines('after-queue master.cf upstream', ports),
        documentedLines('after-queue master.cf downstream', ports),
      ].join('\n'),
      ports: [ports.smtp, ports.reinjection],
      mailboxes: [BOB],
    });
    const nameServer = await startNameServer(site, zones);
    await Promise.all([
      postfix.start(),
      startPostern(site, documentedLines('after-queue postern.yaml', ports), nameServer.address),
    ]);

    using client = await SmtpClient.connect(ports.smtp, honest);
    const sent = message('round trip');
    await client.send(ALICE, [BOB], sent);
    const stored = await postfix.delivered(BOB, 'Subject: round trip\n');
    assert.equal(stored.match(/^Authentication-Results:/gimu)?.length, 1);
    assert.equal(body(stored), body(sent));
    await postfix.queueEmpty();
    assert.equal(postfix.mailbox(BOB).length, 1);
  });
});
