// Why the program cannot start, in one line, and the exit status that goes with it.
import { exits } from '../exits.ts';

/** One line, without a full stop. */
export function startFailure(error: unknown): string {
  if (!(error instanceof Error)) return `cannot start: ${String(error)}`;
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (address === undefined) return `cannot start: ${error.message}`;
  const host = address.includes(':') ? `[${address}]` : address;
  const isPath = port === undefined || port < 0;
  const where = isPath ? `unix:${address}` : `${host}:${port}`;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: isPath
      ? 'another program listens there, or a file is in the way that is no socket of ours'
      : 'another program listens there',
    EADDRNOTAVAIL: 'this host does not have that address',
    // For the path of a UNIX socket, Node.js says the same of a directory that is not there.
    EACCES: isPath ? 'permission denied, or no such directory' : 'permission denied',
    ENOTFOUND: 'there is no such host',
  };
  return `cannot listen on ${where}: ${reasons[code ?? ''] ?? error.message} (${code})`;
}

/** As in sysexits(3). */
export function startStatus(error: unknown): number {
  const { code, syscall } = error as Partial<NodeJS.ErrnoException>;
  if (code === 'EACCES' || code === 'EPERM') return exits.permission;
  return syscall === undefined ? exits.software : exits.system;
}
