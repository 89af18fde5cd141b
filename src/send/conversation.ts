// One conversation with a server by nodemailer: greeting to QUIT, with a bound for each wait.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { Destination } from '../relay/destination.ts';
import { formatXforward, type XforwardAttributes, xforwardNames } from '../smtp/xforward.ts';
import { abbreviate, type Listen } from './dialogue.ts';
import { Patience } from './patience.ts';

/** What is to be sent, to whom, and how. */
export interface Delivery {
  readonly destination: Destination;
  /** For EHLO or LHLO. */
  readonly helo: string;
  /** What is said of the client; empty: XFORWARD is not said. */
  readonly xforward: XforwardAttributes;
  /** Without angle brackets; '' for the null reverse-path. */
  readonly from: string;
  readonly to: readonly string[];
  /** Bare CR and LF go as CRLF. */
  readonly message: Buffer;
  /** The longest time until the server has taken or answered something. */
  readonly timeoutMs: number;
}

/** What the server made of it. */
export interface Delivered {
  readonly accepted: readonly string[];
  readonly refused: readonly { readonly recipient: string; readonly reply: string }[];
  /** To the message; in LMTP that for the last recipient. */
  readonly reply: string;
}

/** There is no connection. */
export class NoConnection extends Error {
  override readonly name = 'NoConnection';
}

/** A reply of a server has a few lines; one that never ends is none. */
const maxReplyBytes = 64 * 1024;
const chunkBytes = 64 * 1024;

/**
 * Sends a message.
 *
 * @param listen is told what is said
 * @param sent is told how many bytes of the message are on their way
 * @throws {NoConnection}
 * @throws {Error} when the conversation ends early: nodemailer's, with its `response` where a reply ended it
 */
export async function deliver(
  delivery: Delivery,
  listen: Listen,
  sent: (bytes: number) => void,
): Promise<Delivered> {
  const socket = await open(delivery);
  const conversation = new Conversation(delivery, socket, listen, sent);
  try {
    return await conversation.run();
  } finally {
    conversation.end();
    socket.destroy();
  }
}

async function open({ destination: { address, text }, timeoutMs }: Delivery): Promise<Socket> {
  const socket = connect(address);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    return socket;
  } catch (error) {
    socket.destroy();
    const { code, name } = error as NodeJS.ErrnoException;
    const why =
      name === 'AbortError' ? `none within ${timeoutMs / 1000} s` : (reasons[code ?? ''] ?? String(error));
    throw new NoConnection(`no connection to ${text}: ${why}`);
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied (EACCES)',
  ECONNREFUSED: 'nobody listens there (ECONNREFUSED)',
  EHOSTUNREACH: 'the host cannot be reached (EHOSTUNREACH)',
  ENETUNREACH: 'the network cannot be reached (ENETUNREACH)',
  ENOENT: 'there is no such socket (ENOENT)',
  ENOTFOUND: 'there is no such host (ENOTFOUND)',
  EAI_AGAIN: 'the name server did not answer (EAI_AGAIN)',
};

class Conversation {
  readonly #delivery: Delivery;
  readonly #listen: Listen;
  readonly #sent: (bytes: number) => void;
  readonly #patience: Patience;
  readonly #connection: SMTPConnection;
  readonly #failed: Promise<never>;
  #secure = false;

  constructor(delivery: Delivery, socket: Socket, listen: Listen, sent: (bytes: number) => void) {
    const { destination, helo, timeoutMs } = delivery;
    const { protocol, tls, verify, address } = destination;
    this.#delivery = delivery;
    this.#listen = listen;
    this.#sent = sent;
    this.#patience = new Patience(timeoutMs);
    this.#connection = new SMTPConnection({
      connection: socket,
      host: 'host' in address ? address.host : 'localhost',
      name: helo,
      lmtp: protocol === 'lmtp',
      secure: tls === 'implicit',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls !== 'starttls',
      tls: { rejectUnauthorized: verify },
      maxResponseSize: maxReplyBytes,
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      transactionLog: true,
      logger: { debug: (entry: unknown, text: unknown) => this.#hear(entry, text) },
      // nodemailer has no XFORWARD, but lets an exchange of commands be added at this place.
      customAuth: { XFORWARD: (context) => this.#introduce(context) },
    });
    this.#failed = new Promise((_, reject) => this.#connection.on('error', reject));
    this.#failed.catch(() => undefined);
  }

