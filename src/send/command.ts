// The command `postern send`: from its options to what became of the message.
import { Progress } from '../progress.ts';
import { type Delivered, deliver, NoConnection } from './conversation.ts';
import type { Listen } from './dialogue.ts';
import { SendError } from './error.ts';
import { quickMessage, readMessage } from './message.ts';
import { readOptions, type SendOptions } from './request.ts';

/**
 * What became of a message: `accepted`, by the server for all recipients; `temporary`, it refused something with
 * 4xx; `refused`, with 5xx; `unreachable`, there was no connection; `broken`, the conversation ended early.
 */
export type Outcome = 'accepted' | 'temporary' | 'refused' | 'unreachable' | 'broken';

/** What the command tells. */
export interface Answer extends Delivered {
  readonly outcome: Outcome;
  /** What went wrong, in one line; undefined: all is accepted. */
  readonly problem: string | undefined;
}

/**
 * Sends one message.
 *
 * @param file `-`: standard input; undefined: a quick message
 * @param listen is told what is said
 * @throws {SendError}
 */
export async function runSend(
  file: string | undefined,
  options: SendOptions,
  listen: Listen,
): Promise<Answer> {
  const request = readOptions(options);
  const { subject, body } = options;
  if (file !== undefined && (subject !== undefined || body !== undefined)) {
    throw new SendError('usage', '--subject and --body are for a quick message: leave them or the file out');
  }
  const quick = {
    ...request,
    ...(subject !== undefined && { subject }),
    ...(body !== undefined && { body }),
  };
  const message = file === undefined ? await quickMessage(quick) : await readMessage(file);
  const progress = new Progress('sending', process.stderr);
  try {
    const delivered = await deliver({ ...request, message }, listen, (bytes) =>
      progress.at(bytes, message.length),
    );
    return { ...delivered, ...judge(delivered) };
  } catch (error) {
    return { accepted: [], refused: [], reply: replyOf(error), ...judgeFailure(error) };
  } finally {
    progress.end();
  }
}

function judge({ refused }: Delivered): Pick<Answer, 'outcome' | 'problem'> {
  const [first] = refused;
  if (!first) return { outcome: 'accepted', problem: undefined };
  // Some may be refused for good: but who tries again reaches one recipient more.
  const worst = refused.find(({ reply }) => reply.startsWith('4')) ?? first;
  return {
    outcome: worst.reply.startsWith('4') ? 'temporary' : 'refused',
    problem: `${worst.recipient} was refused: ${worst.reply}`,
  };
}

function judgeFailure(error: unknown): Pick<Answer, 'outcome' | 'problem'> {
  const reply = replyOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NoConnection) return { outcome: 'unreachable', problem: message };
  const { code } = error as NodeJS.ErrnoException;
  const problem = reply === '' ? message : `the server said ${reply}`;
  if (reply.startsWith('4')) return { outcome: 'temporary', problem };
  // The server's limit (SIZE) is known before it refuses.
  if (reply.startsWith('5') || code === 'EMESSAGE') return { outcome: 'refused', problem };
  return { outcome: 'broken', problem };
}

function replyOf(error: unknown): string {
  const response = error instanceof Error && 'response' in error ? error.response : undefined;
  return typeof response === 'string' ? oneLine(response) : '';
}

/** A reply may have several lines. */
function oneLine(reply: string): string {
  return reply.replaceAll(/\r?\n/g, ' / ');
}
