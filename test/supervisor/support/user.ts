// Somebody else than root whom the program becomes, where the tests are run as root; else who runs them.
import { spawnSync } from 'node:child_process';
import { cli } from './served.ts';

/** Who the processes that talk to others are. */
export interface WorkersUser {
  /** What the configuration says. */
  readonly user: { readonly user?: number; readonly group?: number };
  /** What is expected then. */
  readonly uid: number;
  readonly gid: number;
}

const other = 65_432;

/** @throws {Error} for root in a checkout that nobody else can read */
export function workersUser(): WorkersUser {
  if (process.getuid?.() !== 0) {
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    // It means nothing then, and is no mistake.
    return { user: { user: other, group: other }, uid, gid };
  }
  const { status } = spawnSync(process.execPath, [cli, '--version'], { uid: other, gid: other });
  if (status !== 0)
    throw new Error(`user ${other} cannot run ${cli}: the tests need a checkout that all may read`);
  return { user: { user: other, group: other }, uid: other, gid: other };
}
