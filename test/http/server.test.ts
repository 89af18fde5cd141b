// The HTTP server: what it answers, whom, and what it does not put up with.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type TestContext, test } from 'node:test';
import { startHttp } from '../../src/http/server.ts';
import { type LogFields, silentLog } from '../../src/telemetry/log.ts';
import type { Observatory } from '../../src/telemetry/status.ts';
import { fakeObservatory } from './fake-observatory.ts';

const token = 'correct-horse-battery';

/** A server on a free port, closed after the test. */
async function serve(
  t: TestContext,
  {
    observatory = fakeObservatory(),
    ...options
  }: { observatory?: Observatory; token?: string; host?: string } = {},
) {
  const warnings: { event: string; fields: LogFields | undefined }[] = [];
  const server = await startHttp({
    address: { host: options.host ?? '127.0.0.1', port: 0 },
    token: options.token,
    observatory,
    log: { ...silentLog, warn: (event, fields) => void warnings.push({ event, fields }) },
  });
  t.after(() => server.close());
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`http://${server.address}${path}`, { redirect: 'manual', ...init });
  return { server, ask, warnings };
}

/** Says bytes as they are, and hears all that comes until the server closes. */
async function converse(address: string, text: string): Promise<string> {
  const [host, port] = [
    address.slice(0, address.lastIndexOf(':')),
    address.slice(address.lastIndexOf(':') + 1),
  ];
  const socket = connect({ host, port: Number(port) });
  const heard: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => heard.push(chunk));
  socket.write(text);
  await once(socket, 'close');
  return Buffer.concat(heard).toString();
}

test('healthz says that the process answers', async (t) => {
  const { ask } = await serve(t);
  const response = await ask('/healthz');
  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'ok\n');
});

test('readyz says whether mail can pass, and why not', async (t) => {
  let answer = { ready: true, reasons: [] as string[] };
  const { ask } = await serve(t, { observatory: fakeObservatory({ readiness: async () => answer }) });
  const ready = await ask('/readyz');
  assert.equal(ready.status, 200);
  assert.deepEqual(await ready.json(), { ready: true, reasons: [] });
  answer = { ready: false, reasons: ['listener in: no destination answers'] };
  const other = await serve(t, { observatory: fakeObservatory({ readiness: async () => answer }) });
  const response = await other.ask('/readyz');
  assert.equal(response.status, 503);
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
  assert.deepEqual(await response.json(), answer);
});

test('whoever asks readyz all the time gets the same answer again', async (t) => {
  let asked = 0;
  const readiness = async () => {
    asked += 1;
    return { ready: true, reasons: [] };
  };
  const { ask } = await serve(t, { observatory: fakeObservatory({ readiness }) });
  const responses = await Promise.all(Array.from({ length: 20 }, () => ask('/readyz')));
  assert.ok(responses.every(({ status }) => status === 200));
  assert.ok(asked <= 2, `asked ${asked} times`);
});

test('readyz asks again when a second has passed', async (t) => {
  let now = performance.now();
  t.mock.method(performance, 'now', () => now);
  let ready = false;
  const { ask } = await serve(t, {
    observatory: fakeObservatory({ readiness: async () => ({ ready, reasons: [] }) }),
  });
  assert.equal((await ask('/readyz')).status, 503);
  ready = true;
  now += 999;
  assert.equal((await ask('/readyz')).status, 503);
  now += 1;
  assert.equal((await ask('/readyz')).status, 200);
});

test('metrics are in the type that Prometheus reads', async (t) => {
  const { ask } = await serve(t);
  const response = await ask('/metrics');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(await response.text(), /^x_total 1$/m);
});

test('what is not there is not found, and nothing can be changed', async (t) => {
  const { ask } = await serve(t);
  assert.equal((await ask('/etc/passwd')).status, 404);
  assert.equal((await ask('/metrics/')).status, 404);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const response = await ask('/metrics', { method });
    assert.equal(response.status, 405, method);
    assert.equal(response.headers.get('allow'), 'GET, HEAD');
  }
});

