// Who may log in at a Postfix: as much of Dovecot's authentication protocol as Postfix speaks (smtpd_sasl_type = dovecot).
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Site } from './site.ts';

/**
 * Listens at a UNIX socket for `smtpd_sasl_path`.
 *
 * @param users their passwords, by name
 * @returns the socket's path
 */
export async function startLogins(site: Site, users: Readonly<Record<string, string>>): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.write('VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n');
    let received = '';
    socket.on('data', (piece) => {
      const lines = (received + piece.toString('latin1')).split('\n');
      received = lines.pop() ?? '';
      for (const line of lines) socket.write(answer(line, users));
    });
  });
  site.own({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
    },
  });
  const path = join(site.directory('logins'), 'auth');
  server.listen(path);
  await once(server, 'listening');
  // Postfix's smtpd connects as its own user.
  chmodSync(path, 0o666);
  return path;
}

/** Only AUTH asks for an answer; the response to PLAIN comes with it (RFC 4616). */
function answer(line: string, users: Readonly<Record<string, string>>): string {
  const [verb, id, ...parameters] = line.split('\t');
  if (verb !== 'AUTH') return '';
  const response = parameters.find((each) => each.startsWith('resp='))?.slice('resp='.length) ?? '';
  const [, name = '', password] = Buffer.from(response, 'base64').toString().split('\0');
  return users[name] === password ? `OK\t${id}\tuser=${name}\n` : `FAIL\t${id}\tuser=${name}\n`;
}
