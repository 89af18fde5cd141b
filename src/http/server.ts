// The HTTP server: probes, metrics and the status page; reads only, and bounded in everything.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Log } from '../telemetry/log.ts';
import type { Observatory } from '../telemetry/status.ts';
import { accessRule } from './access.ts';
import { apiRoutes } from './api.ts';
import { boundConnections, oneAtATime } from './connections.ts';
import { health, metrics, readiness } from './probes.ts';
import { type HttpAnswer, type Route, type RouteContext, textAnswer } from './route.ts';
import { statusPage } from './status-page.ts';

/** A running server. */
export interface HttpServer {
  /** Where it is bound: `host:port` or `[v6]:port`. */
  readonly address: string;
  /** Ends streams and everything else at once. */
  close(): Promise<void>;
}

const limits = {
  headerBytes: 8 * 1024,
  headersMs: 5_000,
  requestMs: 10_000,
  /** Between two requests of one connection. */
  keepAliveMs: 10_000,
  /** A process that is asked and does not answer is as good as dead. */
  answerMs: 15_000,
} as const;

/** What every answer has, unless its route says otherwise. */
const commonHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

/**
 * Starts the server.
 *
 * @param options.token who looks must show it, but for probes; it must be there unless the address is loopback
 * @throws {Error} of node:net when the address cannot be bound
 */
export async function startHttp(options: {
  readonly address: { readonly host: string; readonly port: number };
  readonly token?: string | undefined;
  readonly observatory: Observatory;
  readonly log: Log;
}): Promise<HttpServer> {
  const { address, token, observatory, log } = options;
  const ending = new AbortController();
  const { signal } = ending;
  const context: RouteContext = { observatory, signal };
  const closed = [statusPage(), metrics, apiRoutes(observatory, signal)];
  const find = finder({ open: [health, readiness()], closed, token });
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: limits.headersMs,
      keepAliveTimeout: limits.keepAliveMs,
    },
    oneAtATime(
      (request, response) => void answerRequest(request, response, find(request, context), { log, signal }),
    ),
  );
  boundConnections(server);
  try {
    await listen(server, address);
  } catch (error) {
    ending.abort();
    throw error;
  }
  server.on('error', (error) => log.warn('HTTP server error', { error }));
  return {
    address: boundTo(server),
    close: () => {
      ending.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
}

/** The way from a request to its answer. */
function finder(routes: {
  /** For probes, which can show no token. */
  readonly open: readonly Route[];
  readonly closed: readonly Route[];
  readonly token: string | undefined;
}): (request: IncomingMessage, context: RouteContext) => Promise<HttpAnswer> {
  const barred = accessRule(routes.token);
  return async (request, context) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return textAnswer(405, 'Nothing can be changed here.', { Allow: 'GET, HEAD' });
    }
    const url = readUrl(request.url ?? '');
    if (!url) return textAnswer(400, 'The path cannot be read.');
    const probe = await firstOf(routes.open, request, url, context);
    return (
      probe ??
      barred(request, url) ??
      (await firstOf(routes.closed, request, url, context)) ??
      textAnswer(404, 'There is nothing here.')
    );
  };
}

/** Answers a request, whatever becomes of it. */
async function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  found: Promise<HttpAnswer>,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  // What happens to a connection that is lost concerns nobody.
  response.on('error', () => {});
  const given = await within(found, signal).catch((error: unknown) => {
    if (!signal.aborted) log.warn('HTTP request failed', { path: pathOf(request), error });
    return textAnswer(503, 'This cannot be told now.');
  });
  try {
    send(request, response, given, signal);
  } catch (error) {
    log.warn('HTTP answer failed', { path: pathOf(request), error });
    response.destroy();
  }
}

async function firstOf(
  routes: readonly Route[],
  request: IncomingMessage,
  url: URL,
  context: RouteContext,
): Promise<HttpAnswer | undefined> {
  for (const route of routes) {
    const answer = await route(request, url, context);
    if (answer) return answer;
  }
  return undefined;
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: HttpAnswer,
  ending: AbortSignal,
): void {
  if (response.destroyed || ending.aborted) return;
  for (const [name, value] of Object.entries(commonHeaders)) response.setHeader(name, value);
  // A body that nobody asked for is not waited for.
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if ((length !== undefined && length !== '0') || encoding !== undefined)
    response.setHeader('Connection', 'close');
  if ('stream' in answer) {
    if (request.method === 'HEAD') response.end();
    else answer.stream(response, untilClosed(response, ending));
    return;
  }
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    'Content-Type': answer.type,
    'Content-Length': body.length,
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function untilClosed(response: ServerResponse, ending: AbortSignal): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return AbortSignal.any([gone.signal, ending]);
}

/** @throws {Error} when there is no answer in time, or the server closes */
async function within(answer: Promise<HttpAnswer>, ending: AbortSignal): Promise<HttpAnswer> {
  const given = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => given.reject(new Error(`no answer within ${limits.answerMs} ms`)),
    limits.answerMs,
  );
  const end = () => given.reject(ending.reason);
  ending.addEventListener('abort', end, { once: true });
  try {
    return await Promise.race([answer, given.promise]);
  } finally {
    clearTimeout(timer);
    ending.removeEventListener('abort', end);
  }
}

function readUrl(text: string): URL | undefined {
  // Only paths: a whole URL is for proxies, and `//host` would be one.
  return /^\/(?!\/)/.test(text) ? (URL.parse(text, 'http://localhost') ?? undefined) : undefined;
}

/** Without the query, which may hold a token. */
function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').replace(/\?.*$/s, '').slice(0, 200);
}

function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function boundTo(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return bound ?? '';
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}
