// The API of the status page: what docs/status.md describes, as JSON and as server-sent events.
import type { Observatory } from '../telemetry/status.ts';
import type { TransactionAnswer, TransactionsAnswer } from './answers.ts';
import { Feed } from './feed.ts';
import { Observer } from './observer.ts';
import { type HttpAnswer, jsonAnswer, type Route } from './route.ts';

const defaultRows = 100;
const maxRows = 1000;

/**
 * The routes under `/api/`.
 *
 * @param signal ends the following of the observatory, and all streams
 */
export function apiRoutes(observatory: Observatory, signal: AbortSignal): Route {
  const feed: Feed = new Feed(() => observer.status());
  const observer = new Observer(observatory, (record, timeMs) => feed.transaction(record, timeMs), signal);

  return async (_request, url) => {
    const [, api, name, id, ...rest] = url.pathname.split('/');
    if (api !== 'api' || rest.length > 0) return undefined;
    try {
      if (name === 'status' && id === undefined) return jsonAnswer(200, await observer.status());
      if (name === 'events' && id === undefined) return events(feed);
      if (name !== 'transactions') return undefined;
      if (id === undefined) return await list(observer, url.searchParams.get('limit'));
      return await one(observer, id);
    } catch (error) {
      // The processes do not answer: they are busy, or on their way out.
      return jsonAnswer(503, { error: error instanceof Error ? error.message : String(error) });
    }
  };
}

async function list(observer: Observer, limit: string | null): Promise<HttpAnswer> {
  const wanted = limit === null ? defaultRows : Number(limit);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > maxRows) {
    return jsonAnswer(400, { error: `limit is a whole number from 1 to ${maxRows}` });
  }
  const answer: TransactionsAnswer = { transactions: await observer.transactions(wanted) };
  return jsonAnswer(200, answer);
}

async function one(observer: Observer, encodedId: string): Promise<HttpAnswer> {
  let id: string;
  try {
    id = decodeURIComponent(encodedId);
  } catch {
    return jsonAnswer(400, { error: 'the id is not percent-encoded UTF-8' });
  }
  const transaction: TransactionAnswer | undefined = await observer.transaction(id);
  return transaction
    ? jsonAnswer(200, transaction)
    : jsonAnswer(404, { error: 'no such transaction, or it is forgotten' });
}

function events(feed: Feed): HttpAnswer {
  if (feed.full) return jsonAnswer(503, { error: 'too many listen already' });
  return { stream: (response, signal) => feed.add(response, signal) };
}
