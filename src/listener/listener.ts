// A listener: one place where upstream connects, with its pool, its checks and its transactions.
import { randomFillSync } from 'node:crypto';
import type { Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { Extensions } from '../smtp/extensions.ts';
import { inHexadecimal, Networks } from '../smtp/networks.ts';
import { makeReply, type Reply } from '../smtp/reply.ts';
import { tlsFailure } from '../smtp/tls-failure.ts';
import type { WriteEvent } from '../telemetry/log.ts';
import { Transaction, type TransactionSettings } from '../transaction/transaction.ts';
import { bind, type ListenAddress } from './bind.ts';
import { type Arrival, Connection, type ConnectionServer, type ConnectionSettings } from './connection.ts';
import type { Peer } from './start.ts';

/** What a listener is made from. */
export interface ListenerOptions {
  readonly name: string;
  readonly listen: ListenAddress;
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
  /** Upstream has connected. */
  connected?(): void;
  readonly log: WriteEvent;
}

/** How a listener ends. */
export interface Ending {
  /** How long connections may go on with one transaction after another; 0: only open ones may end. */
  readonly patienceMs: number;
  /** How long open transactions may take; what is left then gets 421. */
  readonly graceMs: number;
}

/** What is on its way to a peer when its connection is cut off may take so long. */
const lingerMs = 500;

/** A front door. `open` binds it, or others `accept` for it; `close` lets what is running end and then closes it. */
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
    return bind(this.#server.server, this.#options.listen);
  }

  /** Takes a connection that another process has accepted. */
  accept(socket: Socket, arrival: Arrival): void {
    this.#server.arrivals.set(socket, arrival);
    this.#server.server.emit('connection', socket);
  }

  /** Open connections from upstream. */
  get connections(): number {
    return this.#server.open;
  }

  /** Stops accepting and ends as it is told; a second call may be less patient than the first. */
  async close(ending: Ending): Promise<void> {
    await this.#server.drain(ending);
  }
}

