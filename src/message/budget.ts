// What all messages at work may take together, in memory and on disk: beyond it, mail is put off instead of piling up.

/** Where bytes of a message are. */
type Place = 'memory' | 'disk';

/** One for each process; spools report to it. */
export class SpoolBudget {
  readonly #limitBytes: number;
  readonly #bytes = { memory: 0, disk: 0 };
  #messages = 0;

  /** @param limitBytes memory and disk together */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** What may be taken. */
  get limitBytes(): number {
    return this.#limitBytes;
  }

  /** What is taken; `messages` are those of which a spool holds at least one byte. */
  get counts(): { readonly memoryBytes: number; readonly diskBytes: number; readonly messages: number } {
    return { memoryBytes: this.#bytes.memory, diskBytes: this.#bytes.disk, messages: this.#messages };
  }

  /** Whether no further message should begin: the last sixteenth is for those that have. */
  get full(): boolean {
    return this.#bytes.memory + this.#bytes.disk > (this.#limitBytes * 15) / 16;
  }

  /** @returns false: it would be over the limit, and nothing is taken */
  take(bytes: number): boolean {
    if (this.#bytes.memory + this.#bytes.disk + bytes > this.#limitBytes) return false;
    this.#bytes.memory += bytes;
    return true;
  }

  /** Bytes that were taken are on disk now. */
  moveToDisk(bytes: number): void {
    this.#bytes.memory -= bytes;
    this.#bytes.disk += bytes;
  }

  giveBack(place: Place, bytes: number): void {
    this.#bytes[place] -= bytes;
  }

  messageBegun(): void {
    this.#messages += 1;
  }

  messageEnded(): void {
    this.#messages -= 1;
  }
}
