// Asking the status API of a running Postern.
import type { z } from 'zod';
import { type Row, type Status, statusAnswer, transactionsAnswer } from './answers.ts';

/** Whom to ask. */
export interface Site {
  /** `http://host:port/`, or a path that something in front of it adds. */
  readonly url: URL;
  readonly token?: string | undefined;
}

/** One look at a running Postern. */
export interface View {
  readonly status: Status;
  /** Newest first. */
  readonly transactions: readonly Row[];
}

/** There is no answer: nobody there (`unreachable`), a token is wanted (`permission`), or it is no Postern (`protocol`). */
export class AskError extends Error {
  override readonly name = 'AskError';
  readonly kind: 'unreachable' | 'permission' | 'protocol';

  constructor(kind: AskError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

const answerMs = 10_000;
const maxAnswerBytes = 4 * 1024 * 1024;
/** As many as the largest terminal shows. */
const rows = 100;

/**
 * Looks once.
 *
 * @throws {AskError}
 * @throws the signal's reason, when it is aborted
 */
export async function look(site: Site, signal: AbortSignal): Promise<View> {
  const [status, { transactions }] = await Promise.all([
    get(site, 'api/status', statusAnswer, signal),
    get(site, `api/transactions?limit=${rows}`, transactionsAnswer, signal),
  ]);
  return { status, transactions };
}

async function get<T>(
  { url, token }: Site,
  path: string,
  schema: z.ZodType<T>,
  signal: AbortSignal,
): Promise<T> {
  const late = AbortSignal.timeout(answerMs);
  try {
    const response = await fetch(new URL(path, url), {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      // A token is for nobody else.
      redirect: 'error',
      signal: AbortSignal.any([signal, late]),
    });
    const text = await read(response);
    if (response.status === 401) {
      const why = token === undefined ? 'it wants a token' : 'the token is wrong';
      throw new AskError('permission', `${url.host} says 401: ${why} (--token, or POSTERN_HTTP_TOKEN)`);
    }
    if (response.status === 403 || response.status === 421) {
      throw new AskError('permission', `${url.host} says ${response.status}: ${firstLine(text)}`);
    }
    if (response.status !== 200) {
      const kind = response.status === 503 ? 'unreachable' : 'protocol';
      throw new AskError(kind, `${url.host} says ${response.status}: ${firstLine(text)}`);
    }
    return readAnswer(text, schema, url);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AskError) throw error;
    if (causeOf(error).name === 'HTTPParserError')
      throw new AskError('protocol', `${url.host} does not speak HTTP`);
    throw new AskError(
      'unreachable',
      `no answer from ${url.host}: ${late.aborted ? 'too late' : reasonOf(error)}`,
    );
  }
}

async function read(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new AskError('protocol', 'the answer does not end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readAnswer<T>(text: string, schema: z.ZodType<T>, { host }: URL): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new AskError('protocol', `${host} does not answer as a Postern of this version does`);
  }
}

function firstLine(text: string): string {
  return text.slice(0, 200).split('\n', 1)[0] ?? '';
}

/** fetch hides why under `cause`, and for several addresses under `errors`. */
function causeOf(error: unknown): NodeJS.ErrnoException {
  return (error instanceof Error && error.cause !== undefined ? error.cause : error) as NodeJS.ErrnoException;
}

function reasonOf(error: unknown): string {
  const cause = causeOf(error);
  if (cause.code === 'ECONNREFUSED') return 'nobody listens there (ECONNREFUSED)';
  return cause.message || cause.code || String(cause);
}
