// A spool directory that cannot be written to: gone, no directory, full, or not ours.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/**
 * - `full`: a file system of 128 KiB; where none can be mounted, as `limited`
 * - `limited`: no file of this process may have more than 16 KiB (RLIMIT_FSIZE)
 */
export const spoolTroubles = ['gone', 'file', 'unwritable', 'full', 'limited'] as const;
export type SpoolTroubleKind = (typeof spoolTroubles)[number];

const nobody = 65_534;
const fullBytes = 128 * 1024;
const limitBytes = 16 * 1024;

/** Makes a directory unusable, until it is healed; `using` leaves nothing behind. */
export class SpoolTrouble implements Disposable {
  readonly #directory: string;
  readonly #kind: SpoolTroubleKind;
  #mounted = false;
  #healed = true;

  constructor(directory: string, kind: SpoolTroubleKind) {
    this.#directory = directory;
    // What is full from the beginning must be mounted before anybody uses it.
    this.#mounted =
      kind === 'full' && run('mount', '-t', 'tmpfs', '-o', `size=${fullBytes}`, 'tmpfs', directory);
    this.#kind = kind === 'full' && !this.#mounted ? 'limited' : kind;
  }

  /** No file can have more while it lasts. */
  get mostBytes(): number {
    if (this.#kind === 'full') return fullBytes;
    return this.#kind === 'limited' ? limitBytes : 0;
  }

  begin(): void {
    this.#healed = false;
    const directory = this.#directory;
    if (this.#kind === 'gone' || this.#kind === 'file') renameSync(directory, `${directory}.away`);
    if (this.#kind === 'file') writeFileSync(directory, '');
    if (this.#kind === 'unwritable') {
      chmodSync(directory, 0o555);
      // Root may write everywhere: for a while we are not.
      if (process.getuid?.() === 0) process.seteuid?.(nobody);
    }
    if (this.#kind === 'limited' && !limitFiles(String(limitBytes)))
      throw new Error('prlimit (of util-linux) is needed to limit the size of files');
  }

  heal(): void {
    if (this.#healed) return;
    this.#healed = true;
    const directory = this.#directory;
    if (this.#kind === 'file') rmSync(directory);
    if (this.#kind === 'gone' || this.#kind === 'file') renameSync(`${directory}.away`, directory);
    if (this.#kind === 'unwritable') {
      if (process.getuid?.() === 0) process.seteuid?.(0);
      chmodSync(directory, 0o755);
    }
    if (this.#kind === 'limited') limitFiles('unlimited');
    if (this.#mounted) run('mount', '-o', 'remount,size=64m', directory);
  }

  [Symbol.dispose](): void {
    this.heal();
    if (this.#mounted) run('umount', '--lazy', this.#directory);
  }
}

/** Makes the directory of a spool. */
export function makeSpool(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

/** Sets the soft limit only: it can be lifted again. */
function limitFiles(limit: string): boolean {
  return run('prlimit', '--pid', String(process.pid), `--fsize=${limit}:`);
}

function run(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}
