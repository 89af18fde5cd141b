// The message on its way into the verifier: hashed while it arrives, with back-pressure, freed on abort.
import { PassThrough } from 'node:stream';
import type { HeaderField } from './check.ts';
import { type Verification, verifySignatures } from './mailauth.ts';
import { prefetch } from './prefetch.ts';

const emptyLine = Buffer.from('\r\n');

/** One message. When the verifier fails, what is still written is thrown away. */
export class MessageReader {
  readonly #input = new PassThrough();
  /** Rejects when the verifier fails or the reader is destroyed. */
  readonly verification: Promise<Verification>;

  constructor({
    header,
    ...options
  }: Parameters<typeof verifySignatures>[1] & { readonly header: readonly HeaderField[] }) {
    prefetch(header, options.resolve);
    this.verification = verifySignatures(this.#input, options);
    this.verification.catch((error: unknown) => this.destroy(error));
    this.#input.on('error', () => {}); // is what rejects `verification`
    this.#input.write(Buffer.concat([...header.map(({ raw }) => raw), emptyLine]));
  }

  /** @returns a promise while no more should be written; it never rejects */
  write(chunk: Buffer): Promise<void> | undefined {
    if (this.#input.destroyed) return undefined;
    if (this.#input.write(chunk)) return undefined;
    return new Promise((resolve) => {
      const go = () => {
        this.#input.off('drain', go).off('close', go);
        resolve();
      };
      this.#input.once('drain', go).once('close', go);
    });
  }

  /** The message is complete. */
  end(): void {
    if (!this.#input.destroyed) this.#input.end();
  }

  /** Frees everything; does nothing after the first time. */
  destroy(reason: unknown): void {
    this.#input.destroy(reason instanceof Error ? reason : new Error(String(reason)));
  }
}
