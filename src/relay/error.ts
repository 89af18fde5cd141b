// What can go wrong between Postern and a downstream, as one named error.
import type { Reply } from '../smtp/reply.ts';

/**
 * - `connect`: no connection could be had: refused, no TLS, or a greeting or EHLO that is not 2xx
 * - `lost`: the connection ended before the reply
 * - `closed`: Postern itself ended the connection before the reply
 * - `timeout`: the reply took longer than its phase allows
 * - `protocol`: the downstream sent what is no reply, or a reply that nobody asked for
 * - `waiting`: the pool's waiting line was too long, or its deadline passed
 */
export type DownstreamFailure = 'connect' | 'lost' | 'closed' | 'timeout' | 'protocol' | 'waiting';

/** A reply never came. Replies of any code are not errors. */
export class DownstreamError extends Error {
  override readonly name = 'DownstreamError';
  readonly kind: DownstreamFailure;
  /** What the downstream said before, e.g. the 421 or 554 of its greeting. */
  readonly reply: Reply | undefined;

  /** @param message who and what, for a log line; it is not for upstream's eyes */
  constructor(
    kind: DownstreamFailure,
    message: string,
    options: { reply?: Reply | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.reply = options.reply;
  }

  /** For the log, at every level: that a server is down is no mistake of ours, and where it was noticed says nothing. */
  toJSON(): string {
    return this.message;
  }
}

/** The error's text, whatever was thrown. */
export function messageOf(error: unknown): string {
  // A host of several addresses fails with one error for each, and no text of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