/** smtp-server with connections of ours. */
class UpstreamServer extends SMTPServer implements ConnectionServer {
  readonly connectionSettings: ConnectionSettings;
  /** By socket, then by the options that come out of its PROXY header: TLS makes another socket of it. */
  readonly arrivals = new WeakMap<object, Arrival>();
  readonly #proxies: Networks;
  readonly #connected: ListenerOptions['connected'];
  readonly #open = new Set<Connection>();
  readonly #unix: boolean;
  #ending: 'gently' | 'now' | undefined;
  #timers: NodeJS.Timeout[] = [];
  #emptied = Promise.withResolvers<void>();

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
    this.#connected = options.connected;
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
      closed: (connection) => {
        this.#open.delete(connection);
        this.#checkEmpty();
      },
    };
  }

  /** Connections, those whose PROXY header or handshake is missing included. */
  get open(): number {
    return this.#open.size + this._pendingSockets.size;
  }

  override connect(socket: Socket, socketOptions: SMTPConnectionOptions): void {
    const connection = new Connection(this, socket, socketOptions);
    connection.arrival = this.arrivals.get(socketOptions);
    this.connections.add(connection);
    this.#open.add(connection);
    this.#connected?.();
    connection.init();
    if (this.#ending === 'gently') connection.retire();
    if (this.#ending === 'now') connection.drain();
  }

  override _expectsProxyHeader(socket: Socket): boolean {
    return this.#proxies.includes(socket.remoteAddress ?? '');
  }

  /** smtp-server drops a socket without a word where too many of them have no PROXY header or handshake yet. */
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const release = super._acceptSocket(socket, handshake);
    if (!release) {
      const reason = 'too many connections without PROXY header or TLS handshake';
      this.connectionSettings.log('warn', 'connection refused', { client: socket.remoteAddress, reason });
    }
    return release && this.#within(socket, handshake, release);
  }

  /** smtp-server's timeout begins anew with each byte: a trickle of a PROXY header would hold its place for ever. */
  #within(socket: Socket, handshake: boolean, release: () => void): () => void {
    if (!handshake && !this._expectsProxyHeader(socket)) return release;
    // The topmost socket: a TLS socket must not lose the one below in the middle of its handshake.
    const end = () => (this._pendingSockets.get(socket) ?? socket).destroy();
    const timer = setTimeout(end, this.connectionSettings.limits.idleMs).unref();
    const stop = () => clearTimeout(timer);
    socket.once('close', stop);
    return () => {
      stop();
      socket.off('close', stop);
      release();
    };
  }

  override _handleProxy(...[socket, callback]: Parameters<SMTPServer['_handleProxy']>): void {
    const client = socket.remoteAddress;
    super._handleProxy(socket, (error, options) => {
      // A load balancer that only looks whether somebody is there says nothing.
      const level = socket.bytesRead === 0 ? 'debug' : 'warn';
      if (error)
        this.connectionSettings.log(level, 'proxy header failed', { client, error, expected: 'version 1' });
      const arrival = this.arrivals.get(socket);
      if (options && arrival) this.arrivals.set(options, arrival);
      callback(error, options);
    });
  }

  override _upgrade(...[socket, callback]: Parameters<SMTPServer['_upgrade']>): void {
    const client = socket.remoteAddress;
    super._upgrade(socket, (error, secured) => {
      if (!error) return callback(error, secured);
      const level = socket.bytesRead === 0 ? 'debug' : 'warn';
      this.connectionSettings.log(level, 'tls failed', { client, error: tlsFailure(error) });
      socket.destroy();
    });
  }

  async drain({ patienceMs, graceMs }: Ending): Promise<void> {
    this.server.close();
    for (const timer of this.#timers) clearTimeout(timer);
    if (patienceMs > 0 && this.#ending !== 'now') {
      this.#ending = 'gently';
      for (const connection of this.#open) connection.retire();
    } else {
      this.#endNow();
    }
    this.#timers = [
      setTimeout(() => this.#endNow(), patienceMs),
      setTimeout(() => this.#cutOff(), graceMs),
      setTimeout(() => this.#destroyAll(), graceMs + lingerMs),
    ];
    this.#checkEmpty();
    await this.#emptied.promise;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Ends every connection, at once where no transaction is open. */
  #endNow(): void {
    this.#ending = 'now';
    for (const connection of this.#open) connection.drain();
    // No dialogue has begun there: nothing is lost.
    for (const socket of this._pendingSockets.values()) socket.destroy();
    this.#checkEmpty();
  }

  #cutOff(): void {
    for (const connection of this.#open) connection.cutOff();
  }

  #destroyAll(): void {
    for (const connection of this.#open) connection._socket.destroy();
    // Whatever was not heard of its end: nobody waits longer than that.
    this.#emptied.resolve();
  }

  #checkEmpty(): void {
    // The end of a socket that is still pending is heard of here no more, once all of them are destroyed.
    const pending = this.#ending === 'gently' ? this._pendingSockets.size : 0;
    if (this.#ending && this.#open.size + pending === 0) this.#emptied.resolve();
  }

  #admit(
    { socket, address, port, surplus }: Parameters<ConnectionSettings['admit']>[0],
    clients: Networks,
    mostConnections: number,
  ): Peer | Reply {
    // The zone of a link-local address (RFC 4007 §11) says which interface it came in by, not who it is.
    const ip = inHexadecimal(address.replace(/%.*$/, ''));
    // A UNIX socket's permissions say who may connect. A TCP peer without an address is one that has reset.
    const believed = this.#unix || clients.includes(ip);
    if (!believed && !this.#proxies.includes(socket.remoteAddress ?? '')) {
      return makeReply(554, '5.7.1', `${address} may not connect to this service`);
    }
    if (surplus || this.connections.size > mostConnections)
      return makeReply(421, '4.3.2', 'too many connections, try again later');
    return { ip: ip === '' ? undefined : ip, port: port === 0 ? undefined : port, believed };
  }
}

/** Numbers made by chance for the next ids: to get one takes nearly as long as to get a thousand. */
const chances = new Uint32Array(1024);
let chancesLeft = 0;

/** An id that no other transaction of these years has: time and chance, in letters and digits. */
function newId(): string {
  if (chancesLeft === 0) chancesLeft = randomFillSync(chances).length;
  chancesLeft -= 1;
  // 32 bits are 7 digits at most.
  const chance = chances[chancesLeft] ?? 0;
  return (Date.now().toString(36) + chance.toString(36).padStart(7, '0')).toUpperCase();
}
