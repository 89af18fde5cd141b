// The listening sockets of the whole program: they belong to the primary, and outlive every worker and every reload.
import { statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { findGroup, findUser } from '../config/accounts.ts';
import type { ListenerConfiguration } from '../config/configuration.ts';
import { bind, permit, type SocketPermissions } from '../listener/bind.ts';

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
  /**
   * Uses them, and closes those that are not wanted any more.
   *
   * @throws {Error} of node:fs when the permissions of one that stays cannot be set; nothing has changed then
   */
  commit(): void;
  /** Closes those that are new. */
  cancel(): void;
}

/** A door as it shall be. */
interface WantedDoor {
  readonly name: string;
  readonly door: BoundDoor;
  /** What is to be set yet: the socket was there already. */
  readonly permit?: { readonly path: string; readonly permissions: SocketPermissions };
}

type Wanted = ReadonlyMap<string, WantedDoor>;

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
    const wanted = new Map<string, WantedDoor>();
    const opened: BoundDoor[] = [];
    const cancel = () => {
      for (const door of opened) door.close();
    };
    try {
      for (const listener of listeners) {
        const { name, listen } = listener;
        const permissions = permissionsOf(listener);
        const key = keyOf(listener, wanted);
        const bound = this.#doors.get(key);
        if (bound) {
          const isPath = 'path' in listen;
          wanted.set(key, {
            name,
            door: bound,
            ...(isPath && { permit: { path: listen.path, permissions } }),
          });
        } else {
          const door = await this.#open(listener, permissions);
          opened.push(door);
          wanted.set(key, { name, door });
        }
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
    permitAll(wanted);
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

/** @throws {Error} for a user or a group that there is not */
function permissionsOf({ socket = {} }: ListenerConfiguration): SocketPermissions {
  const { mode, owner, group } = socket;
  return {
    ...(mode !== undefined && { mode }),
    ...(owner !== undefined && { owner: findUser(owner) }),
    ...(group !== undefined && { group: findGroup(group) }),
  };
}

/** All of them or none. */
function permitAll(wanted: Wanted): void {
  const undo: (() => void)[] = [];
  try {
    for (const { permit: change } of wanted.values()) {
      if (!change || Object.keys(change.permissions).length === 0) continue;
      const { path, permissions } = change;
      const { mode, uid, gid } = statSync(path);
      undo.push(() => permit(path, { mode: mode & 0o777, owner: uid, group: gid }));
      permit(path, permissions);
    }
  } catch (error) {
    for (const one of undo) one();
    throw error;
  }
}
