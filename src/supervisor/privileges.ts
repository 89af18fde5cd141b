// What is left of root's rights in the primary process, and what is done with them on behalf of others.
import type { Account } from '../config/accounts.ts';
import type { Configuration } from '../config/configuration.ts';
import type { Log, OpenLogOptions } from '../telemetry/log.ts';

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
