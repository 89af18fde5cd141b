// Binding a server to its address: what a dead process left in the way, and who may use a UNIX socket.
import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';

/** Where to listen; port 0 is any free port. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** Who may connect to a UNIX socket; what is not named stays as the system makes it. */
export interface SocketPermissions {
  readonly mode?: number;
  /** A user's number. */
  readonly owner?: number;
  /** A group's number. */
  readonly group?: number;
}

/** A process on this machine accepts in much less, or is stuck and has the address still. */
const probeMs = 1000;

/**
 * Makes a server listen.
 *
 * @returns the address: `host:port`, `[v6]:port` or `unix:/path`
 * @throws {Error} of node:net when it cannot be bound, of node:fs when its permissions cannot be set
 */
export async function bind(
  server: Server,
  listen: ListenAddress,
  permissions: SocketPermissions = {},
): Promise<string> {
  if ('path' in listen) await removeLeftover(listen.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    if ('path' in listen) listenPrivately(server, listen.path, permissions);
    else server.listen({ host: listen.host, port: listen.port });
  });
  try {
    if ('path' in listen) permit(listen.path, permissions);
  } catch (error) {
    server.close();
    throw error;
  }
  return addressOf(server);
}

/**
 * Sets owner and group first: a mode is meant for them.
 *
 * @throws {Error} of node:fs
 */
export function permit(path: string, { mode, owner, group }: SocketPermissions): void {
  if (owner !== undefined || group !== undefined) chownSync(path, owner ?? -1, group ?? -1);
  if (mode !== undefined) chmodSync(path, mode);
}

/** A socket whose permissions are named is nobody's until they are set. */
function listenPrivately(server: Server, path: string, { mode, owner, group }: SocketPermissions): void {
  const named = mode !== undefined || owner !== undefined || group !== undefined;
  const before = named ? process.umask(0o177) : undefined;
  try {
    server.listen({ path });
  } finally {
    if (before !== undefined) process.umask(before);
  }
}

/** A socket that nobody listens on any more, left by a process that was killed, would be in the way for ever. */
async function removeLeftover(path: string): Promise<void> {
  if (!isSocket(path)) return;
  const probe = connect({ path });
  const refused = await new Promise<boolean>((resolve) => {
    probe.once('connect', () => resolve(false));
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
    probe.once('close', () => resolve(false));
    probe.setTimeout(probeMs, () => probe.destroy());
  });
  probe.destroy();
  if (refused) unlinkSync(path);
}

function isSocket(path: string): boolean {
  try {
    return lstatSync(path).isSocket();
  } catch {
    // It is not there, or binding will say why it cannot be seen.
    return false;
  }
}

function addressOf(server: Server): string {
  const address = server.address();
  if (address === null) return '';
  if (typeof address === 'string') return `unix:${address}`;
  return address.family === 'IPv6'
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}
