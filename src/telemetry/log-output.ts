// Where the log's lines go: standard output or error, a file that may be rotated, a syslog server. None of them stops mail.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { Writable } from 'node:stream';
import { LogFile } from './log-file.ts';
import type { FileOwner } from './rights.ts';

/** Where lines go. */
export type LogOutput =
  | { readonly kind: 'stdout' | 'stderr' }
  | { readonly kind: 'file'; readonly path: string }
  /** RFC 5424 over UDP (RFC 5426); `host` is an IP address. */
  | { readonly kind: 'syslog'; readonly host: string; readonly port: number };

/** An output that lines can be written to. */
export interface OpenOutput {
  readonly stream: Writable;
  /** What was written still goes out; standard output and error stay open. */
  close(): void;
}

/**
 * Opens an output.
 *
 * @param complain takes a line for standard error, when the output itself cannot be written
 * @param owner whose a file is; default: who we are
 */
export function openOutput(
  output: LogOutput,
  complain: (text: string) => void,
  owner?: FileOwner,
): OpenOutput {
  switch (output.kind) {
    case 'stdout':
    case 'stderr': {
      const stream = process[output.kind];
      stream.on('error', readerGone);
      return { stream, close: () => stream.off('error', readerGone) };
    }
    case 'file':
      return closing(new LogFile(output.path, complain, owner));
    case 'syslog':
      return closing(new SyslogServer(output, complain));
  }
}

/** A reader who goes away is no reason to stop passing mail. */
function readerGone(): void {}

function closing(stream: Writable): OpenOutput {
  return { stream, close: () => stream.end() };
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
