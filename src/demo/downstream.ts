// The demo's downstream: an SMTP server that writes each message it gets into a file.
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

/** A message that arrived. */
export interface Delivery {
  readonly file: string;
  readonly bytes: Buffer;
}

export class DemoDownstream {
  readonly #server: SMTPServer;
  readonly #deliveries: Delivery[] = [];
  #count = 0;

  /**
   * @param directory where the files go
   * @param arrived told of each message
   */
  constructor(directory: string, arrived: (delivery: Delivery) => void = () => undefined) {
    this.#server = new SMTPServer({
      name: 'downstream.postern.example',
      disabledCommands: ['AUTH', 'STARTTLS'],
      logger: false,
      onData: (stream, _session, done) => {
        this.#count += 1;
        const file = join(directory, `${String(this.#count).padStart(2, '0')}.eml`);
        buffer(stream)
          .then(async (bytes) => {
            await writeFile(file, bytes);
            this.#deliveries.push({ file, bytes });
            arrived({ file, bytes });
            done();
          })
          .catch((error: unknown) => done(error instanceof Error ? error : new Error(String(error))));
      },
    });
    // A connection that breaks is its own end; nothing here is left to do about it.
    this.#server.on('error', () => undefined);
  }

  /** @returns the port on 127.0.0.1 */
  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server.server, 'listening');
    return (this.#server.server.address() as AddressInfo).port;
  }

  /** Takes what has arrived since the last call. */
  take(): Delivery[] {
    return this.#deliveries.splice(0);
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
