// What lies between a TLS socket and the plain one below it where a handshake is slow: flights leave in pieces.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** A flight is cut inside its first record's header, then into so many pieces. */
const headerBytes = 5;
const pieces = 32;
/** Between two pieces: slow is in time, a crawl is not. */
const pauseMs = { slow: 1, crawl: 200 } as const;
export type Pace = keyof typeof pauseMs;

/** Passes on what comes; what is written leaves in pieces, until `hurry`. */
export class Trickle extends Duplex {
  readonly #plain: Socket;
  readonly #pace: Pace;
  #hurried = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(plain: Socket, pace: Pace) {
    super();
    this.#plain = plain;
    this.#pace = pace;
    plain.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) plain.pause();
    });
    plain.on('end', () => this.push(null));
    plain.on('close', () => this.destroy());
  }

  /** The handshake is over: everything leaves at once from now on. */
  hurry(): void {
    this.#hurried = true;
  }

  override _read(): void {
    this.#plain.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const length = Math.max(1, Math.ceil((chunk.length - headerBytes) / pieces));
    const sendFrom = (from: number): void => {
      const to = this.#hurried ? chunk.length : from < headerBytes ? from + 1 : from + length;
      this.#plain.write(chunk.subarray(from, to));
      if (to >= chunk.length) done();
      else this.#timer = setTimeout(() => sendFrom(to), pauseMs[this.#pace]);
    };
    sendFrom(0);
  }

  override _final(done: () => void): void {
    this.#plain.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#plain.destroy();
    done(error);
  }
}
