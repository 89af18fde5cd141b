// The message on its way into the verifier: read while it arrives, and its promise kept or broken at the end.
import type { Verification } from '../mailauth.ts';
import { type IncomingMessage, Verifier } from './verifier.ts';

/** One message. When the verifier fails, what is still written is thrown away. */
export class MessageReader {
  readonly #settled = Promise.withResolvers<Verification>();
  #verifier: Verifier | undefined;

  constructor(message: IncomingMessage) {
    // Whoever awaits it hears of a failure; nobody has to.
    this.verification.catch(() => {});
    this.#guard(() => {
      this.#verifier = new Verifier(message);
    });
  }

  /** Rejects when the verifier fails or the reader is destroyed. */
  get verification(): Promise<Verification> {
    return this.#settled.promise;
  }

  /** Takes the next bytes of the body; they are not kept. */
  write(chunk: Buffer): void {
    this.#guard(() => this.#verifier?.update(chunk));
  }

  /** The message is complete. */
  end(): void {
    this.#guard(() => {
      if (this.#verifier) this.#settled.resolve(this.#verifier.finish());
      this.#verifier = undefined;
    });
  }

  /** Frees everything; does nothing after the first time, or after the end. */
  destroy(reason: unknown): void {
    this.#verifier = undefined;
    this.#settled.reject(reason);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.destroy(error);
    }
  }
}
