// What checks leave for each other in one transaction: notes of a known kind, in a map that holds anything.
import type { Notes } from './check.ts';

/** One kind of note: whoever leaves it and whoever reads it agree on what it says. */
export class Note<Content> {
  readonly #key: string;

  /** @param key begins with the name of the check that leaves it, as checks of the administrator's own find it */
  constructor(key: string) {
    this.#key = key;
  }

  leave(notes: Notes, content: Content): void {
    notes.set(this.#key, content);
  }

  /** @returns undefined: there is none */
  read(notes: Notes): Content | undefined {
    return notes.get(this.#key) as Content | undefined;
  }
}
