// A downstream whose reading of the end of data is as lax as a test wants it: it counts the messages that it sees.
import type { Socket } from 'node:net';
import { LoopbackServer } from '../support/loopback-server.ts';

/** What such a server takes for a line end before and after the dot that ends data. */
export type LineEnd = 'CR' | 'LF' | 'CRLF';

/** A pair of line ends around the dot. CRLF and CRLF is what RFC 5321 has, and always an end. */
export type Ending = readonly [before: LineEnd, after: LineEnd];

export const lineEnds: Readonly<Record<LineEnd, string>> = { CR: '\r', LF: '\n', CRLF: '\r\n' };

/** Every pair: the nine kinds of servers, the strict one among them. */
export const allEndings: readonly Ending[] = (['CR', 'LF', 'CRLF'] as const).flatMap((before) =>
  (['CR', 'LF', 'CRLF'] as const).map((after): Ending => [before, after]),
);

/**
 * Where data ends for a server with these endings: the first of them, at the beginning of data too.
 *
 * @param data from the first byte after the reply 354
 * @returns where what follows begins; undefined while there is no end
 */
export function endOfData(data: string, endings: readonly Ending[]): number | undefined {
  const pairs: readonly Ending[] = [...endings, ['CRLF', 'CRLF']];
  const ends = pairs.flatMap(([before, after]) => {
    const pattern = `${lineEnds[before]}.${lineEnds[after]}`;
    // What stands before the first byte is the end of the line that said DATA.
    const at = `\r\n${data}`.indexOf(pattern);
    return at < 0 ? [] : [at + pattern.length - 2];
  });
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/** Accepts everything. */
export class LenientDownstream implements AsyncDisposable {
  /** The reverse-paths of the messages that it saw, in order. */
  readonly senders: string[] = [];
  /** The bytes between 354 and the last end of data, for each message, dots still stuffed. */
  readonly contents: string[] = [];
  readonly #endings: readonly Ending[];
  readonly #protocol: 'smtp' | 'lmtp';
  #server: LoopbackServer | undefined;

  private constructor(endings: readonly Ending[], protocol: 'smtp' | 'lmtp') {
    this.#endings = endings;
    this.#protocol = protocol;
  }

  /**
   * @param endings what ends data besides CRLF.CRLF
   * @param protocol in LMTP a message has one recipient, and so one reply
   */
  static async start(
    endings: readonly Ending[],
    protocol: 'smtp' | 'lmtp' = 'smtp',
  ): Promise<LenientDownstream> {
    const downstream = new LenientDownstream(endings, protocol);
    downstream.#server = await LoopbackServer.start((socket) => downstream.#serve(socket));
    return downstream;
  }

  get destination(): string {
    return `${this.#protocol}://${this.#server?.address}`;
  }

  /** For a client without a proxy between. */
  get address(): { readonly host: string; readonly port: number } {
    const [host = '', port] = (this.#server?.address ?? '').split(':');
    return { host, port: Number(port) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #serve(socket: Socket): void {
    socket.write('220 lenient.example ESMTP\r\n');
    let text = '';
    let inData = false;
    let sender = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (;;) {
        if (inData) {
          const end = endOfData(text, this.#endings);
          if (end === undefined) return;
          this.senders.push(sender);
          this.contents.push(text.slice(0, end));
          text = text.slice(end);
          inData = false;
          socket.write('250 2.0.0 Ok\r\n');
          continue;
        }
        const line = text.indexOf('\n');
        if (line < 0) return;
        const command = text.slice(0, line).trimEnd();
        text = text.slice(line + 1);
        inData = /^DATA$/i.test(command);
        sender = /^MAIL FROM:<([^>]*)>/i.exec(command)?.[1] ?? sender;
        if (/^(?:EHLO|LHLO)/i.test(command))
          socket.write('250-lenient.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n');
        else socket.write(inData ? '354 Go ahead\r\n' : '250 2.0.0 Ok\r\n');
        if (/^QUIT$/i.test(command)) socket.end();
      }
    });
  }
}
