// How far a client is trusted, and who it is in the outside world.
import { Networks } from '../smtp/networks.ts';
import type { Client, ClientClass } from './check.ts';

/** One entry of `networks.map`: clients inside that the world knows by another address. */
export interface ClientMapping {
  /** CIDR; absent: any address. */
  readonly client?: readonly string[] | undefined;
  /** HELO names without regard to case; absent: any name. */
  readonly helo?: readonly string[] | undefined;
  /** What stands in its place; what is absent stays. */
  readonly as: { readonly ip?: string | undefined; readonly helo?: string | undefined };
}

/** CIDR of both families; IPv4-mapped addresses count as IPv4. */
export interface TrustOptions {
  readonly local: readonly string[];
  readonly trusted: readonly string[];
  readonly map: readonly ClientMapping[];
}

/** The networks of a configuration. */
export class Trust {
  readonly #local: Networks;
  readonly #trusted: Networks;

  /** @throws {Error} for a network that can't be read */
  constructor({ local, trusted }: TrustOptions) {
    this.#local = new Networks(local);
    this.#trusted = new Networks(trusted);
  }

  /** The client as the outside world knows it. */
  outside(client: Client): Client {
    return client;
  }

  /** @param client as the outside world knows it */
  classOf({ ip }: Client): ClientClass {
    if (ip === undefined) return 'unknown';
    if (this.#trusted.includes(ip)) return 'trusted';
    return this.#local.includes(ip) ? 'local' : 'stranger';
  }
}
