// A downstream Postfix with certificates that hold, and with such that do not: mail passes, or is put off with the reason in the log.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { type CertificateFiles, Certificates } from './support/certificates.ts';
import { zones } from './support/mail.ts';
import { startNameServer } from './support/name-server.ts';
import { freePort } from './support/ports.ts';
import { startPostern } from './support/postern.ts';
import { Postfix } from './support/postfix.ts';
import { skipWithout, skipWithoutTools } from './support/requires.ts';
import { type Daemon, Site } from './support/site.ts';

const BOB = 'bob@recipient.example';

/** Each has a port of Postfix, and a listener of Postern that leads there. */
interface Server {
  readonly name: string;
  readonly files: CertificateFiles;
  /** Further lines of its service. */
  readonly service?: string;
  /** What the log says; undefined: mail passes. */
  readonly reason?: string;
  readonly port: number;
  readonly listener: number;
}

async function serversOf(directory: string): Promise<{ authority: string; servers: readonly Server[] }> {
  const certificates = new Certificates(directory);
  const name = 'localhost';
  const authority = await certificates.make({ name: 'Authority', authority: true });
  const between = await certificates.make({ name: 'Between', authority: true, issuer: authority });
  const good = await certificates.make({ name, issuer: authority });
  const below = await certificates.make({ name, issuer: between });
  const untrusted = 'a file that NODE_EXTRA_CA_CERTS names can add';
  const cases: readonly Omit<Server, 'port' | 'listener'>[] = [
    { name: 'good', files: good },
    { name: 'good with its chain', files: certificates.chain(below, between) },
    {
      name: 'without its chain',
      files: below,
      reason: `unable to verify the first certificate; the server does not send the whole chain, or ${untrusted} its authority`,
    },
    {
      name: 'self-signed',
      files: await certificates.make({ name }),
      reason: `self-signed certificate; ${untrusted} it`,
    },
    {
      name: 'expired',
      files: await certificates.make({ name, issuer: authority, valid: [-30, -1] }),
      reason: 'certificate has expired',
    },
    {
      name: 'not yet valid',
      files: await certificates.make({ name, issuer: authority, valid: [1, 30] }),
      reason: 'certificate is not yet valid',
    },
    {
      name: 'for another name',
      files: await certificates.make({ name: 'mail.other.example', issuer: authority }),
      reason:
        "Hostname/IP does not match certificate's altnames: Host: localhost. is not in the cert's altnames: DNS:mail.other.example",
    },
    {
      name: 'with TLS 1.0 only',
      files: good,
      service: '    -o smtpd_tls_protocols=TLSv1\n',
      reason: 'tlsv1 alert protocol version; the server takes neither TLS 1.2 nor 1.3',
    },
  ];
  const servers: Server[] = [];
  for (const each of cases) servers.push({ ...each, port: await freePort(), listener: await freePort() });
  return { authority: authority.certificate, servers };
}

describe('Postern, Postfix with TLS', {
  skip: skipWithout('postfix', 'nsd') || skipWithoutTools('openssl'),
}, () => {
  const site = new Site();
  let servers: readonly Server[];
  let postfix: Postfix;
  let postern: Daemon;

  before(async () => {
    const made = await serversOf(site.directory('certificates'));
    ({ servers } = made);
    postfix = new Postfix(site, {
      name: 'downstream',
      main: 'smtpd_tls_security_level = may',
      master: servers
        .map(
          ({ port, files, service = '' }) => `127.0.0.1:${port} inet n - n - - smtpd
    -o smtpd_tls_cert_file=${files.certificate}
    -o smtpd_tls_key_file=${files.key}
${service}`,
        )
        .join(''),
      ports: servers.map(({ port }) => port),
      mailboxes: [BOB],
    });
    const nameServer = await startNameServer(site, zones);
    await postfix.start();
    const listeners = servers.map(
      ({ name, port, listener }) => `  - name: ${name.replaceAll(' ', '-')}
    listen: 127.0.0.1:${listener}
    mode: after-queue
    destinations: [smtp://localhost:${port}?starttls=yes]
`,
    );
    postern = await startPostern(site, `listeners:\n${listeners.join('')}`, nameServer.address, {
      NODE_EXTRA_CA_CERTS: made.authority,
    });
  });
  after(() => site[Symbol.asyncDispose]());

  /** @returns the last reply */
  async function send({ name, listener }: Server): Promise<string> {
    using client = await RawClient.connect({ host: '127.0.0.1', port: listener });
    await client.reply();
    await client.ask('EHLO client.example');
    const sender = (await client.ask('MAIL FROM:<alice@sender.example>')).join();
    if (!sender.startsWith('250')) return sender;
    await client.ask(`RCPT TO:<${BOB}>`);
    await client.ask('DATA');
    return (await client.ask(`Subject: ${name}\r\n\r\nHello\r\n.`)).join();
  }

  test('mail passes where the certificate holds, and is put off everywhere else, with the reason in the log', async () => {
    const documented = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    for (const server of servers) {
      const { name, reason } = server;
      const reply = await send(server);
      if (reason === undefined) {
        assert.match(reply, /^250 2\.0\.0 Ok: queued/u, name);
        await postfix.delivered(BOB, `Subject: ${name}\n`);
        continue;
      }
      assert.equal(reply, '451 4.4.1 downstream cannot be reached, try again later', name);
      const failure = `no connection to smtp://localhost:${server.port}?starttls=yes: TLS: ${reason}`;
      assert.ok(
        postern.output().includes(`"error":${JSON.stringify(failure)}`),
        `${name}: ${postern.output()}`,
      );
      assert.ok(documented.includes(`\`${reason.split(/[;:]/u, 1)[0]}\``), `${reason} is not documented`);
    }
    assert.equal(postfix.mailbox(BOB).length, servers.filter(({ reason }) => reason === undefined).length);
  });
});
