// How far a client is trusted, and who it is in the outside world.
import { Networks } from '../../smtp/networks.ts';
import { type Client, type ClientClass, clientOf } from '../subject.ts';

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

/** A mapping, read. */
interface Mapping {
  readonly networks: Networks | undefined;
  readonly names: ReadonlySet<string> | undefined;
  readonly as: ClientMapping['as'];
}

/** The networks of a configuration. */
export class Trust {
  readonly #local: Networks;
  readonly #trusted: Networks;
  readonly #map: readonly Mapping[];

  /** @throws {Error} for a network that can't be read */
  constructor({ local, trusted, map }: TrustOptions) {
    this.#local = new Networks(local);
    this.#trusted = new Networks(trusted);
    this.#map = map.map(({ client, helo, as }) => ({
      networks: client && new Networks(client),
      names: helo && new Set(helo.map(comparable)),
      as,
    }));
  }

  /** The client as the outside world knows it: as the first mapping says that fits. */
  outside(client: Client): Client {
    const mapping = this.#map.find((each) => fits(each, client));
    if (!mapping) return client;
    const { ip = client.ip, helo = client.helo } = mapping.as;
    // The name was found for the address that is not looked at any more.
    const name = ip === client.ip ? client.name : undefined;
    return clientOf({ ip, name, helo });
  }

  /** @param client as the outside world knows it */
  classOf({ ip }: Client): ClientClass {
    if (ip === undefined) return 'unknown';
    if (this.#trusted.includes(ip)) return 'trusted';
    return this.#local.includes(ip) ? 'local' : 'stranger';
  }
}

function fits({ networks, names }: Mapping, { ip, helo }: Client): boolean {
  if (networks && (ip === undefined || !networks.includes(ip))) return false;
  return !names || (helo !== undefined && names.has(comparable(helo)));
}

function comparable(helo: string): string {
  return helo.toLowerCase().replace(/\.$/, '');
}
