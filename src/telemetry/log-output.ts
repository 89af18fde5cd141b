// Where the log's lines go: standard output or error, a file that may be rotated, a syslog server. None of them stops mail.
import { createSocket, type Socket } from 'node:dgram';
import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { Writable } from 'node:stream';

/** Where lines go. */
export type LogOutput =
  | { readonly kind: 'stdout' | 'stderr' }
  | { readonly kind: 'file'; readonly path: string }
  /** RFC 5424 over UDP (RFC 5426); `host` is an IP address. */
  | { readonly kind: 'syslog'; readonly host: string; readonly port: number };

/** One descriptor for each file and server, however often the configuration is read again. */
const opened = new Map<string, Writable>();

/**
 * Opens an output, or gives the one that is open.
 *
 * @param complain takes a line for standard error, when the output itself cannot be written
 */
export function openOutput(output: LogOutput, complain: (text: string) => void): Writable {
  const key = JSON.stringify(output);
  const stream = opened.get(key) ?? open(output, complain);
  opened.set(key, stream);
  return stream;
}

function open(output: LogOutput, complain: (text: string) => void): Writable {
  switch (output.kind) {
    case 'stdout':
    case 'stderr': {
      const stream = process[output.kind];
      // A reader who goes away is no reason to stop passing mail.
      stream.on('error', () => {});
      return stream;
    }
    case 'file':
      return new LogFile(output.path, complain);
    case 'syslog':
      return new SyslogServer(output, complain);
  }
}

/** How often a log file is looked for under its name, and one that cannot be written is tried again. */
const lookMs = 1000;

/**
 * A file that lines are appended to, each in one write of its own, so that several processes may share
 * it. It is opened again when it was renamed or removed (logrotate needs no signal). While it cannot be
 * written, lines go to standard error.
 */
class LogFile extends Writable {
  readonly #path: string;
  readonly #complain: (text: string) => void;
  #descriptor: number | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #failing = false;

  constructor(path: string, complain: (text: string) => void) {
    super({ decodeStrings: false });
    this.#path = path;
    this.#complain = complain;
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
      this.#descriptor = openSync(this.#path, 'a', 0o640);
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
      if (!this.#failing) this.#complain(`postern: log file cannot be written, lines go here: ${reason}\n`);
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

/** A server that takes a datagram for each line. Those it does not take are lost: so is syslog. */
class SyslogServer extends Writable {
  readonly #socket: Socket;
  readonly #server: { readonly host: string; readonly port: number };
  readonly #complain: (text: string) => void;
  #failing = false;

  constructor(server: { readonly host: string; readonly port: number }, complain: (text: string) => void) {
    super({ decodeStrings: false });
    this.#server = server;
    this.#complain = complain;
    const family = isIPv6(server.host) ? 6 : 4;
    this.#socket = createSocket({
      type: `udp${family}`,
      // There is nothing to look up, and a line should leave before the process can end.
      lookup: (host, _options, done) => done(null, host, family),
    });
    this.#socket.on('error', (error) => this.#sent(error));
    // It must not keep a process alive that has nothing else to do.
    this.#socket.unref();
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    const { host, port } = this.#server;
    this.#socket.send(chunk.toString().replace(/\n$/, ''), port, host, (error) => {
      this.#sent(error);
      done();
    });
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.close();
    done(error);
  }

  #sent(error: Error | null): void {
    if (error && !this.#failing) {
      this.#complain(`postern: syslog server cannot be reached, lines are lost: ${error.message}\n`);
    }
    this.#failing = error !== null;
  }
}
