// Real servers behind Postern that are restarted while mail passes: what was acknowledged is stored once, what was not is put off.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { startDovecot } from './support/dovecot.ts';
import { startExim } from './support/exim.ts';
import { zones } from './support/mail.ts';
import { type NameServer, startNameServer } from './support/name-server.ts';
import { freePort } from './support/ports.ts';
import { startPostern } from './support/postern.ts';
import { Postfix } from './support/postfix.ts';
import { skipWithout } from './support/requires.ts';
import { Site } from './support/site.ts';
import { eventually } from './support/wait.ts';

const BOB = 'bob@recipient.example';

/** Sends one message after the other, as long as it is let. */
class Mail {
  /** What each was answered, by its subject: the final reply, or the one that refused it before. */
  readonly told = new Map<string, string>();
  readonly #port: number;
  #ending = false;

  constructor(port: number) {
    this.#port = port;
  }

  get acknowledged(): string[] {
    return [...this.told].filter(([, reply]) => reply.startsWith('250 ')).map(([subject]) => subject);
  }

  async sendUntilEnd(): Promise<void> {
    using client = await RawClient.connect({ host: '127.0.0.1', port: this.#port });
    await client.reply();
    await client.ask('EHLO client.example');
    for (let i = 0; !this.#ending; i += 1) {
      const subject = `message ${i};`;
      this.told.set(subject, await this.#send(client, subject));
    }
  }

  /** Waits until so many more were acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    const state = () => [...this.told.values()].join('\n');
    await eventually(`${goal} messages to pass`, () => this.acknowledged.length >= goal, { state });
  }

  end(): void {
    this.#ending = true;
  }

  async #send(client: RawClient, subject: string): Promise<string> {
    for (const line of ['MAIL FROM:<alice@sender.example>', `RCPT TO:<${BOB}>`, 'DATA']) {
      const reply = (await client.ask(line)).join();
      if (/^[23]/u.test(reply)) continue;
      await client.ask('RSET');
      return reply;
    }
    return (await client.ask(`Subject: ${subject}\r\n\r\nHello\r\n.`)).join();
  }
}

describe('a restart behind Postern', { skip: skipWithout('postfix', 'dovecot', 'exim', 'nsd') }, () => {
  const site = new Site();
  let nameServer: NameServer;

  before(async () => {
    nameServer = await startNameServer(site, zones);
  });
  after(() => site[Symbol.asyncDispose]());

  /** @param stored all that was stored, in one text */
  async function passesDuring(
    destination: string,
    mode: string,
    restart: () => Promise<void>,
    stored: () => Promise<string>,
  ): Promise<void> {
    const port = await freePort();
    await startPostern(
      site,
      `listeners: [{ name: filter, listen: "127.0.0.1:${port}", mode: ${mode}, destinations: ["${destination}"] }]`,
      nameServer.address,
    );
    const mail = new Mail(port);
    const sent = mail.sendUntilEnd();
    await mail.more(5);
    await restart();
    await mail.more(5);
    mail.end();
    await sent;

    const refused = [...mail.told.values()].filter((reply) => !reply.startsWith('250 '));
    assert.deepEqual(
      refused.filter((reply) => !reply.startsWith('451 ')),
      [],
    );
    const all = await stored();
    const copies = (subject: string) => all.split(`Subject: ${subject}\n`).length - 1;
    assert.deepEqual(
      mail.acknowledged.filter((subject) => copies(subject) !== 1),
      [],
    );
  }

  for (const mode of ['after-queue', 'before-queue']) {
    test(`Dovecot, ${mode}`, async () => {
      const port = await freePort();
      const dovecot = await startDovecot(site, port, { [BOB]: {} });
      await passesDuring(`lmtp://127.0.0.1:${port}`, mode, dovecot.restart, async () =>
        dovecot.mailbox(BOB).join(''),
      );
    });

    test(`Exim, ${mode}`, async () => {
      const port = await freePort();
      const settings = 'smtp_accept_queue_per_connection = 0';
      const exim = await startExim(site, `restarted-${mode}`, port, undefined, settings);
      await passesDuring(`smtp://127.0.0.1:${port}`, mode, exim.restart, async () => {
        await exim.queueEmpty();
        return exim.mailbox();
      });
    });

    test(`Postfix, ${mode}`, async () => {
      const port = await freePort();
      const postfix = new Postfix(site, {
        name: `restarted-${mode}`,
        main: '',
        master: `127.0.0.1:${port} inet n - n - - smtpd\n`,
        ports: [port],
        mailboxes: [BOB],
      });
      await postfix.start();
      const restart = async () => {
        await postfix.stop();
        await postfix.start();
      };
      await passesDuring(`smtp://127.0.0.1:${port}`, mode, restart, async () => {
        await postfix.queueEmpty();
        return postfix.mailbox(BOB).join('');
      });
    });
  }
});
