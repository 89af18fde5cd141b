// What is left of root's rights in the primary process, and what is done with them on behalf of others.
import { closeSync, openSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Account } from '../config/accounts.ts';
import type { Configuration } from '../config/configuration.ts';
import type { Log, OpenLogOptions } from '../telemetry/log.ts';
import { withRightsOf } from '../telemetry/rights.ts';

const ownFile = fileURLToPath(import.meta.url);

/** Whoever starts the program as root may have given it groups besides; it needs none of them. */
export function dropGroups(): void {
  if (process.getuid?.() !== 0) return;
  try {
    process.setgroups?.([]);
  } catch {
    // Root without the capability can become nobody else either, and may need its groups.
  }
}

/** The primary's log: a file is that of the workers, who write it too. */
export function logOf({ log }: Configuration, account: Account | undefined): OpenLogOptions {
  return account === undefined ? log : { ...log, owner: account };
}

/** What whoever starts the program should know. */
export function warnOfRoot({ user }: Configuration, log: Log): void {
  const isRoot = process.getuid?.() === 0;
  if (isRoot && user === undefined) log.warn('running as root: name a `user` in the configuration');
  if (!isRoot && user !== undefined) log.debug('not started as root: `user` means nothing', { user });
}

/**
 * Sees whether our processes can be those of an account. The system's own words for that mislead: that Node.js cannot be
 * started, where it stands in root's home directory, or that a module is not there, where only root may read it.
 *
 * @throws {Error} with what is in the way, and `code`
 */
export function tryAs(account: Account | undefined): void {
  if (account === undefined) return;
  const { uid } = account;
  try {
    withRightsOf(account, () => {
      statSync(process.execPath);
      closeSync(openSync(ownFile, 'r'));
    });
  } catch (error) {
    const { code, path, syscall = '' } = error as NodeJS.ErrnoException;
    const isIdentity = syscall.startsWith('set');
    if (!isIdentity && code !== 'EACCES') throw error;
    const told = isIdentity
      ? `root may not become user ${uid} (${syscall}: ${code}): it lacks CAP_SETUID and CAP_SETGID, or its container has no such user; start Postern as who it shall be`
      : `user ${uid} may not read ${path}: it has to get at Postern and at Node.js, which are not to be in root's home directory, nor installed with umask 077`;
    throw Object.assign(new Error(told, { cause: error }), { code: 'EPERM' });
  }
}
