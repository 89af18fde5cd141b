// Whether a target leaves something behind: what memory is still held after each batch of inputs.
import assert from 'node:assert/strict';
import { setTimeout as after } from 'node:timers/promises';
import { heldBytes } from '../support/garbage.ts';

/** More than compiled code and caches still vary by once they have been filled. */
const mostBytes = 2e6;
/** smtp-server keeps a connection whose PROXY header it has refused for a second more. */
const lingerMs = 1500;

/** What a target holds, measured after each batch. */
export class Growth {
  readonly #held: number[] = [];

  measure(): void {
    this.#held.push(heldBytes());
  }

  /** Rejects when the second half of the batches holds more than the first half; few batches only fill caches. */
  async assertNone(): Promise<void> {
    if (this.#held.length < 4) return;
    if (this.#grown < mostBytes) return;
    await after(lingerMs);
    this.measure();
    const grown = this.#grown;
    assert.ok(grown < mostBytes, `memory that is still held has grown by ${Math.round(grown / 1000)} kB`);
  }

  /** Rejects when more is held, now that all of it has been taken down, than while it was in use. */
  async assertReleased(): Promise<void> {
    if (this.#held.length < 4) return;
    const inUse = Math.min(...this.#first);
    let more = heldBytes() - inUse;
    if (more >= mostBytes) {
      await after(lingerMs);
      more = heldBytes() - inUse;
    }
    assert.ok(more < mostBytes, `${Math.round(more / 1000)} kB more are held than while it was in use`);
  }

  /** The first batch of all fills caches. */
  get #first(): readonly number[] {
    return this.#held.slice(1, Math.floor(this.#held.length / 2));
  }

  get #grown(): number {
    const middle = Math.floor(this.#held.length / 2);
    return Math.min(...this.#held.slice(middle)) - Math.min(...this.#first);
  }
}
