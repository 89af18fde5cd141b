// A client that says to Postfix exactly what a test tells it, one command at a time, as any stranger on the internet.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

const REPLY_LIMIT_MS = 20_000;

/** Whom XCLIENT makes the client appear to be (Postfix XCLIENT_README). */
export interface Identity {
  readonly name: string;
  readonly address: string;
  readonly helo: string;
}

/** An SMTP connection to an upstream Postfix. */
export class SmtpClient implements Disposable {
  #socket: Socket;
  #received = '';
  #ended = false;
  /** Wakes whoever waits for more, if anybody does. */
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = this.#listen(socket);
  }

  #listen(socket: Socket): Socket {
    socket.setTimeout(REPLY_LIMIT_MS, () => socket.destroy());
    socket.on('data', (piece) => {
      this.#received += piece.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    return socket;
  }

  /** Connects to a port of 127.0.0.1, takes on the identity by XCLIENT, and says EHLO. */
  static async connect(port: number, identity: Identity): Promise<SmtpClient> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect', { signal: AbortSignal.timeout(REPLY_LIMIT_MS) });
    const client = new SmtpClient(socket);
    client.#expect('220', await client.#reply());
    client.#expect('250', await client.say('EHLO test.invalid'));
    const { name, address, helo } = identity;
    client.#expect('220', await client.say(`XCLIENT NAME=${name} ADDR=${address} PORT=45678 HELO=${helo}`));
    client.#expect('250', await client.say(`EHLO ${helo}`));
    return client;
  }

  /** STARTTLS, with any certificate of the server and perhaps one of its own, and EHLO again. */
  async secure(name: string, certificate?: { readonly key: Buffer; readonly cert: Buffer }): Promise<void> {
    this.#expect('220', await this.say('STARTTLS'));
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const socket = connectTls({ socket: plain, rejectUnauthorized: false, ...certificate });
    this.#socket = this.#listen(socket);
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(REPLY_LIMIT_MS) });
    this.#expect('250', await this.say(`EHLO ${name}`));
  }

  /** AUTH PLAIN (RFC 4616). */
  async login(name: string, password: string): Promise<void> {
    const response = Buffer.from(`\0${name}\0${password}`).toString('base64');
    this.#expect('235', await this.say(`AUTH PLAIN ${response}`));
  }

  /** Sends one command line and returns the whole reply, lines joined by LF. */
  async say(line: string): Promise<string> {
    this.#socket.write(`${line}\r\n`, 'latin1');
    return this.#reply();
  }

  /**
   * Sends one message and returns every reply from MAIL on, in order; DATA is left out when no recipient was accepted.
   *
   * @param message with CRLF line ends, the last line included; dots are stuffed here
   */
  async send(from: string, to: readonly string[], message: string): Promise<readonly string[]> {
    const replies = [await this.say(`MAIL FROM:<${from}>`)];
    for (const recipient of to) replies.push(await this.say(`RCPT TO:<${recipient}>`));
    if (!replies.slice(1).some((reply) => reply.startsWith('2'))) return replies;
    this.#expect('354', await this.say('DATA'));
    replies.push(await this.say(`${message.replace(/^\./gmu, '..')}.`));
    return replies;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #expect(code: string, reply: string): void {
    if (!reply.startsWith(code)) throw new Error(`expected ${code}, was answered ${reply}`);
  }

  async #reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/u.exec(this.#received);
      if (match !== null) {
        this.#received = this.#received.slice(match[0].length);
        return match[0].trimEnd().replaceAll('\r\n', '\n');
      }
      if (this.#ended)
        throw new Error(
          `no reply in time, or the connection closed, after ${JSON.stringify(this.#received)}`,
        );
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
