// One Postern with a door for strangers, one for users and one for the mailboxes, set up as docs/several-listeners.md says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { documentedLines } from './support/documents.ts';
import { field, honest, impostor, signedMessage, zones } from './support/mail.ts';
import { startNameServer } from './support/name-server.ts';
import { freePort } from './support/ports.ts';
import { startPostern } from './support/postern.ts';
import { Postfix } from './support/postfix.ts';
import { skipWithout } from './support/requires.ts';
import { Site } from './support/site.ts';
import { type Identity, SmtpClient } from './support/smtp-client.ts';
import { eventually } from './support/wait.ts';

const ALICE = 'alice@sender.example';
const BOB = 'bob@recipient.example';
const page = new URL('../../docs/several-listeners.md', import.meta.url);

describe('Postfix with several listeners of one Postern', { skip: skipWithout('postfix', 'nsd') }, () => {
  const site = new Site();
  let internet: number;
  let submission: number;
  let postfix: Postfix;
  let store: ScriptedDownstream;

  before(async () => {
    store = await ScriptedDownstream.start({ protocol: 'lmtp' });
    internet = await freePort();
    submission = await freePort();
    const shown: readonly (readonly [shown: string | RegExp, here: string])[] = [
      ['lmtp+unix:/run/dovecot/lmtp', `lmtp://127.0.0.1:${store.port}`],
      ['[::1]:10045', `127.0.0.1:${await freePort()}`],
      ['10025', `${await freePort()}`],
      ['10026', `${await freePort()}`],
      ['10035', `${await freePort()}`],
      [/^smtp(?= +inet )/gm, `127.0.0.1:${internet}`],
      [/^submission(?= +inet )/gm, `127.0.0.1:${submission}`],
      // Nobody logs in here, and there is no certificate.
      ['smtpd_tls_security_level=encrypt', 'smtpd_tls_security_level=none'],
      ['permit_sasl_authenticated,reject', 'permit'],
      ['    -o smtpd_sasl_auth_enable=yes\n', ''],
    ];
    const here = (text: string) => shown.reduce((so, [from, to]) => so.replaceAll(from, to), text);
    const back = documentedLines('after-queue master.cf downstream', {});
    postfix = new Postfix(site, {
      name: 'all',
      main: here(documentedLines('several-listeners main.cf', {})),
      master: here(
        `${documentedLines('several-listeners master.cf upstream', {})}\n${back}\n    -o smtpd_proxy_filter=\n`,
      ),
      ports: [internet, submission],
      mailboxes: [BOB],
    });
    const nameServer = await startNameServer(site, zones);
    const yaml = /^```yaml\n(.*?)^```$/ms.exec(readFileSync(page, 'utf8'))?.[1] ?? '';
    await Promise.all([postfix.start(), startPostern(site, here(yaml), nameServer.address)]);
  });
  after(async () => {
    await site[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  async function send(port: number, who: Identity, subject: string): Promise<string> {
    using client = await SmtpClient.connect(port, who);
    return (await client.send(ALICE, [BOB], await signedMessage(subject))).at(-1) ?? '';
  }

  async function stored(subject: string): Promise<string> {
    return eventually(
      `the store to have ${subject}`,
      () =>
        store.messages
          .map(({ data }) => data.toString('latin1'))
          .find((text) => text.includes(`Subject: ${subject}\r\n`)),
      { state: () => postfix.log() },
    );
  }

  test('mail from outside comes to the mailboxes, with the results of the last listener alone', async () => {
    assert.match(await send(internet, honest, 'from outside'), /^250 /);
    const text = await stored('from outside');
    assert.equal(text.match(/^Authentication-Results:/gm)?.length, 1);
    const results = field(text, 'Authentication-Results');
    for (const part of ['store.example.com;', 'spf=pass', 'dkim=pass', 'dmarc=pass'])
      assert.ok(results.includes(part), results);
    assert.equal(text.match(/^\tby mx\.example\.com with |^ by mx\.example\.com with /gm)?.length, 2, text);
  });

  test('what users submit comes there by the second door, through the queue', async () => {
    assert.match(await send(submission, honest, 'from a user'), /^250 .* queued as /);
    await stored('from a user');
    await postfix.logged(/orig_queue_id=\w+/);
    await postfix.queueEmpty();
  });

  test('the same forgery is refused at the first door, and never at the second', async () => {
    const forged = 'From: <alice@sender.example>\r\nSubject: forged\r\n\r\nPay.\r\n';
    using outside = await SmtpClient.connect(internet, impostor);
    assert.match((await outside.send(ALICE, [BOB], forged)).at(-1) ?? '', /^550 5\.7\.1 /);
    using inside = await SmtpClient.connect(submission, impostor);
    assert.match((await inside.send(ALICE, [BOB], forged)).at(-1) ?? '', /^250 /);
    assert.match(await stored('forged'), /^X-Disposition-Quarantine: DMARC fail/m);
  });
});
