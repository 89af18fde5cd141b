// The listening sockets of the whole program: they belong to the primary, and outlive every worker and every reload.
import { lstatSync, type Stats, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { findGroup, findUser } from '../config/accounts.ts';
import type { ListenerConfiguration } from '../config/configuration.ts';
import { bind, type ListenAddress, permit, type SocketPermissions } from '../listener/bind.ts';

/** Where a connection came in. */
export interface Door {
  /** The name of a listener of the configuration that is in use. */
  readonly listener: string;
  /** `closed`: its connections go nowhere; `waiting`: they wait until it is `open`. */
  readonly state: 'waiting' | 'open' | 'closed';
}

/** Takes a connection of which nothing is read yet. */
type Accept = (door: Door, socket: Socket) => void;

/** A socket: `open` binds it, `close` ends it. */
class BoundDoor implements Door {
  state: Door['state'] = 'waiting';
  listener: string;
  /** What holds for a UNIX socket. */
  permissions: SocketPermissions;
  readonly #listen: ListenAddress;
  readonly #accept: Accept;
  #server: Server | undefined;
  #address = '';
  /** That of a UNIX socket, as it was made. */
  #file: Stats | undefined;

  constructor(listener: ListenerConfiguration, permissions: SocketPermissions, accept: Accept) {
    this.listener = listener.name;
    this.permissions = permissions;
    this.#listen = listener.listen;
    this.#accept = accept;
  }

  /** `host:port`, `[v6]:port` or `unix:/path` */
  get address(): string {
    return this.#address;
  }

  /** Whether it is a UNIX socket that nobody can connect to, since its file is not there any more. */
  get lost(): boolean {
    return 'path' in this.#listen && this.#holds(this.#listen.path) !== 'ours';
  }

  /** @throws {Error} of node:net or node:fs when it cannot be bound */
  async open(): Promise<void> {
    // Bytes are read by the worker that gets the connection.
    const server = createServer({ pauseOnConnect: true });
    server.on('connection', (socket) => this.#accept(this, socket));
    this.#address = await bind(server, this.#listen, this.permissions);
    // Out of descriptors: whoever connects waits in the kernel's queue meanwhile, where libuv has none left to close it.
    server.on('error', () => undefined);
    this.#server = server;
    this.#file = 'path' in this.#listen ? lstatSync(this.#listen.path, { throwIfNoEntry: false }) : undefined;
  }

  /**
   * Binds one that is lost again.
   *
   * @throws {Error} as `open`
   */
  async renew(): Promise<void> {
    if (!this.lost) return;
    this.#unbind();
    await this.open();
    // The end has come meanwhile.
    if (this.state === 'closed') this.#unbind();
  }

  close(): void {
    this.state = 'closed';
    this.#unbind();
  }

  /** Closing takes the file away, also that of another program that listens there by now: then only the process ends it. */
  #unbind(): void {
    if ('path' in this.#listen && this.#holds(this.#listen.path) === 'other') this.#server?.unref();
    else this.#server?.close();
  }

  /** Whose file is under the path. */
  #holds(path: string): 'ours' | 'other' | 'nobody' {
    try {
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (!found) return 'nobody';
      return found.ino === this.#file?.ino && found.dev === this.#file.dev ? 'ours' : 'other';
    } catch {
      // Where we may not look it has not been seen to be gone.
      return 'ours';
    }
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
  readonly permissions: SocketPermissions;
  /** Of a UNIX socket that was there already: its permissions are to be set yet. */
  readonly path?: string;
}

type Wanted = ReadonlyMap<string, WantedDoor>;

/** All doors. */
export class Doors {
  #doors = new Map<string, BoundDoor>();
  readonly #accept: Accept;

  constructor(accept: Accept) {
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
          await bound.renew();
          wanted.set(key, { name, door: bound, permissions, ...('path' in listen && { path: listen.path }) });
        } else {
          const door = new BoundDoor(listener, permissions, this.#accept);
          await door.open();
          opened.push(door);
          wanted.set(key, { name, door, permissions });
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

  /** Those that nobody can connect to. */
  get lost(): readonly Pick<BoundDoor, 'listener' | 'address'>[] {
    return [...this.#doors.values()].filter(({ lost }) => lost);
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
    for (const { name, door, permissions } of wanted.values()) {
      door.listener = name;
      door.permissions = permissions;
      door.state = 'open';
    }
  }
}

/** The address as it is configured: port 0 of one configuration is the same port for the next one. */
function keyOf({ listen }: ListenerConfiguration, taken: Wanted): string {
  const address = 'path' in listen ? `unix:${listen.path}` : `${listen.host} ${listen.port}`;
  let key = address;
  for (let i = 2; taken.has(key); i += 1) key = `${address} ${i}`;
  return key;
}

/**
 * A mode that is not named is the system's; but a group that is named is there to connect, which it may by none of the
 * usual umasks.
 *
 * @throws {Error} for a user or a group that there is not
 */
function permissionsOf({ socket }: ListenerConfiguration): SocketPermissions {
  if (!socket) return {};
  const { mode, owner, group } = socket;
  return {
    mode: mode ?? (group === undefined ? usualMode() : 0o660),
    ...(owner !== undefined && { owner: findUser(owner) }),
    ...(group !== undefined && { group: findGroup(group) }),
  };
}

/** What holds again, as the system makes it, in place of permissions that are not named any more. */
function usual({ mode, owner, group }: SocketPermissions): SocketPermissions {
  return {
    ...(mode !== undefined && { mode: usualMode() }),
    ...(owner !== undefined && { owner: process.geteuid?.() ?? -1 }),
    ...(group !== undefined && { group: process.getegid?.() ?? -1 }),
  };
}

function usualMode(): number {
  return 0o777 & ~process.umask();
}

/** All of them or none. */
function permitAll(wanted: Wanted): void {
  const undo: (() => void)[] = [];
  try {
    for (const { path, door, permissions } of wanted.values()) {
      const change = { ...usual(door.permissions), ...permissions };
      if (path === undefined || Object.keys(change).length === 0) continue;
      const { mode, uid, gid } = statSync(path);
      undo.push(() => permit(path, { mode: mode & 0o777, owner: uid, group: gid }));
      permit(path, change);
    }
  } catch (error) {
    for (const one of undo) one();
    throw error;
  }
}
