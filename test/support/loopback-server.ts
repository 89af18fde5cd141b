// A TCP server on loopback for tests: any free port, and no connection outlives it.
import { createServer, type Server, type Socket } from 'node:net';

/** Give it to whoever serves: `destination` for Postern, disposed of at the end. */
export class LoopbackServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(serve: (socket: Socket) => void) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
      serve(socket);
    });
  }

  /** @param serve takes each connection; its errors are nobody's business */
  static async start(serve: (socket: Socket) => void): Promise<LoopbackServer> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const server = new LoopbackServer(serve);
    server.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return server;
  }

  /** `127.0.0.1:port` */
  get address(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}
