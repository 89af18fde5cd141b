// A client that says exactly the bytes it is told to, and reads lines.
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ClientAddress } from './running-proxy.ts';

const patienceMs = 30_000;

/** A connection to a server under test; bytes are latin1 strings. */
export class RawClient implements Disposable {
  #socket: Socket;
  #buffer = '';
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen(socket);
  }

  static async connect(address: ClientAddress): Promise<RawClient> {
    const socket = connect(address);
    socket.setNoDelay(true);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    return new RawClient(socket);
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#buffer += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('error', () => undefined);
  }

  /** Writes all of it at once. */
  send(text: string | Buffer): void {
    this.#socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  /** Waits until what was sent has been taken, as far as the sockets' buffers go. */
  async drained(): Promise<void> {
    while (this.#socket.writableNeedDrain && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#socket.once('drain', resolve).once('close', resolve);
      await promise;
      this.#socket.off('drain', resolve).off('close', resolve);
    }
  }

  /** The next line, without its end; undefined when the server has closed the connection. */
  async line(): Promise<string | undefined> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const end = this.#buffer.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#buffer.slice(0, end);
        this.#buffer = this.#buffer.slice(end + 2);
        return line;
      }
      if (this.#ended) return undefined;
      await this.#changed(deadline);
    }
  }

  /** All lines of the next reply. */
  async reply(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === undefined) throw new Error(`the connection ended after ${JSON.stringify(lines)}`);
      lines.push(line);
      if (line[3] !== '-') return lines;
    }
  }

  /** Sends a line and reads the reply to it. */
  async ask(line: string): Promise<string[]> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  /** Goes on encrypted, as after 220 to STARTTLS; the certificate is not looked at. */
  async secure(): Promise<void> {
    this.#socket.removeAllListeners('data').removeAllListeners('close');
    const secured = connectTls({ socket: this.#socket, rejectUnauthorized: false });
    await new Promise<void>((resolve, reject) => {
      secured.once('secureConnect', resolve).once('error', reject);
    });
    this.#socket = secured;
    this.#listen(secured);
  }

  /** Ends the connection without a word. */
  close(how: 'end' | 'reset' = 'end'): void {
    if (how === 'reset') this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** Says its last, and that it was the last; replies are still heard. */
  finish(text: string): void {
    this.#socket.end(Buffer.from(text, 'latin1'));
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #changed(deadline: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      timer = setTimeout(
        () =>
          reject(new Error(`nothing came within ${patienceMs} ms; so far: ${JSON.stringify(this.#buffer)}`)),
        Math.max(0, deadline - Date.now()),
      );
    }).finally(() => clearTimeout(timer));
  }
}
