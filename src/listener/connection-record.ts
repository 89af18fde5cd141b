// What an upstream connection leaves in the log: that it was opened, and how it went when it is over.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { toUnicode } from '../smtp/ascii.ts';
import type { WriteEvent } from '../telemetry/log.ts';

/** How a connection ended. Of `quit`, `closed` and `shutdown` nobody needs to know. */
export type ConnectionEnd =
  | 'quit'
  | 'closed by the client'
  | 'shutdown'
  | 'closed inside a transaction'
  | 'idle timeout'
  | 'transaction timeout'
  | 'tls failed'
  | 'error'
  | 'internal error';

const orderly: ReadonlySet<ConnectionEnd> = new Set(['quit', 'closed by the client', 'shutdown']);

/** Collects what the line of one connection says. */
export class ConnectionRecord {
  readonly #log: WriteEvent;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #begun = performance.now();
  #transactions = 0;
  #tls: { readonly version: string; readonly cipher: string } | undefined;
  #ended: { readonly how: ConnectionEnd; readonly error?: Error | string } | undefined;
  #written = false;

  /** @param fields id of the connection, and the client's address */
  constructor(log: WriteEvent, fields: { readonly connection: string; readonly client: string }) {
    this.#log = log;
    this.#fields = fields;
    log('debug', 'connection opened', { ...fields });
  }

  transaction(): void {
    this.#transactions += 1;
  }

  /** Its TLS, where it has that. */
  secured(socket: Socket): void {
    if (!(socket instanceof TLSSocket)) return;
    this.#tls = { version: socket.getProtocol() ?? 'unknown', cipher: socket.getCipher()?.name ?? 'unknown' };
  }

  /**
   * How it ends; what comes after the first cause only follows from it.
   *
   * @returns whether this is the first
   */
  ends(how: ConnectionEnd, error?: Error | string): boolean {
    if (this.#ended) return false;
    this.#ended = { how, ...(error && { error }) };
    return true;
  }

  /** It is over: one line. */
  write(helo: string | undefined): void {
    if (this.#written) return;
    this.#written = true;
    const { how, error } = this.#ended ?? { how: 'closed by the client' };
    this.#log(orderly.has(how) ? 'debug' : 'info', 'connection closed', {
      ...this.#fields,
      ...(helo !== undefined && { helo: toUnicode(helo) }),
      ended: how,
      ...(error && { error }),
      transactions: this.#transactions,
      ...(this.#tls && { tls: this.#tls }),
      milliseconds: Math.round(performance.now() - this.#begun),
    });
  }
}
