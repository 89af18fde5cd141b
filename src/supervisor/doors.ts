// The listening sockets of the whole program: they belong to the primary, and outlive every worker and every reload.
import { createServer, type Server, type Socket } from 'node:net';
import type { ListenerConfiguration } from '../config/configuration.ts';
import { ConfigurationError } from '../config/mistakes.ts';
import { reasonOf } from '../config/source.ts';
import { bind, permit, type SocketPermissions } from '../listener/bind.ts';
import { findGroup, findUser } from './accounts.ts';

/** Where a connection came in. */
export interface Door {
  /** The name of a listener of the configuration that is in use. */
  readonly listener: string;
  /** `closed`: its connections go nowhere; `waiting`: they wait until it is `open`. */
  readonly state: 'waiting' | 'open' | 'closed';
}

/** A socket that is bound. */
class BoundDoor implements Door {
  state: Door['state'] = 'waiting';
  listener: string;
  readonly address: string;
  readonly #server: Server;

  constructor(listener: string, address: string, server: Server) {
    this.listener = listener;
    this.address = address;
    this.#server = server;
  }

  close(): void {
    this.state = 'closed';
    this.#server.close();
  }
}

/** Sockets as another configuration wants them, bound already; exactly one of the two functions is to be called. */
export interface Change {
  /** Where each listener is bound, by name. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Uses them, and closes those that are not wanted any more. */
  commit(): void;
  /** Closes those that are new. */
  cancel(): void;
}

type Wanted = ReadonlyMap<string, { readonly name: string; readonly door: BoundDoor }>;

/** All doors. */
export class Doors {
  #doors = new Map<string, BoundDoor>();
  readonly #accept: (door: Door, socket: Socket) => void;

  /** @param accept takes a connection of which nothing is read yet */
  constructor(accept: (door: Door, socket: Socket) => void) {
    this.#accept = accept;
  }

  /**
   * Binds what is not bound yet.
   *
   * @throws {Error} of node:net or node:fs when one cannot be bound; the others are closed again then
   */
  async prepare(listeners: readonly ListenerConfiguration[]): Promise<Change> {
    const wanted = new Map<string, { readonly name: string; readonly door: BoundDoor }>();
    const opened: BoundDoor[] = [];
    const cancel = () => {
      for (const door of opened) door.close();
    };
    try {
      for (const listener of listeners) {
        const { name, listen } = listener;
        const permissions = permissionsOf(listener);
        const key = keyOf(listener, wanted);
        let door = this.#doors.get(key);
        if (!door) {
          door = await this.#open(listener, permissions);
          opened.push(door);
        } else if ('path' in listen) {
          await permit(listen.path, permissions);
        }
        wanted.set(key, { name, door });
      }
    } catch (error) {
      cancel();
      throw error;
    }
    return {
      addresses: new Map([...wanted.values()].map(({ name, door }) => [name, door.address])),
      commit: () => this.#use(wanted),
      cancel,
    };
  }

  /** Nobody can connect any more. */
  close(): void {
    for (const door of this.#doors.values()) door.close();
    this.#doors.clear();
  }

  #use(wanted: Wanted): void {
    for (const [key, door] of this.#doors) if (!wanted.has(key)) door.close();
    this.#doors = new Map([...wanted].map(([key, { door }]) => [key, door]));
    for (const { name, door } of wanted.values()) {
      door.listener = name;
      door.state = 'open';
    }
  }

  async #open({ name, listen }: ListenerConfiguration, permissions: SocketPermissions): Promise<BoundDoor> {
    // Bytes are read by the worker that gets the connection.
    const server = createServer({ pauseOnConnect: true });
    const early: Socket[] = [];
    const keepEarly = (socket: Socket) => early.push(socket);
    server.on('connection', keepEarly);
    const door = new BoundDoor(name, await bind(server, listen, permissions), server);
    server.off('connection', keepEarly);
    server.on('connection', (socket) => this.#accept(door, socket));
    for (const socket of early) this.#accept(door, socket);
    // Out of descriptors: whoever connects waits in the kernel's queue meanwhile.
    server.on('error', () => undefined);
    return door;
  }
}

/** The address as it is configured: port 0 of one configuration is the same port for the next one. */
function keyOf({ listen }: ListenerConfiguration, taken: Wanted): string {
  const address = 'path' in listen ? `unix:${listen.path}` : `${listen.host} ${listen.port}`;
  let key = address;
  for (let i = 2; taken.has(key); i += 1) key = `${address} ${i}`;
  return key;
}

/** @throws {ConfigurationError} for a user or a group that there is not */
function permissionsOf({ name, socket = {} }: ListenerConfiguration): SocketPermissions {
  const { mode, owner, group } = socket;
  try {
    return {
      ...(mode !== undefined && { mode }),
      ...(owner !== undefined && { owner: findUser(owner) }),
      ...(group !== undefined && { group: findGroup(group) }),
    };
  } catch (error) {
    throw new ConfigurationError([`listener ${name}: socket: ${reasonOf(error)}`]);
  }
}
