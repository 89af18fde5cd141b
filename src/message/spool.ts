// The spool: one message's bytes, in memory up to a limit and beyond it in a temporary file without a name.
import { randomBytes } from 'node:crypto';
import { constants, type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { SpoolBudget } from './budget.ts';

export interface SpoolOptions {
  /** How many bytes are kept in memory; a message that has more goes to a file as a whole. */
  readonly memoryBytes: number;
  /** Where that file is made. It needs room for the largest message times the transactions at work. */
  readonly directory: string;
  /** What all messages together may take. Default: no limit. */
  readonly budget?: SpoolBudget;
}

/** The spool cannot be written or read: budget used up, disk full, no permission, directory gone. */
export class SpoolError extends Error {
  override readonly name = 'SpoolError';
}

/**
 * O_TMPFILE of open(2), which node:fs does not name: with a name, however short its life, a process that is
 * killed can leave a file behind. Undefined: the system has no such files.
 */
const nameless =
  process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')
    ? 0o20000000 | constants.O_DIRECTORY
    : undefined;

/**
 * What is read from and written to the file at a time: each is a way to a thread and back, which has a cost too, but
 * larger ones pile up before V8 collects them, for each of many messages.
 */
const pieceBytes = 64 * 1024;
/** Small chunks are gathered into blocks of this size, so that each does not cost an object of its own. */
const blockBytes = 16 * 1024;

/**
 * Bytes of one message: appended while it arrives, then read as often as wanted.
 *
 * Memory held is at most `memoryBytes` and a constant (under 250 KiB), as long as the promise of each
 * `append` is awaited before the next one.
 *
 * @example
 * await using spool = new Spool({ memoryBytes: 1024 * 1024, directory: '/var/spool/postern' });
 * await spool.append(chunk);
 * for await (const piece of spool.read()) await written(socket, piece);
 */
export class Spool {
  readonly #options: SpoolOptions;
  #sizeBytes = 0;
  #expectedBytes = 0;
  /** What is not in the file; everything while there is none. */
  #pieces: Buffer[] = [];
  #piecesBytes = 0;
  /** Block being filled: the last of the pieces is its used part. */
  #block: Buffer | undefined;
  #blockUsed = 0;
  #file: FileHandle | undefined;
  #fileBytes = 0;
  /** Writes in order: each waits for the one before it, and fails when that failed. */
  #written: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** How many bytes were appended. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** So many bytes are announced. Where they will not stay in memory, they go to the file from the beginning. */
  expect(bytes: number): void {
    this.#expectedBytes = bytes;
  }

  /**
   * Takes the next bytes of the message; the chunk must not be changed afterwards.
   *
   * @returns undefined when they are kept in memory, else a promise to await before the next append
   * @throws {SpoolError} (as a rejection) when the budget is used up, or when the file cannot be made or
   *   written; every later append that writes fails then as well
   */
  append(chunk: Buffer): Promise<void> | undefined {
    if (this.#disposed) return Promise.reject(new SpoolError('spool is disposed of'));
    const { budget } = this.#options;
    if (budget && !budget.take(chunk.length)) {
      return Promise.reject(new SpoolError('spool is full: messages at work take spool.limit together'));
    }
    if (this.#sizeBytes === 0) budget?.messageBegun();
    this.#sizeBytes += chunk.length;
    this.#keep(chunk);
    return this.#piecesBytes > this.#mostInMemory ? this.#flush() : undefined;
  }

  get #mostInMemory(): number {
    const { memoryBytes } = this.#options;
    if (this.#written !== undefined) return pieceBytes;
    return this.#expectedBytes > memoryBytes ? Math.min(pieceBytes, memoryBytes) : memoryBytes;
  }

  /** Adds to the pieces: a large chunk as it is, a small one or part of a larger buffer as a copy. */
  #keep(chunk: Buffer): void {
    this.#piecesBytes += chunk.length;
    if (chunk.length >= blockBytes / 2 && chunk.length >= chunk.buffer.byteLength * 0.9) {
      this.#pieces.push(chunk);
      this.#block = undefined;
      return;
    }
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#block === undefined || this.#blockUsed === this.#block.length) {
        this.#block = Buffer.allocUnsafeSlow(blockBytes);
        this.#blockUsed = 0;
        this.#pieces.push(this.#block);
      }
      const copied = rest.copy(this.#block, this.#blockUsed);
      this.#blockUsed += copied;
      this.#pieces[this.#pieces.length - 1] = this.#block.subarray(0, this.#blockUsed);
      rest = rest.subarray(copied);
    }
  }

  /** Moves the pieces to the file, after whatever is being written. */
  #flush(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#block = undefined;
    const before = this.#written ?? Promise.resolve();
    const written = before.then(() => this.#write(pieces));
    this.#written = written;
    // The failure is the caller's to see, here or at the next append or read.
    written.catch(() => undefined);
    return written;
  }

  async #write(pieces: readonly Buffer[]): Promise<void> {
    try {
      this.#file ??= await this.#open();
      for (let left = pieces; left.length > 0; ) {
        const { bytesWritten } = await this.#file.writev(left, this.#fileBytes);
        if (bytesWritten === 0) throw new Error('nothing written');
        this.#fileBytes += bytesWritten;
        this.#options.budget?.moveToDisk(bytesWritten);
        left = [...piecesFrom(left, bytesWritten)];
      }
    } catch (error) {
      throw this.#error('cannot be written', error);
    }
  }

  /** Makes a file without a name, or removes its name at once: no crash leaves a message lying about. */
  async #open(): Promise<FileHandle> {
    if (nameless !== undefined) {
      try {
        return await open(this.#options.directory, nameless | constants.O_RDWR, 0o600);
      } catch (error) {
        // EISDIR is a kernel's answer, EOPNOTSUPP a file system's, that knows no such files.
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        if (code !== 'EISDIR' && code !== 'EOPNOTSUPP') throw error;
      }
    }
    const path = join(this.#options.directory, `postern-${randomBytes(12).toString('hex')}`);
    const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600);
    try {
      await unlink(path);
    } catch (error) {
      await file.close();
      throw error;
    }
    return file;
  }

  /**
   * The message's bytes, after the last append; may be called more than once. Where they are in memory nobody
   * has to wait for them. From the file all come in the same buffer: a piece is good until the next one is asked for.
   *
   * @param fromByte how many bytes to leave out at the beginning
   * @throws {SpoolError} now, or while it is read: the file cannot be written to its end or read
   */
  read(fromByte = 0): Iterable<Buffer> | AsyncIterable<Buffer> {
    if (this.#disposed) throw new SpoolError('spool is disposed of');
    return this.#written === undefined ? piecesFrom(this.#pieces, fromByte) : this.#readFile(fromByte);
  }

  async *#readFile(fromByte: number): AsyncGenerator<Buffer, void, undefined> {
    await this.#flush();
    // A buffer for each piece would have V8 collect garbage for every other large message.
    const buffer = Buffer.allocUnsafeSlow(pieceBytes);
    for (let position = fromByte; position < this.#sizeBytes; ) {
      const bytesRead = await this.#readAt(buffer, position);
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async #readAt(buffer: Buffer, position: number): Promise<number> {
    try {
      if (this.#file === undefined || this.#disposed) throw new Error('spool is disposed of');
      const length = Math.min(buffer.length, this.#sizeBytes - position);
      const { bytesRead } = await this.#file.read(buffer, 0, length, position);
      if (bytesRead === 0) throw new Error(`file ends at ${position} of ${this.#sizeBytes} bytes`);
      return bytesRead;
    } catch (error) {
      throw this.#error('cannot be read', error);
    }
  }

  #error(what: string, cause: unknown): SpoolError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new SpoolError(`spool file in ${this.#options.directory} ${what}: ${reason}`, { cause });
  }

  /** Gives memory and file back, after the write that is under way; may be called again. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#release();
    return this.#disposed;
  }

  async #release(): Promise<void> {
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#block = undefined;
    await this.#written?.catch(() => undefined);
    const file = this.#file;
    this.#file = undefined;
    // The file has no name any more: what closing it could still fail at concerns nobody.
    await file?.close().catch(() => undefined);
    this.#settle();
  }

  #settle(): void {
    const { budget } = this.#options;
    if (!budget || this.#sizeBytes === 0) return;
    budget.giveBack('disk', this.#fileBytes);
    budget.giveBack('memory', this.#sizeBytes - this.#fileBytes);
    budget.messageEnded();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

function* piecesFrom(pieces: readonly Buffer[], fromByte: number): Generator<Buffer, void, undefined> {
  let skip = fromByte;
  for (const piece of pieces) {
    if (skip < piece.length) yield skip > 0 ? piece.subarray(skip) : piece;
    skip = Math.max(0, skip - piece.length);
  }
}
