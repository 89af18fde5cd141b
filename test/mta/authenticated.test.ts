// Clients that log in at a real Postfix, and strangers who claim it, in both uses of docs/postfix.md.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { documentedLines } from './support/documents.ts';
import { startLogins } from './support/logins.ts';
import { field, impostor, message, zones } from './support/mail.ts';
import { startNameServer } from './support/name-server.ts';
import { type Pair, postfixPair, type Use } from './support/pair.ts';
import { startPostern } from './support/postern.ts';
import { skipWithout } from './support/requires.ts';
import { Site } from './support/site.ts';
import { SmtpClient } from './support/smtp-client.ts';

const ALICE = 'alice@sender.example';
const BOB = 'bob@recipient.example';
const PASSWORD = 'secret';
const skip = skipWithout('postfix', 'nsd');

const fileOf = (name: string) => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url));

/** What the impostor would write on top of his message. */
const forged = [
  `Received: from ${impostor.helo} (${impostor.name} [${impostor.address}])`,
  '\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))',
  `\t(Authenticated sender: ${ALICE})`,
  '\tby upstream.example (Postfix) with ESMTPSA id 4bXQ0z1Kd9z9',
  `\tfor <${BOB}>; Tue,  3 Jun 2025 10:00:00 +0000 (UTC)`,
  '',
].join('\r\n');

