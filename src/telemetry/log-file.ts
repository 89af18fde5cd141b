// A log file: appended to by several processes, rotated at any time, and that of the user who is to write it.
import {
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';
import { type FileOwner, withRightsOf } from './rights.ts';

/** How often a log file is looked for under its name, and one that cannot be written is tried again. */
const lookMs = 1000;
/** Addresses of people are in it. */
const fileMode = 0o640;
/** Nobody waits for a pipe that is not read (fifo(7)): its lines go to standard error. */
const appending = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_NONBLOCK;

/**
 * A file that lines are appended to, each in one write of its own, so that several processes may share
 * it. It is opened again when it was renamed or removed (logrotate needs no signal). While it cannot be
 * written, lines go to standard error.
 */
export class LogFile extends Writable {
  readonly #path: string;
  readonly #complain: (text: string) => void;
  readonly #owner: FileOwner | undefined;
  #descriptor: number | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #failing = false;

  constructor(path: string, complain: (text: string) => void, owner?: FileOwner) {
    super({ decodeStrings: false });
    this.#path = path;
    this.#complain = complain;
    this.#owner = owner;
    // Whether it can be written is worth knowing before the first mail comes.
    this.#attempt(() => this.#look() !== undefined);
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    const line = chunk.toString();
    const written = this.#attempt(() => {
      const descriptor = this.#look();
      if (descriptor !== undefined) writeAll(descriptor, Buffer.from(line));
      return descriptor !== undefined;
    });
    if (!written) this.#complain(line);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#close();
    done(error);
  }

  /** Opens the file when it is due, or when another one stands under its name. */
  #look(): number | undefined {
    const now = performance.now();
    if (now - this.#lookedAt < lookMs) return this.#descriptor;
    this.#lookedAt = now;
    if (this.#descriptor === undefined || !isSameFile(this.#descriptor, this.#path)) {
      this.#close();
      this.#descriptor = openFor(this.#owner, this.#path);
      if (this.#failing && endsInsideLine(this.#owner, this.#path)) {
        writeAll(this.#descriptor, Buffer.from('\n'));
      }
    }
    return this.#descriptor;
  }

  #close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    try {
      if (descriptor !== undefined) closeSync(descriptor);
    } catch {
      // What could not be written was said already, and nothing else can be done about it.
    }
  }

  /** One complaint when it begins to fail, none while it goes on. */
  #attempt(work: () => boolean): boolean {
    try {
      const done = work();
      if (done) this.#failing = false;
      return done;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const who = this.#owner ? ` by user ${this.#owner.uid}` : '';
      if (!this.#failing) {
        this.#complain(`postern: log file cannot be written${who}, lines go here: ${reason}\n`);
      }
      this.#failing = true;
      this.#close();
      return false;
    }
  }
}

function isSameFile(descriptor: number, path: string): boolean {
  const open = fstatSync(descriptor);
  const named = statSync(path, { throwIfNoEntry: false });
  return named?.ino === open.ino && named.dev === open.dev;
}

/** All of it at once, unless the disk is full or a signal comes in between. */
function writeAll(descriptor: number, bytes: Buffer): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(descriptor, bytes, written);
}

/**
 * Opens a file to append to it. Root does so with the rights of the owner, which the other processes have:
 * a link that the owner may have put there leads no further than the owner itself could go.
 */
function openFor(owner: FileOwner | undefined, path: string): number {
  try {
    return withRightsOf(owner, () => openSync(path, appending, fileMode));
  } catch (error) {
    const denied = (error as NodeJS.ErrnoException).code === 'EACCES';
    if (!owner || !denied || existsSync(path) || !isRoots(dirname(path))) throw error;
  }
  // In a directory such as /var/log only root can make one. What is there already, also as a link, is not taken.
  const descriptor = openSync(path, 'ax', fileMode);
  fchownSync(descriptor, owner.uid, owner.gid);
  return descriptor;
}

/** Whether only a part of the last line is there, since the disk was full; whoever may not read it does not know. */
function endsInsideLine(owner: FileOwner | undefined, path: string): boolean {
  let descriptor: number | undefined;
  try {
    descriptor = withRightsOf(owner, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    const { size } = fstatSync(descriptor);
    const last = Buffer.from('\n');
    if (size > 0) readSync(descriptor, last, 0, 1, size - 1);
    return last.toString() !== '\n';
  } catch {
    return false;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Whether nobody but root can put anything else in the place of a directory. */
function isRoots(directory: string): boolean {
  if (realpathSync(directory) !== directory) return false;
  for (let path = directory; ; path = dirname(path)) {
    const { uid, mode } = lstatSync(path);
    const othersWrite = (mode & 0o022) !== 0;
    const isSticky = (mode & 0o1000) !== 0;
    if (uid !== 0 || (othersWrite && (!isSticky || path === directory))) return false;
    if (path === dirname(path)) return true;
  }
}
