// Plain text behind STARTTLS is nobody's word inside of TLS, on either side (CVE-2011-0411).
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { parseDestination } from '../../src/relay/destination.ts';
import { DownstreamError } from '../../src/relay/error.ts';
import { DownstreamSession } from '../../src/relay/session.ts';
import { RawClient } from '../support/raw-client.ts';
import { listenerTls, RunningProxy, tlsFiles } from '../support/running-proxy.ts';
import { ScriptedDownstream, testCertificate } from '../support/scripted-downstream.ts';
import { assertSafeLog } from './poisons.ts';

const injections: Readonly<Record<string, string>> = {
  'a command': 'EHLO injected.example\r\n',
  'a transaction':
    'EHLO injected.example\r\nMAIL FROM:<injected@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nx\r\n.\r\n',
  'the beginning of a command': 'EHLO injected.exam',
  'another STARTTLS': 'STARTTLS\r\n',
  'a thousand commands': 'MAIL FROM:<injected@example.com>\r\n'.repeat(1000),
};

/** Plain text behind a STARTTLS whose turn has come at once, or has not come when the text arrives. */
const ways = ['in one piece with', 'behind, and before the reply to,'] as const;

for (const [what, injected] of Object.entries(injections)) {
  for (const way of ways) {
    test(`from upstream, ${what} in plain text ${way} STARTTLS is forgotten`, async () => {
      const mail = Promise.withResolvers<undefined>();
      await using downstream = await ScriptedDownstream.start({ answers: { MAIL: () => mail.promise } });
      await using proxy = await RunningProxy.start({
        listener: { destinations: [downstream.destination], tls: listenerTls },
        files: tlsFiles,
      });
      using client = await RawClient.connect(proxy.address);
      await client.reply();
      await client.ask('EHLO client.example');
      if (way === 'in one piece with') {
        mail.resolve(undefined);
        client.send(`STARTTLS\r\n${injected}`);
      } else {
        client.send('MAIL FROM:<a@example.com>\r\nSTARTTLS\r\n');
        await downstream.until(() => downstream.commands.includes('MAIL FROM:<a@example.com>'));
        client.send(injected);
        // What was sent later by somebody else has been read: so has this.
        using other = await RawClient.connect(proxy.address);
        await other.reply();
        await other.ask('NOOP');
        mail.resolve(undefined);
        assert.match((await client.reply()).join(), /^250 /);
      }
      assert.match((await client.reply()).join(), /^220 /);
      await client.secure();
      // Had it been taken as the beginning of this line, the name would be another one.
      assert.match((await client.ask('MAIL FROM:<a@example.com>')).join(), /^503 /, 'EHLO is forgotten');
      assert.match((await client.ask('EHLO client.example')).join(), /^250-postern/);
      for (const command of ['MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>', 'DATA']) {
        assert.match((await client.ask(command)).join(), /^[23]5/);
      }
      client.send('.\r\n');
      assert.match((await client.reply()).join(), /^250 /);
      assert.doesNotMatch(`${downstream.commands} ${JSON.stringify(proxy.events)}`, /injected/);
      assert.equal(downstream.messages.length, 1);
      assertSafeLog(proxy, what);
    });
  }
}

/** What a downstream, or somebody on the way to it, says in plain text behind its 220. */
const answers: Readonly<Record<string, readonly string[]>> = {
  'a reply': ['220 go\r\n250 injected\r\n'],
  'the beginning of a reply': ['220 go\r\n250-inj'],
  'a line of a reply': ['220 go\r\n250-injected\r\n'],
  'a single CR': ['220 go\r\n\r'],
  'a reply later': ['220 go\r\n', '250 injected\r\n'],
  'a reply byte by byte': ['220 go\r\n', ...'250-injected\r\n'],
};

for (const [what, pieces] of Object.entries(answers)) {
  test(`from downstream, ${what} in plain text behind the reply to STARTTLS ends the connection`, async (t) => {
    const sockets: Socket[] = [];
    let encrypted = '';
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.write('220 scripted.example\r\n');
      const onData = async (chunk: Buffer) => {
        if (/^EHLO/.test(chunk.toString())) socket.write('250-scripted.example\r\n250 STARTTLS\r\n');
        if (!/^STARTTLS/.test(chunk.toString())) return;
        socket.off('data', onData);
        for (const piece of pieces) {
          socket.write(piece);
          await nextTurn();
        }
        const secured = new TLSSocket(socket, { isServer: true, ...testCertificate });
        secured
          .on('error', () => undefined)
          .on('data', (text: Buffer) => {
            encrypted += text.toString();
          });
      };
      socket.on('data', onData);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve());
    });
    t.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const destination = parseDestination(`smtp://127.0.0.1:${port}?starttls=yes`);
    assert.ok(typeof destination === 'object');
    const opening = DownstreamSession.open(destination, {
      helloName: 'postern.example',
      tls: { ca: testCertificate.cert },
      timeouts: { tls: 2000, ehlo: 2000 },
    });
    await assert.rejects(opening, (error) => error instanceof DownstreamError && error.kind === 'connect');
    assert.equal(encrypted, '', 'nothing is said on it any more');
  });
}
