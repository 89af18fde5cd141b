// The message on its way downstream, from 354 to the replies to its final dot (RFC 5321 §4.1.1.4).
import { describeReply, type Reply } from '../smtp/reply.ts';
import { DotStuffer } from './dot-stuffing.ts';
import { DownstreamError, messageOf } from './error.ts';
import type { Timeouts } from './timeouts.ts';
import type { Wire } from './wire.ts';

/** Asynchronous ones are good until the next are asked for. */
export type MessageChunks = AsyncIterable<Buffer> | Iterable<Buffer>;

/** What is gathered for one write: a message of usual size goes out in a single one, final dot and all. */
const blockBytes = 64 * 1024;

/**
 * Sends a message and waits for its replies; see `DownstreamSession.content`.
 *
 * @throws what `chunks` throws
 */
export async function sendContent(
  wire: Wire,
  chunks: MessageChunks,
  replies: number,
  timeouts: Timeouts,
  signal: AbortSignal | undefined,
): Promise<readonly (Reply | DownstreamError)[]> {
  const abort = () => {
    const kind =
      signal?.reason instanceof Error && signal.reason.name === 'TimeoutError' ? 'timeout' : 'lost';
    wire.fail(kind, 'was given up in the middle of a message', { cause: signal?.reason });
  };
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  let early: Reply | undefined;
  wire.onEarlyReply((reply) => {
    const what = `answered before the end of the message: ${describeReply(reply)}`;
    // Only a refusal means anything here: nothing else may stand for a message that was not sent.
    if (reply.code >= 400) early = reply;
    wire.fail(reply.code >= 400 ? 'lost' : 'protocol', what, { reply });
  });
  try {
    await wire.writeLast(await sendBlocks(wire, chunks, timeouts.content));
    wire.onEarlyReply(undefined);
    // With the final dot it is the downstream's to say what becomes of the message: that is heard to the end.
    signal?.removeEventListener('abort', abort);
    const answers = Array.from({ length: replies }, () =>
      wire.send('', timeouts.endOfData, false).catch(asDownstreamError),
    );
    return await Promise.all(answers);
  } catch (error) {
    if (!wire.failure || error !== wire.failure) {
      wire.fail('lost', 'was left in the middle of a message', { cause: error });
      throw error;
    }
    return Array.from({ length: replies }, () => early ?? asDownstreamError(error));
  } finally {
    wire.onEarlyReply(undefined);
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Sends all but the end.
 *
 * @returns what is left for the last write, final dot included
 * @throws the wire's failure, or what `chunks` throws
 */
async function sendBlocks(wire: Wire, chunks: MessageChunks, timeoutMs: number): Promise<Buffer[]> {
  const stuffer = new DotStuffer();
  if (!(Symbol.iterator in chunks)) {
    // None is kept until the next has come.
    for await (const chunk of untilFailure(wire, chunks)) {
      for (const piece of piecesOf(chunk)) await wire.write([stuffer.stuff(piece)], timeoutMs);
    }
    return [stuffer.end()];
  }
  let block: Buffer[] = [];
  let size = 0;
  for (const chunk of chunks) {
    if (wire.failure) throw wire.failure;
    for (const piece of piecesOf(chunk)) {
      const stuffed = stuffer.stuff(piece);
      block.push(stuffed);
      size += stuffed.length;
      if (size < blockBytes) continue;
      await wire.write(block, timeoutMs);
      block = [];
      size = 0;
    }
  }
  block.push(stuffer.end());
  return block;
}

/** So much of it as goes into one write. */
function* piecesOf(chunk: Buffer): Generator<Buffer, void, undefined> {
  for (let from = 0; from < chunk.length; from += blockBytes) yield chunk.subarray(from, from + blockBytes);
}

/** The chunks, as long as there is somebody to send them to. */
async function* untilFailure(
  wire: Wire,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  const iterator = chunks[Symbol.asyncIterator]();
  // Not Promise.race: `ended` outlives the message, and would hold on to every chunk that it raced with.
  let interrupt: ((failure: DownstreamError) => void) | undefined;
  void wire.ended.then((failure) => interrupt?.(failure));
  let done = false;
  try {
    for (;;) {
      if (wire.failure) throw wire.failure;
      const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Buffer, unknown>>();
      interrupt = reject;
      iterator.next().then(resolve, reject);
      const next = await promise;
      done = next.done === true;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    interrupt = undefined;
    // A source that is stuck in next() would hold us in return() as well; nobody needs its answer.
    if (!done) void (async () => iterator.return?.())().catch(() => {});
  }
}

function asDownstreamError(error: unknown): DownstreamError {
  if (error instanceof DownstreamError) return error;
  return new DownstreamError('lost', messageOf(error), { cause: error });
}
