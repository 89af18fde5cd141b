// Fetches a small file over HTTPS within limits of size, time and hosts: the indicator of BIMI, and its evidence.
import { request } from 'node:https';
import type { LookupFunction } from 'node:net';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { ResolveFunction } from '../../dns/resolver.ts';

/** What may be fetched. */
export interface DownloadLimits {
  readonly size: number;
  readonly timeoutMs: number;
  /** Names of hosts, subdomains included; empty: all that have a public address. */
  readonly hosts: readonly string[];
}

/** On whose behalf. */
export interface DownloadContext {
  readonly resolve: ResolveFunction;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
}

/**
 * Fetches a file.
 *
 * @throws {DownloadError}
 */
export type Download = (url: string, limits: DownloadLimits, context: DownloadContext) => Promise<Buffer>;

/** Why there is no file. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError';
  /** Whether it may be there later. */
  readonly temporary: boolean;

  constructor(message: string, temporary: boolean) {
    super(message);
    this.temporary = temporary;
  }
}

/**
 * No address of the host is known: that says nothing about the web server, and it may be that only this message
 * has no time left for names.
 */
export class AddressError extends DownloadError {}

/** @returns the host of a URL that may be fetched; undefined: it may not */
export function allowedHost(text: string, { hosts }: DownloadLimits): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, username, password, port } = new URL(text);
  const host = hostname.toLowerCase().replace(/\.$/, '');
  if (protocol !== 'https:' || username || password || isIP(host.replace(/^\[|\]$/g, ''))) return undefined;
  if (hosts.length === 0) return port === '' ? host : undefined;
  const listed = hosts.some((each) => host === each.toLowerCase() || host.endsWith(`.${each.toLowerCase()}`));
  return listed ? host : undefined;
}

/**
 * Downloads over the network: without redirects, from no addresses but those that `resolve` gives, and of
 * those from public ones alone unless the host is listed.
 *
 * @param ca PEM certificates to trust instead of the usual authorities
 */
export function httpsDownload(ca?: string): Download {
  return async (url, limits, { resolve, signal }) => {
    const host = allowedHost(url, limits);
    if (host === undefined) throw new DownloadError('not from an allowed host', false);
    const timeout = AbortSignal.timeout(limits.timeoutMs);
    const both = AbortSignal.any([signal, timeout]);
    try {
      const addresses = await publicAddresses(host, limits, resolve);
      both.throwIfAborted();
      const options = { lookup: lookupIn(addresses), signal: both, ...(ca && { ca }) };
      return await get(new URL(url), limits.size, options);
    } catch (error) {
      if (error instanceof DownloadError) throw error;
      if (both.aborted) throw new DownloadError(`not complete within ${limits.timeoutMs} ms`, true);
      throw new DownloadError(text(error), isTrouble(error));
    }
  };
}

async function publicAddresses(
  host: string,
  { hosts }: DownloadLimits,
  resolve: ResolveFunction,
): Promise<readonly string[]> {
  const answers = await Promise.allSettled([resolve(host, 'A'), resolve(host, 'AAAA')]);
  const found = answers
    .flatMap((answer): unknown[] => (answer.status === 'fulfilled' ? answer.value : []))
    .filter((address) => typeof address === 'string');
  if (found.length === 0) throw new AddressError(`${host} has no address`, true);
  const usable = hosts.length > 0 ? found : found.filter(isPublic);
  if (usable.length === 0) throw new DownloadError(`${host} has no public address`, false);
  return usable;
}

function isPublic(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast';
}

/** Looks up nothing: the addresses are known. */
function lookupIn(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all: wantsAll }, callback) => {
    if (wantsAll) callback(null, all);
    else callback(null, all[0]?.address ?? '', all[0]?.family);
  };
}

interface GetOptions {
  readonly lookup: LookupFunction;
  readonly signal: AbortSignal;
  readonly ca?: string;
}

function get(url: URL, size: number, options: GetOptions): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const outgoing = request(url, { ...options, agent: false, headers: { accept: '*/*' } }, (response) => {
    const { statusCode = 0 } = response;
    const refuse = (message: string, temporary: boolean) => {
      reject(new DownloadError(message, temporary));
      outgoing.destroy();
    };
    response.on('error', reject);
    if (statusCode !== 200) return refuse(`status ${statusCode}`, statusCode >= 500 || statusCode === 429);
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > size) refuse(`over ${size} bytes`, false);
      else chunks.push(chunk);
    });
    response.on('end', () => resolve(Buffer.concat(chunks)));
  });
  outgoing.on('error', reject);
  outgoing.end();
  return promise;
}

const trouble: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
]);

/** Trouble of the network passes; a certificate that is not trusted, or what is no HTTP, stays so. */
function isTrouble(error: unknown): boolean {
  const causes = error instanceof AggregateError ? error.errors : [error];
  return causes.some(
    (cause: unknown) => cause instanceof Error && 'code' in cause && trouble.has(cause.code),
  );
}

function text(error: unknown): string {
  const cause: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return cause instanceof Error ? cause.message : String(cause);
}