for (const use of ['after-queue', 'before-queue'] satisfies readonly Use[]) {
  describe(`Clients that log in, Postfix ${use}`, { skip }, () => {
    const site = new Site();
    let pair: Pair;

    before(async () => {
      const logins = await startLogins(site, { [ALICE]: PASSWORD, 'alice (at "home")': PASSWORD });
      pair = await postfixPair(site, use, {
        mailboxes: [BOB],
        senderMailbox: ALICE,
        main: [
          documentedLines('logins main.cf', {}),
          'smtpd_sasl_auth_enable = yes',
          'smtpd_sasl_type = dovecot',
          `smtpd_sasl_path = ${logins}`,
          'smtpd_tls_security_level = may',
          `smtpd_tls_cert_file = ${fileOf('localhost.crt')}`,
          `smtpd_tls_key_file = ${fileOf('localhost.key')}`,
          'smtpd_tls_ask_ccert = yes',
          `smtpd_tls_CAfile = ${fileOf('localhost.crt')}`,
          'header_checks = regexp:{ { /^Received: from hidden\\.example / IGNORE } }',
          'smtpd_sender_restrictions = check_sender_access inline:{{noted@sender.example = PREPEND X-Note: yes}}',
        ].join('\n'),
      });
      const nameServer = await startNameServer(site, zones);
      await Promise.all([
        pair.upstream.start(),
        pair.downstream.start(),
        startPostern(site, documentedLines(`${use} postern.yaml`, pair.ports), nameServer.address),
      ]);
    });
    after(() => site[Symbol.asyncDispose]());

    test('mail of a client that logged in is not judged like a stranger’s, and names it and its TLS', async () => {
      using client = await SmtpClient.connect(pair.ports.smtp, impostor);
      await client.secure(impostor.helo);
      await client.login(ALICE, PASSWORD);
      assert.match((await client.send(ALICE, [BOB], message('submitted'))).at(-1) ?? '', /^250 /u);

      const results = field(
        await pair.downstream.delivered(BOB, 'Subject: submitted\n'),
        'Authentication-Results',
      );
      assert.match(
        results,
        /^Authentication-Results: mx\.example\.com; auth=pass smtp\.auth=alice@sender\.example; x-tls=pass smtp\.version=TLSv1\.3\s+smtp\.cipher=TLS_\w+ +smtp\.bits=\d+; dkim=none/u,
      );
      assert.doesNotMatch(results, /\b(?:spf|dmarc|iprev)=/u);
    });

    test('a login without TLS, by a name with quotes and parentheses, below a field that Postfix puts on top', async () => {
      using client = await SmtpClient.connect(pair.ports.smtp, impostor);
      await client.login('alice (at "home")', PASSWORD);
      await client.send('noted@sender.example', [BOB], message('odd name'));

      const stored = await pair.downstream.delivered(BOB, 'Subject: odd name\n');
      assert.match(stored, /^X-Note: yes\nReceived: from host\.stranger\.example /mu);
      assert.match(
        field(stored, 'Authentication-Results'),
        /; auth=pass smtp\.auth="alice \(at \\"home\\"\)"; dkim=none/u,
      );
    });

    test('a client that logged in may name who submitted the message: Postfix passes it on before the queue', async () => {
      using client = await SmtpClient.connect(pair.ports.smtp, impostor);
      await client.login(ALICE, PASSWORD);
      assert.match(await client.say(`MAIL FROM:<${ALICE}> AUTH=<>`), /^250 /u);
      assert.match(await client.say(`RCPT TO:<${BOB}>`), /^250 /u);
      assert.match(await client.say('DATA'), /^354 /u);
      assert.match(await client.say(`${message('from a satellite')}.`), /^250 /u);
      await pair.downstream.delivered(BOB, 'Subject: from a satellite\n');
    });

    test('a stranger with TLS remains a stranger, also with a certificate that the upstream trusts', async () => {
      using client = await SmtpClient.connect(pair.ports.smtp, impostor);
      const certificate = {
        cert: readFileSync(fileOf('localhost.crt')),
        key: readFileSync(fileOf('localhost.key')),
      };
      await client.secure(impostor.helo, certificate);
      await client.send('someone@stranger.example', [BOB], stranger('with TLS'));

      const results = field(
        await pair.downstream.delivered(BOB, 'Subject: with TLS\n'),
        'Authentication-Results',
      );
      assert.match(
        results,
        /\bx-tls=pass smtp\.version=TLSv1\.3 .* smtp\.client-cn=localhost +\(issued by localhost\); spf=/u,
      );
      assert.doesNotMatch(results, /\bauth=/u);
    });

    test('who writes such a Received into his message has not logged in', async () => {
      using client = await SmtpClient.connect(pair.ports.smtp, impostor);
      const reply = (await client.send(ALICE, [BOB], forged + message('forged login'))).at(-1) ?? '';
      if (use === 'before-queue') {
        assert.match(reply, /^550 5\.7\.1 .*sender\.example/u);
        return;
      }
      const stored = await pair.downstream.delivered(BOB, 'Subject: forged login\n');
      const results = field(stored, 'Authentication-Results');
      assert.match(results, /\bspf=fail\b.*\bdmarc=fail\b/u);
      assert.doesNotMatch(results, /\b(?:auth|x-tls)=/u);
    });

    if (use === 'after-queue') {
      test('mail that a program on the upstream submits is one’s own', async () => {
        await pair.upstream.submit(ALICE, BOB, message('from cron'));
        const stored = await pair.downstream.delivered(BOB, 'Subject: from cron\n');
        assert.match(stored, /^Received: by upstream\.example \(Postfix, from userid \d+\)$/mu);
        assert.match(
          field(stored, 'Authentication-Results'),
          /^Authentication-Results: mx\.example\.com; dkim=none \(message not signed\); arc=none$/u,
        );
      });

      test('nor has he where the upstream hides its own field', async () => {
        using client = await SmtpClient.connect(pair.ports.smtp, { ...impostor, helo: 'hidden.example' });
        await client.send(ALICE, [BOB], forged + message('hidden'));

        const stored = await pair.downstream.delivered(BOB, 'Subject: hidden\n');
        assert.doesNotMatch(stored, /^Received: from hidden\.example .*\n\tby upstream\.example/mu);
        const results = field(stored, 'Authentication-Results');
        assert.match(results, /\bspf=fail\b.*\bdmarc=fail\b/u);
        assert.doesNotMatch(results, /\b(?:auth|x-tls)=/u);
      });
    }
  });
}

/** A message that no domain disowns. */
function stranger(subject: string): string {
  return message(subject).replaceAll('sender.example', 'stranger.example');
}
