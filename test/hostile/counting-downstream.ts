// A downstream that accepts everything and keeps nothing but numbers, so that memory is the proxy's own.
import type { Socket } from 'node:net';
import { LoopbackServer } from '../support/loopback-server.ts';

const endOfData = Buffer.from('\r\n.\r\n');

/** Counts messages and their bytes. */
export class CountingDownstream implements AsyncDisposable {
  messages = 0;
  bytes = 0;
  #server: LoopbackServer | undefined;

  static async start(): Promise<CountingDownstream> {
    const downstream = new CountingDownstream();
    downstream.#server = await LoopbackServer.start((socket) => downstream.#serve(socket));
    return downstream;
  }

  get destination(): string {
    return `smtp://${this.#server?.address}`;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#server?.open ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #serve(socket: Socket): void {
    socket.write('220 counting.example ESMTP\r\n');
    let inData = false;
    let tail = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      if (inData) {
        this.bytes += chunk.length;
        // The proxy sends nothing behind the final dot until it has its reply.
        tail = Buffer.concat([tail, chunk.subarray(-endOfData.length)]).subarray(-endOfData.length);
        if (!tail.equals(endOfData)) return;
        inData = false;
        this.messages += 1;
        socket.write('250 2.0.0 Ok\r\n');
        return;
      }
      // Commands arrive whole: the proxy writes each group at once.
      for (const line of chunk.toString('latin1').split('\r\n').slice(0, -1)) {
        inData = line === 'DATA';
        tail = Buffer.from('\r\n');
        if (/^EHLO/.test(line)) socket.write('250-counting.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n');
        else socket.write(inData ? '354 Go ahead\r\n' : '250 2.0.0 Ok\r\n');
        if (line === 'QUIT') socket.end();
      }
    });
  }
}
