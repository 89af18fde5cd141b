// What root does with the rights of somebody else, and what it finds that one may do.

/** Whose a file is, by numbers. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Nothing else runs meanwhile in this process: its ids are those of all its threads.
 *
 * @param owner undefined: who we are
 */
export function withRightsOf<Result>(owner: FileOwner | undefined, work: () => Result): Result {
  if (!owner) return work();
  const { uid, gid } = owner;
  const [ownUser, ownGroup] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  try {
    process.setegid?.(gid);
    process.seteuid?.(uid);
    return work();
  } finally {
    process.seteuid?.(ownUser);
    process.setegid?.(ownGroup);
  }
}
