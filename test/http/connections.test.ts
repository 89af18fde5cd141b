// HTTP connections of those who say too much at once, or do not read: they are closed, and others are answered.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { boundConnections } from '../../src/http/connections.ts';
import { startHttp } from '../../src/http/server.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { fakeObservatory } from './fake-observatory.ts';

async function serve(t: TestContext) {
  const observatory = fakeObservatory();
  const server = await startHttp({ address: { host: '127.0.0.1', port: 0 }, observatory, log: silentLog });
  t.after(() => server.close());
  const health = async () => (await fetch(`http://${server.address}/healthz`)).status;
  return { server, health };
}

/** One that does not read. */
function say(t: TestContext, address: string, text: string): Socket {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connect({ host: hostname, port: Number(port) } satisfies Partial<AddressInfo> & {
    host: string;
  });
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.write(text);
  return socket;
}

const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

test('who says a thousand requests at once is not answered a thousand times', async (t) => {
  const { server, health } = await serve(t);
  const sockets = Array.from({ length: 20 }, () => say(t, server.address, request('/healthz').repeat(1000)));
  const heard = await Promise.all(
    sockets.map(async (socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      await once(socket, 'close');
      return text.split('HTTP/1.1').length - 1;
    }),
  );
  assert.ok(Math.max(...heard) <= 1, heard.join(' '));
  assert.equal(await health(), 200);
});

test('one request after the other is answered on the same connection', async (t) => {
  const { server } = await serve(t);
  const socket = say(t, server.address, request('/healthz'));
  for (let i = 0; i < 20; i += 1) {
    const [answer] = await once(socket, 'data');
    assert.match(String(answer), /^HTTP\/1\.1 200 /);
    socket.write(request('/healthz'));
  }
});

test('who does not read the answer does not keep the connection', { timeout: 20_000 }, async (t) => {
  const server = createServer((_, response) => response.end(Buffer.alloc(32 * 2 ** 20)));
  boundConnections(server, 200);
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const connected = once(server, 'connection') as Promise<[Socket]>;
  say(t, `127.0.0.1:${(server.address() as AddressInfo).port}`, request('/'));
  const [socket] = await connected;
  await once(socket, 'close');
});
