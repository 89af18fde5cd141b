// Cuts an upstream connection's bytes into command lines and message content.
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { DataDecoder } from '../smtp/data.ts';
import { nextTurn } from './turns.ts';

/** Who is told of what has been read. What a call returns is waited for before the next. */
export interface ParserEvents {
  /** A command line, latin1, without its line end. */
  command(line: string): Promise<void> | undefined;
  /** A command line over the limit; it has been thrown away. */
  commandTooLong(): Promise<void> | undefined;
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
/** QUIT at the end of what has arrived. */
const goodbye = /\nquit\r?\n$/i;
const goodbyeBytes = '\nQUIT\r\n'.length;
const nothing = Buffer.alloc(0);

/**
 * smtp-server's parser with another reading of the bytes: its own takes a dot away after a bare LF, and
 * ends the connection at a command that is too long.
 */
export class Parser extends SMTPStream {
  readonly #events: ParserEvents;
  readonly #commandBytes: number;
  #unread: Buffer = nothing;
  #line = '';
  #lineBytes = 0;
  #commands = 0;
  #contentBytes = 0;
  #data: DataDecoder | undefined;
  /** The end of what has arrived, dealt with or not, latin1. */
  #lastWords = '';

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

  /** Whether QUIT is the last that has arrived; its turn may come later. */
  get saidGoodbye(): boolean {
    return goodbye.test(this.#lastWords);
  }

  /** From the next byte on this is content. */
  beginContent(): void {
    this.#data = new DataDecoder();
  }

  /** The whole command lines that have arrived behind the one that is dealt with, latin1, without line ends; each will still be told. */
  *following(): Generator<string, void, undefined> {
    const unread = this.#unread;
    let from = 0;
    for (let end = unread.indexOf(lf); end >= 0; end = unread.indexOf(lf, from)) {
      if (end - from >= this.#commandBytes) return;
      yield withoutCr(unread.toString('latin1', from, end));
      from = end + 1;
    }
  }

  override write(chunk: Buffer): boolean {
    const before = chunk.length < goodbyeBytes ? this.#lastWords : '';
    this.#lastWords = (before + chunk.toString('latin1', chunk.length - goodbyeBytes)).slice(-goodbyeBytes);
    return super.write(chunk);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, next: (error?: Error | null) => void): void {
    this.#unread = chunk;
    this.#consume(next);
  }

  /** Goes on until something has to be waited for, and then again. */
  #consume(next: (error?: Error | null) => void): void {
    let wait: Promise<void> | undefined;
    let failure: Error | undefined;
    try {
      // smtp-server sets isClosed when the connection ends or changes to TLS: what follows must not run.
      while (!wait && this.#unread.length > 0 && !this.isClosed)
        wait = this.#data ? this.#content(this.#data) : this.#command();
      if (!wait && !this.isClosed) this.#events.idle();
    } catch (error) {
      failure = asError(error);
    }
    if (wait)
      wait.then(
        () => this.#consume(next),
        (error: unknown) => next(asError(error)),
      );
    else next(failure);
  }

  #command(): Promise<void> | undefined {
    const chunk = this.#unread;
    const end = chunk.indexOf(lf);
    const pieceBytes = end < 0 ? chunk.length : end;
    this.#unread = pieceBytes + 1 < chunk.length ? chunk.subarray(pieceBytes + 1) : nothing;
    this.#lineBytes += pieceBytes;
    // What exceeds the limit is counted, not kept.
    if (this.#lineBytes <= this.#commandBytes) this.#line += chunk.toString('latin1', 0, pieceBytes);
    if (end < 0) return undefined;
    const line = this.#lineBytes < this.#commandBytes ? this.#line : undefined;
    this.#line = '';
    this.#lineBytes = 0;
    this.#commands += 1;
    if (this.#commands % commandsInARow === 0) return nextTurn().then(() => this.#tell(line));
    return this.#tell(line);
  }

  #tell(line: string | undefined): Promise<void> | undefined {
    if (this.isClosed) return undefined;
    if (line === undefined) return this.#events.commandTooLong();
    return this.#events.command(withoutCr(line));
  }

  #content(decoder: DataDecoder): Promise<void> | undefined {
    this.#contentBytes += this.#unread.length;
    const { content, rest } = decoder.push(this.#unread);
    this.#unread = rest ?? nothing;
    const [first, ...more] = content;
    // Many stuffed dots make many pieces; what comes after us has a cost for each.
    const wait = first && this.#events.content(more.length === 0 ? first : Buffer.concat(content));
    const goOn = () => (rest === undefined ? this.#letOthersGo() : this.#endOfData());
    return wait ? wait.then(goOn) : goOn();
  }

  #letOthersGo(): Promise<void> | undefined {
    if (this.#contentBytes < contentInARow) return undefined;
    this.#contentBytes = 0;
    return nextTurn();
  }

  #endOfData(): Promise<void> | undefined {
    if (this.isClosed) return undefined;
    this.#data = undefined;
    return this.#events.endOfData();
  }
}

function withoutCr(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
