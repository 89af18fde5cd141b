// Postfix has Postern judge mail while its sender waits, set up as docs/before-queue.md says.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { documentedLines } from './support/documents.ts';
import { field, honest, impostor, message, signedMessage, zones } from './support/mail.ts';
import { startNameServer } from './support/name-server.ts';
import { type Pair, postfixPair } from './support/pair.ts';
import { startPostern } from './support/postern.ts';
import { skipWithout } from './support/requires.ts';
import { Site } from './support/site.ts';
import { SmtpClient } from './support/smtp-client.ts';

const ALICE = 'alice@sender.example';
const BOB = 'bob@recipient.example';
const NOBODY = 'nobody@recipient.example';
const skip = skipWithout('postfix', 'nsd');

for (const speedAdjust of [false, true]) {
  describe(`Postfix before-queue ${speedAdjust ? 'with' : 'without'} speed_adjust`, { skip }, () => {
    const site = new Site();
    let pair: Pair;

    before(async () => {
      pair = await postfixPair(site, 'before-queue', {
        mailboxes: [BOB],
        senderMailbox: ALICE,
        serviceOptions: speedAdjust ? documentedLines('before-queue master.cf speed_adjust', {}) : '',
      });
      const nameServer = await startNameServer(site, zones);
      await Promise.all([
        pair.upstream.start(),
        pair.downstream.start(),
        startPostern(site, documentedLines('before-queue postern.yaml', pair.ports), nameServer.address),
      ]);
    });
    after(() => site[Symbol.asyncDispose]());

    test('accepted mail is delivered, and its sender gets the reply of the second smtpd', async () => {
      const sent = await signedMessage('welcome');
      using client = await SmtpClient.connect(pair.ports.smtp, honest);
      const reply = (await client.send(ALICE, [BOB], sent)).at(-1) ?? '';
      const queueId = /^250 2\.0\.0 Ok: queued as (\w+)$/u.exec(reply)?.[1];
      assert.ok(queueId, reply);

      const stored = await pair.downstream.delivered(BOB, 'Subject: welcome\n');
      const results = field(stored, 'Authentication-Results');
      assert.match(results, /^Authentication-Results:\s*mx\.example\.com;/u);
      for (const result of ['spf=pass', 'dkim=pass', 'dmarc=pass'])
        assert.ok(results.includes(result), results);
      assert.ok(
        stored.endsWith(sent.replaceAll('\r\n', '\n')),
        'header fields and body are as they were sent',
      );
      await pair.downstream.logged(
        new RegExp(`${queueId}: client=.*orig_client=client\\.sender\\.example\\[192\\.0\\.2\\.10\\]`, 'u'),
      );
    });

    test('mail that its domain disowns is refused at the end of DATA, and nothing is queued', async () => {
      using client = await SmtpClient.connect(pair.ports.smtp, impostor);
      const replies = await client.send(ALICE, [BOB], message('forged'));
      assert.match(replies[1] ?? '', /^250 /u, 'the recipient is not at fault');
      assert.match(replies.at(-1) ?? '', /^550 5\.7\.1 .*sender\.example/u);

      assert.match(await client.say('QUIT'), /^221 /u);
      assert.deepEqual(await pair.upstream.queue(), []);
      assert.deepEqual(await pair.downstream.queue(), []);
      assert.doesNotMatch(pair.downstream.log(), /message-id=<forged@/u, 'no queue file was ever written');
      assert.ok(!pair.downstream.mailbox(BOB).some((text) => text.includes('Subject: forged\n')));
    });

    test('the next transaction of the same client is judged on its own', async () => {
      using client = await SmtpClient.connect(pair.ports.smtp, honest);
      await client.send(ALICE, [BOB], await signedMessage('first of two'));
      const reply = (await client.send(ALICE, [BOB], await signedMessage('second of two'))).at(-1) ?? '';
      assert.match(reply, /^250 2\.0\.0 Ok: queued as /u);
      await pair.downstream.delivered(BOB, 'Subject: first of two\n');
      await pair.downstream.delivered(BOB, 'Subject: second of two\n');
    });

    test('paths without brackets, and blanks, that Postfix takes from its client are taken as well', async () => {
      for (const [mail, rcpt] of [
        [`MAIL FROM:${ALICE}`, `RCPT TO:${BOB}`],
        [`MAIL FROM: < ${ALICE} >`, `RCPT TO: < ${BOB} >`],
        [` MAIL  FROM:<${ALICE}>`, `\tRCPT\tTO:<${BOB}> `],
      ] as const) {
        using client = await SmtpClient.connect(pair.ports.smtp, honest);
        assert.match(await client.say(mail), /^250 /u);
        assert.match(await client.say(rcpt), /^250 /u);
        assert.match(await client.say('DATA'), /^354 /u);
        assert.match(
          await client.say(`${await signedMessage('from a scanner')}.`),
          /^250 2\.0\.0 Ok: queued as /u,
        );
      }
    });

    test('a client name that holds what xtext has not is passed on', async () => {
      using client = await SmtpClient.connect(pair.ports.smtp, { ...honest, helo: 'a=b' });
      const reply = (await client.send(ALICE, [BOB], await signedMessage('odd helo'))).at(-1) ?? '';
      assert.match(reply, /^250 2\.0\.0 Ok: queued as /u);
      assert.match(
        await pair.downstream.delivered(BOB, 'Subject: odd helo\n'),
        /^Received: from a=b \(client\.sender\.example \[192\.0\.2\.10\]\)$/mu,
      );
    });

    if (speedAdjust) {
      test('a recipient that the second smtpd refuses refuses the message', async () => {
        using client = await SmtpClient.connect(pair.ports.smtp, honest);
        const replies = await client.send(ALICE, [BOB, NOBODY], await signedMessage('all or none'));
        assert.match(replies[2] ?? '', /^250 /u, 'Postfix has answered before it asks');
        assert.match(replies.at(-1) ?? '', /^550 5\.1\.1 .*User unknown in virtual mailbox table$/u);
        await pair.downstream.queueEmpty();
        assert.ok(!pair.downstream.mailbox(BOB).some((text) => text.includes('Subject: all or none\n')));
      });
    } else {
      test('a recipient that the second smtpd refuses is refused at RCPT, the other one gets the mail', async () => {
        using client = await SmtpClient.connect(pair.ports.smtp, honest);
        const [mail, bob, nobody, end] = await client.send(
          ALICE,
          [BOB, NOBODY],
          await signedMessage('for one'),
        );
        assert.match(mail ?? '', /^250 /u);
        assert.match(bob ?? '', /^250 /u);
        assert.match(nobody ?? '', /^550 5\.1\.1 .*User unknown in virtual mailbox table$/u);
        assert.match(end ?? '', /^250 2\.0\.0 Ok: queued as /u);
        await pair.downstream.delivered(BOB, 'Subject: for one\n');
      });
    }
  });
}
