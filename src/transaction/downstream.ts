// The downstream side as a transaction sees it: what it needs of a session and a pool, and what a failure means upstream.
import { DownstreamError } from '../relay/error.ts';
import { makeReply, type Reply } from '../smtp/reply.ts';
import { internalError, timedOut } from './replies.ts';

/** What a transaction needs of an open downstream session; relay/session.ts has it. */
export interface DownstreamSide {
  readonly destination: { readonly text: string };
  readonly extensions: ReadonlyMap<string, string>;
  /** How many transactions it has carried: 0 on a fresh connection. */
  readonly transactions: number;
  readonly usable: boolean;
  /** Resolves soon after it is no longer usable, with the reason. */
  readonly ended: Promise<DownstreamError>;
  command(line: string, phase: 'mail' | 'rcpt' | 'data' | 'xforward'): Promise<Reply>;
  content(
    chunks: Iterable<Buffer> | AsyncIterable<Buffer>,
    replies: number,
    signal?: AbortSignal,
  ): Promise<readonly (Reply | DownstreamError)[]>;
  destroy(): void;
}

/** What a transaction needs of the pool; relay/pool.ts has it. */
export interface DownstreamPool<Session extends DownstreamSide = DownstreamSide> {
  readonly protocol: 'smtp' | 'lmtp';
  acquire(options?: { readonly fresh?: boolean; readonly signal?: AbortSignal }): Promise<Session>;
  release(session: Session): void;
}

/**
 * What upstream is told when the downstream could not be asked or did not answer: always 4yz, since
 * the message may go through later. The address stays in our log; a stranger may read this text.
 */
export function failureReply(error: unknown): Reply {
  if (!(error instanceof DownstreamError)) return internalError;
  // A 2yz or 3yz that came out of order says nothing that upstream should read.
  if (error.reply && error.reply.code >= 400) return temporary(error.reply);
  switch (error.kind) {
    case 'connect':
      return makeReply(451, '4.4.1', 'downstream cannot be reached, try again later');
    case 'waiting':
      return makeReply(451, '4.4.1', 'no downstream connection became free in time, try again later');
    case 'timeout':
      return timedOut;
    case 'lost':
      return makeReply(451, '4.4.2', 'downstream closed the connection, try again later');
    case 'closed':
      return makeReply(451, '4.3.2', 'the service stopped before downstream answered, try again later');
    case 'protocol':
      return makeReply(451, '4.4.2', 'downstream gave no valid reply, try again later');
  }
}

/** A refusal that says nothing of the message itself, with its text: temporary, whatever class it was of. */
export function temporary({ lines: [first, ...rest] }: Reply): Reply {
  const soften = (line: string) => line.replace(/^[25](?=\.[0-9]{1,3}\.[0-9]{1,3}(?: |$))/, '4');
  return { code: 451, lines: [soften(first), ...rest.map(soften)] };
}

/**
 * A downstream reply as upstream gets it: as it is, but for 421, which would end the upstream
 * connection (RFC 5321 §3.8), and codes that are none for a command that takes no further input.
 */
export function upstreamReply(reply: Reply): Reply {
  if (reply.code === 421) return temporary(reply);
  if (reply.code >= 400 || (reply.code >= 200 && reply.code < 300)) return reply;
  return outOfOrder(reply);
}

/** What upstream gets instead of a reply that fits no command that was sent. */
export function outOfOrder(reply: Reply): Reply {
  return makeReply(451, '4.4.2', `downstream answered ${reply.code} out of order, try again later`);
}
