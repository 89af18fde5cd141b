// Where HTTP answers, and the token that whoever looks must show: needed wherever others than this machine can ask.
import { z } from 'zod';
import type { HttpConfiguration, TcpAddress } from './configuration.ts';
import { tcpAddress } from './fields.ts';
import { show, valueAt, wrong } from './mistakes.ts';
import { type Following, readNamed } from './source.ts';

const fallback = '127.0.0.1:8025';
const form = 'host:port, "[v6]:port" or false';
const tokenForm = '16 to 256 printable ASCII characters without spaces';
const tokenPattern = /^[\x21-\x7e]{16,256}$/;

/** The `http` section before its token is read. */
export interface Http {
  readonly host: string;
  readonly port: number;
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
}

const mapping = z
  .strictObject({
    listen: tcpAddress.prefault(fallback).describe('where it answers'),
    token: z
      .string()
      // What is wrong with a secret is told without it.
      .regex(tokenPattern, { error: `is no token; expected ${tokenForm}` })
      .meta({ writeOnly: true })
      .optional()
      .describe('what whoever looks must show. Default: none, which only loopback allows'),
    tokenFile: z
      .string()
      .min(1, { error: 'is empty; expected the name of a file' })
      .meta({ file: true })
      .optional()
      .describe('the same in a file of its own. Default: none'),
  })
  .refine(({ token, tokenFile }) => token === undefined || tokenFile === undefined, {
    error: 'has the token twice; expected token or tokenFile',
    path: ['tokenFile'],
  });

/** The key `http`. */
export const httpSchema = z
  .union([z.literal(false), tcpAddress, mapping], { error: ({ input }) => wrong(input, 'an address', form) })
  .prefault(fallback)
  .transform((value, context): Http | false => {
    if (value === false) return false;
    const http: Http = 'listen' in value ? withAddress(value) : value;
    if (isLoopback(http.host) || http.token !== undefined || http.tokenFile !== undefined) return http;
    context.addIssue({ code: 'custom', message: withoutToken(http) });
    return z.NEVER;
  })
  .describe(
    'where metrics, health and status are, which say who writes to whom: `host:port` on loopback, or a mapping with a token for anywhere else; `false`: off',
  );

/** The address in a key `http` that is not checked yet; undefined when it is off, or not well written. */
export function httpAddress(http: unknown): TcpAddress | undefined {
  if (http === false) return undefined;
  return tcpAddress.safeParse(typeof http === 'string' ? http : (valueAt(http, 'listen') ?? fallback)).data;
}

function withAddress({ listen, ...rest }: z.output<typeof mapping>): Http {
  return { ...listen, ...rest };
}

function withoutToken({ host, port }: Http): string {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return `${show(address)} can be asked from elsewhere; expected an address of loopback such as ${fallback}, or a token: { listen: ${JSON.stringify(address)}, tokenFile: … } (POSTERN_HTTP_TOKEN)`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}

/**
 * Reads the token's file, where there is one.
 *
 * @param following mistakes are added to it
 */
export function readHttp(http: Http | false, following: Following): HttpConfiguration | false {
  if (http === false) return false;
  const { host, port, tokenFile } = http;
  const token = tokenFile === undefined ? http.token : readToken(tokenFile, following);
  return { host, port, ...(token !== undefined && { token }) };
}

function readToken(file: string, following: Following): string | undefined {
  const { source, mistakes } = following;
  const path = ['http', 'tokenFile'];
  const token = readNamed(file, path, following)?.trim();
  if (token === undefined || tokenPattern.test(token)) return token;
  mistakes.push(`${source.place(path)}: holds no token; expected ${tokenForm}`);
  return undefined;
}
