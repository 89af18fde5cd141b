// What the HTTP server and the pages it serves have in common: a request's route, and its answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Observatory } from '../telemetry/status.ts';

/** An answer: whole, or a stream whose response it writes itself. */
export type HttpAnswer =
  | {
      readonly status: number;
      /** Media type, with its charset. */
      readonly type: string;
      readonly body: string | Buffer;
      /** Besides those that every answer has; stronger than them. */
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      /**
       * Begins to write; the headers that every answer has are set already. `signal` is aborted when the
       * client is gone or the server closes.
       */
      readonly stream: (response: ServerResponse, signal: AbortSignal) => void;
    };

/** The same for all requests of one server. */
export interface RouteContext {
  readonly observatory: Observatory;
  /** Aborted when the server closes. */
  readonly signal: AbortSignal;
}

/** Answers GET and HEAD of its paths; undefined: it is not one of them. What it throws is answered with 503. */
export type Route = (
  request: IncomingMessage,
  url: URL,
  context: RouteContext,
) => Promise<HttpAnswer | undefined>;

/** A short answer for people and probes. */
export function textAnswer(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n`, headers };
}

/** An answer for programs. */
export function jsonAnswer(status: number, value: unknown): HttpAnswer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}
