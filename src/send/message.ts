// The message to send: read from a file or standard input, or a quick one made here.
import MailComposer from 'nodemailer/lib/mail-composer';
import { InputError, inputName, readInput, withoutMailboxLine } from '../input.ts';
import { SendError } from './error.ts';

/** Held in memory; no server takes more. */
const limitBytes = 256 * 1024 * 1024;

/**
 * Reads a message.
 *
 * @param file `-`: standard input
 * @throws {SendError}
 */
export async function readMessage(file: string): Promise<Buffer> {
  const name = file === '-' ? undefined : file;
  try {
    const message = withoutMailboxLine(await readInput(name, limitBytes));
    if (message.length > 0) return message;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const kind = error.kind === 'tooLarge' ? 'data' : 'noInput';
    throw new SendError(kind, `${inputName(name)}: ${error.message}`);
  }
  throw new SendError('noInput', `${inputName(name)}: there is no message, it is empty`);
}

/** What a quick message says. */
export interface QuickMessage {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject?: string;
  readonly body?: string;
  /** Whose MAILER-DAEMON writes when the sender is null. */
  readonly helo: string;
}

/** Makes a message with From, To, Subject, Date, Message-ID and a text. */
export async function quickMessage({ from, to, subject, body, helo }: QuickMessage): Promise<Buffer> {
  const composer = new MailComposer({
    from: { name: '', address: from === '' ? `MAILER-DAEMON@${helo}` : from },
    to: to.map((address) => ({ name: '', address })),
    subject: subject ?? 'A test by postern send',
    text: body ?? 'This is a test.\n',
  });
  return composer.compile().build();
}
