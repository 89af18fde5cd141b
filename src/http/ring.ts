// The recent past in slices of equal length; what is older than the ring is long is forgotten.

/** Slices of time, each with something that counts in it. */
export class Ring<Slice> {
  readonly #sliceMs: number;
  readonly #make: () => Slice;
  readonly #slots: ({ readonly index: number; readonly slice: Slice } | undefined)[];

  /**
   * @param options.sliceMs how long a slice is
   * @param options.slices how many are kept, the running one among them
   * @param options.make an empty one
   */
  constructor(options: { readonly sliceMs: number; readonly slices: number; readonly make: () => Slice }) {
    this.#sliceMs = options.sliceMs;
    this.#make = options.make;
    this.#slots = new Array(options.slices).fill(undefined);
  }

  /** The slice that runs at a time, in milliseconds; times never go back. */
  at(timeMs: number): Slice {
    const index = Math.floor(timeMs / this.#sliceMs);
    const place = index % this.#slots.length;
    const slot = this.#slots[place];
    if (slot?.index === index) return slot.slice;
    const slice = this.#make();
    this.#slots[place] = { index, slice };
    return slice;
  }

  /**
   * The last slices, oldest first, the running one among them; undefined where nothing was counted.
   *
   * @param count as many as are kept, at most
   */
  last(timeMs: number, count = this.#slots.length): (Slice | undefined)[] {
    const running = Math.floor(timeMs / this.#sliceMs);
    return Array.from({ length: count }, (_, i) => {
      const index = running - count + 1 + i;
      const slot = this.#slots[index % this.#slots.length];
      return slot?.index === index ? slot.slice : undefined;
    });
  }
}