  async run(): Promise<Delivered> {
    this.#note(`connected to ${this.#delivery.destination.text}`);
    await this.#within((done) => this.#connection.connect(done));
    try {
      if (this.#delivery.xforward.size > 0) {
        await this.#within((done) => this.#connection.login({ method: 'XFORWARD' }, done));
      }
      return await this.#transact();
    } finally {
      if (!this.#connection.destroyed) await this.#quit();
    }
  }

  end(): void {
    this.#patience.end();
    this.#connection.close();
  }

  /** Waits for a step of nodemailer's, but not for ever. */
  #within<T>(step: (done: (error?: Error | null, result?: T) => void) => void): Promise<T | undefined> {
    const stepped = new Promise<T | undefined>((resolve, reject) => {
      step((error, result) => (error ? reject(error) : resolve(result)));
    });
    return Promise.race([stepped, this.#failed, this.#patience.over]);
  }

  async #introduce({ sendCommand }: SMTPConnection.CustomAuthenticationContext): Promise<void> {
    for (const command of formatXforward(this.#delivery.xforward, new Set(xforwardNames))) {
      this.#say('client', command);
      const { status } = await sendCommand(command);
      if (status < 200 || status > 299) throw new Error('XFORWARD was refused');
    }
  }

  async #transact(): Promise<Delivered> {
    const { from, to, message } = this.#delivery;
    const use8BitMime = message.some((byte) => byte > 0x7f);
    const envelope = { from, to: [...to], use8BitMime, size: sizeOnTheWay(message) };
    const info = await this.#within<SMTPConnection.SentMessageInfo>((done) =>
      this.#connection.send(envelope, Readable.from(this.#content(message)), done),
    );
    const { accepted = [], rejectedErrors = [], response = '' } = info ?? {};
    const refused = rejectedErrors.map((error) => ({
      recipient: error.recipient ?? '',
      reply: error.response ?? error.message,
    }));
    return { accepted, refused, reply: response };
  }

  /** The message, piece by piece as the server takes it. */
  *#content(message: Buffer): Generator<Buffer> {
    for (const line of abbreviate(message)) this.#say('client', line);
    for (let start = 0; start < message.length; start += chunkBytes) {
      const chunk = message.subarray(start, start + chunkBytes);
      this.#patience.renew();
      this.#sent(start + chunk.length);
      yield chunk;
    }
    this.#say('client', `. (${message.length} bytes)`);
  }

  /** The message is delivered or not, whatever becomes of this. */
  async #quit(): Promise<void> {
    const ended = once(this.#connection, 'end');
    this.#connection.quit();
    await Promise.race([ended, this.#failed, this.#patience.over]).catch(() => undefined);
  }

  /** nodemailer's log of the conversation. */
  #hear(entry: unknown, text: unknown): void {
    const from = (entry as { tnx?: unknown }).tnx;
    if (from !== 'client' && from !== 'server') return;
    // What stands for a command that it takes for a secret: ours, and already told.
    if (from === 'client' && String(text) === '/* secret */') return;
    this.#noteTls();
    for (const line of String(text).split('\n')) this.#say(from, line);
  }

  #noteTls(): void {
    const socket = this.#connection._socket;
    if (this.#secure || !(socket instanceof TLSSocket) || socket.getProtocol() === null) return;
    this.#secure = true;
    const trust = socket.authorized ? 'valid' : `not valid: ${String(socket.authorizationError)}`;
    this.#note(`${socket.getProtocol()}, ${socket.getCipher().standardName}; the certificate is ${trust}`);
  }

  #note(text: string): void {
    this.#listen({ from: 'note', text });
  }

  #say(from: 'client' | 'server', text: string): void {
    this.#patience.renew();
    this.#listen({ from, text });
  }
}

/** How many octets a message has when each of its line ends is CRLF. */
function sizeOnTheWay(message: Buffer): number {
  let bytes = message.length;
  for (let at = 0; at < message.length; at++) {
    const lone =
      message[at] === 0x0a ? message[at - 1] !== 0x0d : message[at] === 0x0d && message[at + 1] !== 0x0a;
    if (lone) bytes++;
  }
  return bytes;
}
