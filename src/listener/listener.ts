// A listener: one place where upstream connects, with its pool, its checks and its transactions.
import { randomBytes } from 'node:crypto';
import { lstat, unlink } from 'node:fs/promises';
import { connect, type Server, type Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { Extensions } from '../smtp/extensions.ts';
import { Networks } from '../smtp/networks.ts';
import { makeReply, type Reply } from '../smtp/reply.ts';
import { Transaction, type TransactionSettings } from '../transaction/transaction.ts';
import { Connection, type ConnectionServer, type ConnectionSettings } from './connection.ts';
import type { Peer } from './dialogue.ts';

/** What a listener is made from. */
export interface ListenerOptions {
  readonly name: string;
  readonly listen: { readonly host: string; readonly port: number } | { readonly path: string };
  /** Who may connect, and is believed. */
  readonly clients: readonly string[];
  /** Whose connections begin with a PROXY header. */
  readonly proxyProtocol: readonly string[];
  readonly tls:
    | { readonly certificate: string; readonly key: string; readonly mode: 'starttls' | 'implicit' }
    | undefined;
  readonly limits: {
    readonly connections: number;
    readonly commandBytes: number;
    readonly idleMs: number;
    readonly transactionMs: number;
  };
  readonly transaction: TransactionSettings;
  /** What the downstream offers, as far as it can be learned. */
  offers(): Promise<Extensions | undefined>;
  log(level: 'debug' | 'info' | 'warn' | 'error', event: string, fields: Record<string, unknown>): void;
}

/** A process on this machine accepts in much less, or is stuck and has the address still. */
const probeMs = 1000;

/** A front door. `open` binds it, `close` lets what is running end and then closes it. */
export class Listener {
  readonly name: string;
  readonly #options: ListenerOptions;
  readonly #server: UpstreamServer;

  constructor(options: ListenerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#server = new UpstreamServer(options);
    // Without a listener an error of smtp-server's would end the process.
    this.#server.on('error', (error: unknown) => options.log('warn', 'listener error', { error }));
  }

  /**
   * Binds the socket.
   *
   * @returns the address: `host:port`, `[v6]:port` or `unix:/path`
   * @throws {Error} of node:net when it cannot be bound
   */
  async open(): Promise<string> {
    const { listen } = this.#options;
    const server = this.#server.server;
    if ('path' in listen) await removeLeftover(listen.path);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.once('listening', () => {
        server.off('error', reject);
        resolve();
      });
      this.#server.listen(
        'path' in listen ? { path: listen.path } : { host: listen.host, port: listen.port },
      );
    });
    return addressOf(server);
  }

  /**
   * Stops accepting, lets open transactions end, and closes what is left when the time is over.
   *
   * @param graceMs how long transactions may take
   */
  async close(graceMs: number): Promise<void> {
    await this.#server.drain(graceMs);
  }
}

/** A socket that nobody listens on any more, left by a process that was killed, would be in the way for ever. */
async function removeLeftover(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isSocket()) return;
  const probe = connect({ path });
  const refused = await new Promise<boolean>((resolve) => {
    probe.once('connect', () => resolve(false));
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
    probe.once('close', () => resolve(false));
    probe.setTimeout(probeMs, () => probe.destroy());
  });
  probe.destroy();
  if (refused) await unlink(path);
}

function addressOf(server: Server): string {
  const address = server.address();
  if (address === null) return '';
  if (typeof address === 'string') return `unix:${address}`;
  return address.family === 'IPv6'
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}

/** smtp-server with connections of ours. */
class UpstreamServer extends SMTPServer implements ConnectionServer {
  readonly connectionSettings: ConnectionSettings;
  readonly #proxies: Networks;
  readonly #open = new Set<Connection>();
  readonly #unix: boolean;
  #draining = false;

  constructor(options: ListenerOptions) {
    const { tls, limits } = options;
    super({
      logger: false,
      name: options.transaction.hostname,
      disableReverseLookup: true,
      hideENHANCEDSTATUSCODES: false,
      socketTimeout: limits.idleMs,
      // Sockets that have not reached the dialogue yet: a PROXY header or a handshake is missing.
      maxClients: limits.connections,
      hideSTARTTLS: tls?.mode !== 'starttls',
      secure: tls?.mode === 'implicit',
      ...(tls ? { cert: tls.certificate, key: tls.key } : {}),
    });
    this.#unix = 'path' in options.listen;
    this.#proxies = new Networks(options.proxyProtocol);
    const clients = new Networks(options.clients);
    this.connectionSettings = {
      hostname: options.transaction.hostname,
      mode: options.transaction.mode,
      messageBytes: options.transaction.limits.messageBytes,
      startTls: tls?.mode === 'starttls',
      limits,
      offers: options.offers,
      log: options.log,
      newId,
      beginTransaction: (start) => new Transaction(options.transaction, start),
      admit: (connection) => this.#admit(connection, clients, limits.connections),
    };
  }

  override connect(socket: Socket, socketOptions: SMTPConnectionOptions): void {
    const connection = new Connection(this, socket, socketOptions);
    this.connections.add(connection);
    this.#open.add(connection);
    socket.once('close', () => this.#open.delete(connection));
    connection.init();
    if (this.#draining) connection.drain();
  }

  override _expectsProxyHeader(socket: Socket): boolean {
    return this.#proxies.includes(socket.remoteAddress ?? '');
  }

  /** Ends every connection, at once where no transaction is open. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of this.#open) connection.drain();
    const deadline = setTimeout(() => {
      for (const connection of this.#open) connection._socket.destroy();
    }, graceMs);
    for (const socket of this._pendingSockets.values()) socket.destroy();
    await closed;
    clearTimeout(deadline);
  }

  #admit(
    { socket, address, port }: { readonly socket: Socket; readonly address: string; readonly port: number },
    clients: Networks,
    mostConnections: number,
  ): Peer | Reply {
    // A UNIX socket's permissions say who may connect. A TCP peer without an address is one that has reset.
    const believed = this.#unix || clients.includes(address);
    if (!believed && !this.#proxies.includes(socket.remoteAddress ?? '')) {
      return makeReply(554, '5.7.1', `${address} may not connect to this service`);
    }
    if (this.connections.size > mostConnections)
      return makeReply(421, '4.3.2', 'too many connections, try again later');
    return { ip: address === '' ? undefined : address, port: port === 0 ? undefined : port, believed };
  }
}

/** An id that no other transaction of these years has: time and chance, in letters and digits. */
function newId(): string {
  return BigInt(`0x${Date.now().toString(16)}${randomBytes(4).toString('hex')}`)
    .toString(36)
    .toUpperCase();
}
