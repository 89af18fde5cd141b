// Server-sent events: tells all who listen, and forgets those who do not read.
import type { ServerResponse } from 'node:http';
import type { StatusAnswer, TransactionEvent } from './answers.ts';
import { rowOf, type TransactionFields } from './rows.ts';

const maxClients = 20;
/** What waits for a client that reads slowly; beyond it the client is dropped, and comes again by itself. */
const maxWaitingBytes = 512 * 1024;
/** Nobody reads more, and no browser shows more. */
const maxTransactionsPerTick = 50;
const tickMs = 2_000;

/** Everybody who listens. */
export class Feed {
  readonly #status: () => Promise<StatusAnswer>;
  readonly #clients = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;
  #ticking = false;
  #told = 0;
  #omitted = 0;

  /** @param status asked every two seconds while anybody listens */
  constructor(status: () => Promise<StatusAnswer>) {
    this.#status = status;
  }

  /** Whether there is no room for one more. */
  get full(): boolean {
    return this.#clients.size >= maxClients;
  }

  /** How many listen. */
  get size(): number {
    return this.#clients.size;
  }

  /** Takes a client, until it goes or the signal is aborted. */
  add(response: ServerResponse, signal: AbortSignal): void {
    const end = () => response.end();
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      // A web server in front that collects what it passes on would make this useless.
      'X-Accel-Buffering': 'no',
    });
    response.once('close', () => {
      signal.removeEventListener('abort', end);
      this.#clients.delete(response);
      if (this.#clients.size === 0) this.#rest();
    });
    response.on('error', () => response.destroy());
    response.write('retry: 2000\n\n');
    this.#clients.add(response);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    this.#timer ??= setInterval(() => void this.#tick(), tickMs).unref();
    void this.#tick();
  }

  /**
   * Tells of a transaction, if there were not too many since the last tick.
   *
   * @param timeMs when it ended, in milliseconds since the epoch
   */
  transaction(record: TransactionFields, timeMs: number): void {
    if (this.#clients.size === 0) return;
    if (this.#told >= maxTransactionsPerTick) {
      this.#omitted += 1;
      return;
    }
    this.#told += 1;
    const omitted = this.#omitted > 0 && { omitted: this.#omitted };
    const event: TransactionEvent = { ...rowOf(record, timeMs), ...omitted };
    this.#send('transaction', event);
    this.#omitted = 0;
  }

  async #tick(): Promise<void> {
    this.#told = 0;
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      this.#send('status', await this.#status());
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#send('silence', { error: text });
    } finally {
      this.#ticking = false;
    }
  }

  #send(event: string, data: unknown): void {
    const text = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    for (const client of this.#clients) {
      if (client.writableLength > maxWaitingBytes) client.destroy();
      else client.write(text);
    }
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#told = 0;
    this.#omitted = 0;
  }
}