test('HEAD answers like GET, without the body', async (t) => {
  const { ask } = await serve(t);
  const get = await ask('/metrics');
  const head = await ask('/metrics', { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('content-length'), String((await get.text()).length));
  assert.equal(await head.text(), '');
});

test('HEAD does not wait for the end of a stream', async (t) => {
  const { server } = await serve(t);
  const answer = await converse(
    server.address,
    'HEAD /api/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  );
  assert.match(answer, /^HTTP\/1\.1 200 .*\r\n\r\n$/s);
});

test('who names no host, as in HTTP/1.0, is answered', async (t) => {
  const { server } = await serve(t);
  assert.match(await converse(server.address, 'GET /metrics HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /);
});

test('every answer forbids what a browser need not do', async (t) => {
  const { ask } = await serve(t, { token });
  for (const path of ['/healthz', '/metrics', '/nothing']) {
    const { headers } = await ask(path);
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'self'/, path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(headers.get('cache-control'), 'no-store', path);
    assert.equal(headers.get('referrer-policy'), 'no-referrer', path);
  }
});

test('with a token nobody looks without it, but for probes', async (t) => {
  const { ask } = await serve(t, { token });
  assert.equal((await ask('/healthz')).status, 200);
  assert.equal((await ask('/readyz')).status, 200);
  for (const path of ['/metrics', '/', '/api/status', '/nothing']) {
    const response = await ask(path);
    assert.equal(response.status, 401, path);
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/);
  }
});

test('the token is shown as a bearer token', async (t) => {
  const { ask } = await serve(t, { token });
  const withToken = (authorization: string) => ask('/metrics', { headers: { authorization } });
  assert.equal((await withToken(`Bearer ${token}`)).status, 200);
  assert.equal((await withToken(`bearer ${token}`)).status, 200);
  for (const wrong of [`Bearer ${token}x`, `Bearer ${token.slice(1)}`, 'Bearer', `Basic ${token}`, token]) {
    assert.equal((await withToken(wrong)).status, 401, wrong);
  }
});

test('a browser shows it once in the address, and keeps a cookie that is not the token', async (t) => {
  const { ask } = await serve(t, { token });
  const response = await ask(`/metrics?a=1&token=${token}`);
  assert.equal(response.status, 303);
  assert.equal(response.headers.get('location'), '/metrics?a=1');
  const cookie = response.headers.get('set-cookie') ?? '';
  assert.match(cookie, /^postern=[\w-]+; HttpOnly; SameSite=Strict; Path=\/; Max-Age=\d+$/);
  assert.ok(!cookie.includes(token));
  const [pair = ''] = cookie.split(';');
  assert.equal((await ask('/metrics', { headers: { cookie: `other=1; ${pair}` } })).status, 200);
  assert.equal((await ask('/metrics', { headers: { cookie: `${pair}x` } })).status, 401);
  assert.equal((await ask('/metrics', { headers: { cookie: `postern=${token}` } })).status, 401);
  const wrong = await ask('/metrics?token=guessed');
  assert.equal(wrong.status, 401);
  assert.equal(wrong.headers.get('set-cookie'), null);
});

test('the way back from the token leads nowhere else', async (t) => {
  const { server } = await serve(t, { token });
  for (const path of ['//evil.example/', '/\\evil.example/', 'http://evil.example/']) {
    const answer = await converse(
      server.address,
      `GET ${path}?token=${token} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    assert.doesNotMatch(answer, /^location: .*evil/im, path);
  }
});

test('without a token only names of loopback are answered, whatever a page elsewhere is called', async (t) => {
  const { server } = await serve(t);
  const asked = (host: string, path: string) =>
    converse(server.address, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  for (const host of ['localhost', 'localhost:8025', '127.0.0.1:8025', '[::1]:8025']) {
    assert.match(await asked(host, '/metrics'), /^HTTP\/1\.1 200 /, host);
  }
  for (const host of ['evil.example', 'localhost.evil.example:8025', '127.0.0.1.evil.example']) {
    assert.match(await asked(host, '/metrics'), /^HTTP\/1\.1 421 /, host);
    assert.match(await asked(host, '/healthz'), /^HTTP\/1\.1 200 /, host);
  }
});

test('an observatory that fails is told of, and the next question is answered again', async (t) => {
  let broken = true;
  const metrics = async () => {
    if (broken) throw new Error('workers are gone');
    return 'x 1\n';
  };
  const { ask, warnings } = await serve(t, { observatory: fakeObservatory({ metrics }) });
  const response = await ask('/metrics?token=secret');
  assert.equal(response.status, 503);
  assert.doesNotMatch(await response.text(), /gone/);
  assert.deepEqual(
    warnings.map(({ event, fields }) => [event, fields?.path]),
    [['HTTP request failed', '/metrics']],
  );
  broken = false;
  assert.equal((await ask('/metrics')).status, 200);
});

test('what is no HTTP, too large or unreadable is refused, and the server goes on', async (t) => {
  const { server, ask } = await serve(t);
  assert.match(await converse(server.address, 'EHLO here\r\n\r\n'), /^HTTP\/1\.1 400 /);
  const large = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
  assert.match(await converse(server.address, large), /^HTTP\/1\.1 431 /);
  const odd = 'GET //[ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  assert.match(await converse(server.address, odd), /^HTTP\/1\.1 400 /);
  assert.equal((await ask('/healthz')).status, 200);
});

test('a body that nobody asked for is not waited for', async (t) => {
  const { server } = await serve(t);
  const answer = await converse(
    server.address,
    'GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx',
  );
  assert.match(answer, /^HTTP\/1\.1 200 .*\r\nconnection: close/is);
});

test('it closes at once, also while somebody waits for an answer', async (t) => {
  const waiting = Promise.withResolvers<void>();
  const metrics = () => {
    waiting.resolve();
    return new Promise<string>(() => {});
  };
  const { server, ask, warnings } = await serve(t, { observatory: fakeObservatory({ metrics }) });
  const asked = assert.rejects(ask('/metrics'));
  await waiting.promise;
  await server.close();
  await asked;
  assert.deepEqual(warnings, [], 'which is nothing to warn of');
});

test('an address that is in use already is an error', async (t) => {
  const { server } = await serve(t);
  const port = Number(server.address.split(':').at(-1));
  await assert.rejects(
    startHttp({ address: { host: '127.0.0.1', port }, observatory: fakeObservatory(), log: silentLog }),
    /EADDRINUSE/,
  );
});

const hasIPv6 = Object.values(networkInterfaces()).some((of) => of?.some(({ address }) => address === '::1'));

test('it listens on IPv6 as well', { skip: !hasIPv6 && 'this machine has no IPv6' }, async (t) => {
  const { server, ask } = await serve(t, { host: '::1' });
  assert.match(server.address, /^\[::1\]:\d+$/);
  assert.equal((await ask('/healthz')).status, 200);
});
