// Somebody else than root whom the program becomes, where the tests are run as root; else who runs them.
import { nobody } from '../../support/program.ts';

/** Who the processes that talk to others are. */
export interface WorkersUser {
  /** What the configuration says. */
  readonly user: { readonly user?: number; readonly group?: number };
  /** What is expected then. */
  readonly uid: number;
  readonly gid: number;
}

export function workersUser(): WorkersUser {
  const user = { user: nobody, group: nobody };
  if (process.getuid?.() === 0) return { user, uid: nobody, gid: nobody };
  // It means nothing then, and is no mistake.
  return { user, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}
