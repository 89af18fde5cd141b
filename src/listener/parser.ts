// Cuts an upstream connection's bytes into command lines and message content.
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { DataDecoder } from '../smtp/data.ts';
import { nextTurn } from './turns.ts';

/** Who is told of what has been read. Each call is waited for before the next. */
export interface ParserEvents {
  /** A command line, latin1, without its line end. */
  command(line: string): Promise<void>;
  /** A command line over the limit; it has been thrown away. */
  commandTooLong(): Promise<void>;
  content(chunk: Buffer): Promise<void> | undefined;
  endOfData(): Promise<void>;
  /** All that has arrived has been dealt with: nothing more is coming at once. */
  idle(): void;
}

/** So many commands of one client are dealt with in a row; then others have their turn. */
const commandsInARow = 50;
/**
 * And so many bytes of content. Node.js reads up to 32 times from each socket that has something, before it comes
 * to anything else: with fifty that send as fast as they can, all else would wait for a hundred megabytes.
 */
const contentInARow = 64 * 1024;

const lf = 0x0a;
const cr = 0x0d;

/**
 * smtp-server's parser with another reading of the bytes: its own takes a dot away after a bare LF, and
 * ends the connection at a command that is too long.
 */
export class Parser extends SMTPStream {
  readonly #events: ParserEvents;
  readonly #commandBytes: number;
  #line: Buffer[] = [];
  #lineBytes = 0;
  #commands = 0;
  #contentBytes = 0;
  #data: DataDecoder | undefined;

  /** @param commandBytes longest command line, with its line end */
  constructor(events: ParserEvents, commandBytes: number) {
    super();
    this.#events = events;
    this.#commandBytes = commandBytes;
  }

  /** Whether a command line has begun that has no end yet. */
  get inCommand(): boolean {
    return this.#lineBytes > 0;
  }

  /** From the next byte on this is content. */
  beginContent(): void {
    this.#data = new DataDecoder();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, next: (error?: Error | null) => void): void {
    this.#consume(chunk).then(
      () => next(),
      (error: unknown) => next(error instanceof Error ? error : new Error(String(error))),
    );
  }

  async #consume(chunk: Buffer): Promise<void> {
    let rest: Buffer | undefined = chunk;
    // smtp-server sets isClosed when the connection ends or changes to TLS: what follows must not run.
    while (rest !== undefined && rest.length > 0 && !this.isClosed) {
      rest = this.#data ? await this.#content(rest, this.#data) : await this.#command(rest);
    }
    if (!this.isClosed) this.#events.idle();
  }

  async #command(chunk: Buffer): Promise<Buffer | undefined> {
    const end = chunk.indexOf(lf);
    const piece = end < 0 ? chunk : chunk.subarray(0, end);
    this.#lineBytes += piece.length;
    // What exceeds the limit is counted, not kept.
    if (this.#lineBytes <= this.#commandBytes) this.#line.push(end < 0 ? Buffer.from(piece) : piece);
    if (end < 0) return undefined;
    const tooLong = this.#lineBytes + 1 > this.#commandBytes;
    const line = Buffer.concat(this.#line);
    this.#line = [];
    this.#lineBytes = 0;
    this.#commands += 1;
    if (this.#commands % commandsInARow === 0) await nextTurn();
    if (this.isClosed) return undefined;
    if (tooLong) await this.#events.commandTooLong();
    else
      await this.#events.command(
        line.toString('latin1', 0, line.at(-1) === cr ? line.length - 1 : line.length),
      );
    return chunk.subarray(end + 1);
  }

  async #content(chunk: Buffer, decoder: DataDecoder): Promise<Buffer | undefined> {
    const { content, rest } = decoder.push(chunk);
    const [first, ...more] = content;
    if (first) {
      // Many stuffed dots make many pieces; what comes after us has a cost for each.
      const wait = this.#events.content(more.length === 0 ? first : Buffer.concat(content));
      if (wait) await wait;
    }
    this.#contentBytes += chunk.length;
    if (rest === undefined && this.#contentBytes >= contentInARow) {
      this.#contentBytes = 0;
      await nextTurn();
    }
    if (rest !== undefined && !this.isClosed) {
      this.#data = undefined;
      await this.#events.endOfData();
    }
    return rest;
  }
}
