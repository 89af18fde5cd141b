// The same session held with a real Postfix, and through Postern with that Postfix behind it: replies, envelope and message are the same.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { startNameServer } from './support/name-server.ts';
import { freePort } from './support/ports.ts';
import { startPostern } from './support/postern.ts';
import { Postfix } from './support/postfix.ts';
import { skipWithout } from './support/requires.ts';
import { Site } from './support/site.ts';

const mailboxes = [
  ...['bob', 'carol', 'bücher', 'postmaster'].map((name) => `${name}@recipient.example`),
  'postmaster@downstream.example',
];

/** What Postfix refuses, and when. */
const restrictions = `message_size_limit = 100000
smtpd_recipient_limit = 3
smtpd_reject_footer = \\c, says the footer
 and its second line
smtpd_sender_restrictions = check_sender_access inline:{
  { late@sender.example = 450 4.7.1 come again } { bad@sender.example = 550 5.7.1 go away } }
smtpd_data_restrictions = check_sender_access inline:{ { data@sender.example = 554 5.7.1 no data } }
smtpd_end_of_data_restrictions = check_sender_access inline:{ { end@sender.example = 554 5.7.1 not this } }
`;

interface Transaction {
  /** What follows `MAIL FROM:`, latin1. */
  readonly from: string;
  /** What follows each `RCPT TO:`. */
  readonly to: readonly string[];
  readonly message: string;
}

const latin1 = (text: string) => Buffer.from(text).toString('latin1');
const header =
  'From: a@sender.example\r\nMessage-ID: <1@sender.example>\r\nDate: Tue, 1 Dec 2026 10:00:00 +0000\r\n';
const message = `${header}\r\nHello.\r\n`;
const ordinary: Transaction = { from: '<a@sender.example>', to: ['<bob@recipient.example>'], message };

const sessions: readonly { readonly name: string; readonly transactions: readonly Transaction[] }[] = [
  {
    name: 'odd paths, and all parameters',
    transactions: [
      {
        from: '<@one.example,@two.example:"a \\"b\\\\c"@sender.example> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=QQ+2B31 AUTH=<>',
        to: [
          '<@three.example:Bob@RECIPIENT.example> NOTIFY=NEVER ORCPT=rfc822;b+2Bob@x.example',
          '<"bob"@recipient.example> ORCPT=bob@x.example',
          'carol@recipient.example',
        ],
        message,
      },
      { from: '<>', to: ['<postmaster@recipient.example>', '<postmaster>', '<bob@[192.0.2.1]>'], message },
      { from: latin1('<ä@sender.example> SMTPUTF8'), to: [latin1('<bücher@recipient.example>')], message },
      { from: latin1('<ä@sender.example>'), to: ['<bob@recipient.example>'], message },
    ],
  },
  {
    name: 'recipients, of whom some are refused, and more than are taken',
    transactions: [
      {
        ...ordinary,
        to: ['bob', 'nobody', 'carol', 'bob', 'carol', 'bob'].map((name) => `<${name}@recipient.example>`),
      },
      { ...ordinary, to: ['<nobody@recipient.example>', '<bob@elsewhere.example>'] },
      ordinary,
    ],
  },
  {
    name: 'a refusal at each step, and the next message behind it',
    transactions: ['<late@', '<bad@', '<data@', '<end@', '<a@sender.example> SIZE=200000'].flatMap((from) => [
      { ...ordinary, from: from.replace(/@$/u, '@sender.example>') },
      ordinary,
    ]),
  },
  {
    name: 'messages of every kind',
    transactions: [
      `${header}\r\n.\r\n..\r\n.a\r\n. \r\n`,
      `${header}X-Long: ${'y'.repeat(3000)}\r\n\r\n${'x'.repeat(3000)}\r\n \r\n\r\n`,
      `${header}\r\n\x01\x08\x1b\x7f\xe4\xff\r\n`,
      `${header}no field\r\nX: y\r\n\r\nbody\r\n`,
      header,
      `${header}\r\n${'0123456789\r\n'.repeat(10_000)}`,
    ].map((each) => ({ ...ordinary, message: each })),
  },
];

describe('Postfix, and Postern before it', { skip: skipWithout('postfix', 'nsd') }, () => {
  const site = new Site();
  const ports = { postfix: 0, 'after-queue': 0, 'before-queue': 0 };
  let postfix: Postfix;

  before(async () => {
    for (const name of ['postfix', 'after-queue', 'before-queue'] as const) ports[name] = await freePort();
    postfix = new Postfix(site, {
      name: 'downstream',
      main: restrictions,
      master: `127.0.0.1:${ports.postfix} inet n - n - - smtpd`,
      ports: [ports.postfix],
      mailboxes,
    });
    const listener = (mode: 'after-queue' | 'before-queue') => ({
      name: mode,
      mode,
      listen: `127.0.0.1:${ports[mode]}`,
      destinations: [`smtp://127.0.0.1:${ports.postfix}`],
    });
    const listeners = [listener('after-queue'), listener('before-queue')];
    const nameServer = await startNameServer(site, {});
    await Promise.all([
      postfix.start(),
      startPostern(site, JSON.stringify({ hostname: 'postern.example', listeners }), nameServer.address),
    ]);
  });
  after(() => site[Symbol.asyncDispose]());

  /** Holds a session, and gives the replies that are the server's to give: to MAIL, RCPT and the message. */
  async function hold(port: number, transactions: readonly Transaction[]): Promise<string[]> {
    using client = await RawClient.connect({ host: '127.0.0.1', port });
    await client.reply();
    await client.ask('EHLO client.example');
    const replies: string[] = [];
    const ask = async (line: string) => {
      const reply = (await client.ask(line)).join('\n');
      replies.push(reply);
      return reply.startsWith('2');
    };
    for (const { from, to, message: sent } of transactions) {
      let accepted = 0;
      if (await ask(`MAIL FROM:${from}`))
        for (const path of to) if (await ask(`RCPT TO:${path}`)) accepted += 1;
      // Postfix refuses a DATA where Postern refuses the message behind it.
      const answer = accepted > 0 ? (await client.ask('DATA')).join('\n') : '';
      if (answer.startsWith('354')) await ask(`${sent.replace(/^\./gmu, '..')}.`);
      else if (answer !== '') replies.push(answer);
      await client.ask('RSET');
    }
    return replies;
  }

  /** What is in the mailboxes of the messages that were queued, without the fields that servers add. */
  function stored(replies: readonly string[]): string[][] {
    const ids = replies.flatMap((reply) => /queued as (\w+)/u.exec(reply)?.[1] ?? []);
    const all = mailboxes.flatMap((each) => postfix.mailbox(each));
    return ids.map((id) =>
      all
        .filter((text) => new RegExp(`\\bid ${id}\\b`, 'u').test(text))
        .map((text) => text.replace(/^(?:Received|Authentication-Results):.*\n(?:[ \t].*\n)*/gmu, '')),
    );
  }

  const masked = (replies: readonly string[]) =>
    replies.map((each) => each.replace(/queued as \w+/u, 'queued'));

  for (const { name, transactions } of sessions) {
    test(`${name}: the same through Postern as without it`, async () => {
      const direct = await hold(ports.postfix, transactions);
      for (const mode of ['after-queue', 'before-queue'] as const) {
        const through = await hold(ports[mode], transactions);
        assert.deepEqual(masked(through), masked(direct), mode);
        await postfix.queueEmpty();
        assert.deepEqual(stored(through), stored(direct), mode);
      }
      assert.ok(stored(direct).length > 0 && stored(direct).every(({ length }) => length > 0));
    });
  }
});
