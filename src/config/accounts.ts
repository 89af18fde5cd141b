// Users and groups by name, as /etc/passwd and /etc/group have them, and who the workers run as.
import { readFileSync } from 'node:fs';
import type { Configuration } from './configuration.ts';
import { ConfigurationError } from './mistakes.ts';
import { reasonOf, type Source } from './source.ts';

/** Who a process runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Where names are looked up; tests have files of their own. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

const systemFiles: AccountFiles = { passwd: '/etc/passwd', group: '/etc/group' };

/**
 * A user with its group.
 *
 * @param user a name or a number
 * @param group default: the user's own
 * @throws {Error} when there is no such user or group
 */
export function findAccount(
  user: string | number,
  group?: string | number,
  files: AccountFiles = systemFiles,
): Account {
  const [, , uid, gid] = entry(files.passwd, user) ?? [];
  if (uid === undefined && typeof user === 'string')
    throw new Error(`there is no user "${user}"; expected a name of ${files.passwd}, or a number`);
  if (group === undefined && gid === undefined)
    throw new Error(`user ${user} has no entry; expected a group too`);
  return {
    uid: uid === undefined ? Number(user) : Number(uid),
    gid: group === undefined ? Number(gid) : findGroup(group, files),
  };
}

/**
 * A user's number.
 *
 * @throws {Error} when there is no such user
 */
export function findUser(user: string | number, files: AccountFiles = systemFiles): number {
  if (typeof user === 'number') return user;
  const [, , uid] = entry(files.passwd, user) ?? [];
  if (uid === undefined)
    throw new Error(`there is no user "${user}"; expected a name of ${files.passwd}, or a number`);
  return Number(uid);
}

/**
 * A group's number.
 *
 * @throws {Error} when there is no such group
 */
export function findGroup(group: string | number, files: AccountFiles = systemFiles): number {
  if (typeof group === 'number') return group;
  const [, , gid] = entry(files.group, group) ?? [];
  if (gid === undefined)
    throw new Error(`there is no group "${group}"; expected a name of ${files.group}, or a number`);
  return Number(gid);
}

/** The fields of the line for a name or a number; both files have them first and third. */
function entry(file: string, wanted: string | number): readonly string[] | undefined {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name, , id]) => (typeof wanted === 'number' ? Number(id) === wanted : name === wanted));
}

/**
 * Who the workers shall run as; undefined: as who we are, since only root can become somebody else.
 *
 * @throws {ConfigurationError} for a user or a group that there is not
 */
export function accountOf({ user, group }: Pick<Configuration, 'user' | 'group'>): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  try {
    if (user !== undefined) return findAccount(user, group);
    return group === undefined ? undefined : { uid: 0, gid: findGroup(group) };
  } catch (error) {
    throw new ConfigurationError([`user: ${reasonOf(error)}`]);
  }
}

type Name = string | number | undefined;

/** The users and groups that a configuration names. */
export interface NamedAccounts {
  readonly user?: Name;
  readonly group?: Name;
  readonly listeners: readonly {
    readonly socket?: { readonly owner?: Name; readonly group?: Name } | undefined;
  }[];
}

/**
 * One line for each user and group that this machine does not have.
 *
 * @param processes whether `user` and `group` will be needed: only root can become somebody else
 */
export function accountMistakes(
  { user, group, listeners }: NamedAccounts,
  source: Source,
  processes: boolean,
  files: AccountFiles = systemFiles,
): string[] {
  const mistakes: string[] = [];
  const attempt = (path: readonly PropertyKey[], find: () => unknown) => {
    try {
      find();
    } catch (error) {
      // Where the files cannot be read, nobody knows.
      if (!(error instanceof Error && 'code' in error)) {
        mistakes.push(`${source.place(path)}: ${reasonOf(error)}`);
      }
    }
  };
  for (const [i, { socket }] of listeners.entries()) {
    const { owner, group: of } = socket ?? {};
    if (owner !== undefined) attempt(['listeners', i, 'socket', 'owner'], () => findUser(owner, files));
    if (of !== undefined) attempt(['listeners', i, 'socket', 'group'], () => findGroup(of, files));
  }
  if (processes) {
    // The group is looked up by itself, so that both are told when both are wrong.
    if (user !== undefined)
      attempt(['user'], () => findAccount(user, group === undefined ? undefined : 0, files));
    if (group !== undefined) attempt(['group'], () => findGroup(group, files));
  }
  return mistakes;
}
