// Postfix delivers by LMTP through Postern to Dovecot, set up as docs/lmtp.md says.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { documentedLines } from './support/documents.ts';
import { type Dovecot, startDovecot } from './support/dovecot.ts';
import { field, honest, signedMessage, zones } from './support/mail.ts';
import { startNameServer } from './support/name-server.ts';
import { freePort } from './support/ports.ts';
import { startPostern } from './support/postern.ts';
import { Postfix } from './support/postfix.ts';
import { skipWithout } from './support/requires.ts';
import { Site } from './support/site.ts';
import { SmtpClient } from './support/smtp-client.ts';

const ALICE = 'alice@sender.example';
const BOB = 'bob@recipient.example';
const CAROL = 'carol@recipient.example';
const FULL = 'full@recipient.example';
const NOBODY = 'nobody@recipient.example';

describe('Postfix by LMTP, Postern, Dovecot', { skip: skipWithout('postfix', 'dovecot', 'nsd') }, () => {
  const site = new Site();
  let smtp: number;
  let postfix: Postfix;
  let dovecot: Dovecot;

  before(async () => {
    smtp = await freePort();
    const ports = { postern: await freePort(), store: await freePort() };
    postfix = new Postfix(site, {
      name: 'upstream',
      main: documentedLines('lmtp main.cf', ports),
      master: `127.0.0.1:${smtp} inet n - n - - smtpd\n${documentedLines('lmtp master.cf upstream', ports)}`,
      ports: [smtp],
      mailboxes: [BOB, CAROL, FULL, NOBODY],
    });
    const nameServer = await startNameServer(site, zones);
    const quotaBytes = 10;
    [dovecot] = await Promise.all([
      startDovecot(site, ports.store, { [BOB]: {}, [CAROL]: {}, [FULL]: { quotaBytes } }),
      postfix.start(),
      startPostern(site, documentedLines('lmtp postern.yaml', ports), nameServer.address),
    ]);
  });
  after(() => site[Symbol.asyncDispose]());

  /** What Postfix logged about a recipient of the message with that queue id. */
  async function outcome(queueId: string, recipient: string): Promise<string> {
    const [line] = await postfix.logged(new RegExp(`${queueId}: to=<${recipient}>.*$`, 'u'));
    return line;
  }

  async function send(to: readonly string[], subject: string): Promise<string> {
    using client = await SmtpClient.connect(smtp, honest);
    const reply = (await client.send(ALICE, to, await signedMessage(subject))).at(-1) ?? '';
    const queueId = /queued as (\w+)/u.exec(reply)?.[1];
    assert.ok(queueId, reply);
    return queueId;
  }

  async function saved(queueId: string, recipient: string): Promise<void> {
    const reply = new RegExp(`status=sent \\(250 2\\.0\\.0 <${recipient}> \\S+ Saved\\)`, 'u');
    assert.match(await outcome(queueId, recipient), reply);
  }

  test('of three recipients the one over quota is refused after DATA, each with its own reply', async () => {
    const queueId = await send([BOB, FULL, CAROL], 'quota');

    await saved(queueId, BOB);
    await saved(queueId, CAROL);
    assert.match(
      await outcome(queueId, FULL),
      new RegExp(
        `dsn=5\\.2\\.2, status=bounced .* 552 5\\.2\\.2 <${FULL}> Quota exceeded .*end of DATA`,
        'u',
      ),
    );
    await postfix.queueEmpty();
    for (const recipient of [BOB, CAROL]) {
      const stored = dovecot.mailbox(recipient).filter((text) => text.includes('Subject: quota\n'));
      assert.equal(stored.length, 1, recipient);
      const results = field(stored[0] ?? '', 'Authentication-Results');
      for (const result of ['spf=pass', 'dkim=pass', 'dmarc=pass'])
        assert.ok(results.includes(result), results);
    }
    assert.deepEqual(dovecot.mailbox(FULL), []);
  });

  test('of three recipients the unknown one is refused at RCPT, and the others are served', async () => {
    const queueId = await send([NOBODY, BOB, CAROL], 'unknown');

    assert.match(await outcome(queueId, NOBODY), /dsn=5\.1\.1, status=bounced .* 550 5\.1\.1 .*RCPT TO/u);
    await saved(queueId, BOB);
    await saved(queueId, CAROL);
    await postfix.queueEmpty();
    for (const recipient of [BOB, CAROL]) {
      assert.equal(
        dovecot.mailbox(recipient).filter((text) => text.includes('Subject: unknown\n')).length,
        1,
        recipient,
      );
    }
  });
});
