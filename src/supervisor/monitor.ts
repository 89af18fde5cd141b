// The HTTP server of the primary: metrics, health and status. Mail passes also where it cannot listen.
import type { Configuration } from '../config/configuration.ts';
import { type HttpServer, startHttp } from '../http/server.ts';
import type { Log } from '../telemetry/log.ts';
import type { Observatory } from '../telemetry/status.ts';

/** One server, or none. */
export class Monitor {
  readonly #observatory: Observatory;
  #server: HttpServer | undefined;
  #used = '';

  constructor(observatory: Observatory) {
    this.#observatory = observatory;
  }

  /** Listens as it is configured now; a server that would be the same stays. */
  async use(http: Configuration['http'], log: Log): Promise<void> {
    const wanted = JSON.stringify(http);
    if (wanted === this.#used) return;
    await this.close();
    if (http === false) return;
    try {
      this.#server = await startHttp({
        address: http,
        token: http.token,
        observatory: this.#observatory,
        log,
      });
      this.#used = wanted;
      log.info('http listening', { address: this.#server.address });
    } catch (error) {
      log.error('no metrics, health and status: `http` cannot be served', { error });
    }
  }

  async close(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
    this.#used = '';
  }
}
