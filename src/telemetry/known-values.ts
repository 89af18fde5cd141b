// Values of a label, bounded in number: names that an administrator chose, and nothing without end.

/** The first so many different values are known; every further one is `other`. */
export class KnownValues {
  readonly #most: number;
  readonly #values = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns the value itself, or `other` */
  known(value: string): string {
    if (this.#values.has(value)) return value;
    if (this.#values.size >= this.#most) return 'other';
    this.#values.add(value);
    return value;
  }
}
