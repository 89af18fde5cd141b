// Users and groups by name, as /etc/passwd and /etc/group have them.
import { readFileSync } from 'node:fs';

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
  if (uid === undefined && typeof user === 'string') throw new Error(`there is no user "${user}"`);
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
  if (uid === undefined) throw new Error(`there is no user "${user}"`);
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
  if (gid === undefined) throw new Error(`there is no group "${group}"`);
  return Number(gid);
}

/** The fields of the line for a name or a number; both files have them first and third. */
function entry(file: string, wanted: string | number): readonly string[] | undefined {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name, , id]) => (typeof wanted === 'number' ? Number(id) === wanted : name === wanted));
}
