// What the faulty downstream says on one connection: its replies in order, however slowly each is said.

export class Voice {
  readonly #write: (text: string) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #outgoing: { text: string; readonly octetMs: number }[] = [];
  #whenSaid: (() => void) | undefined;

  /** @param write takes what leaves now */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** Whether a reply is not said to its end. */
  get speaking(): boolean {
    return this.#outgoing.length > 0;
  }

  say(text: string, octetMs = 0): void {
    this.#outgoing.push({ text: `${text}\r\n`, octetMs });
    if (this.#outgoing.length === 1) this.#sayNext();
  }

  /** When all replies have left. */
  onceSaid(act: () => void): void {
    if (this.speaking) this.#whenSaid = act;
    else act();
  }

  after(milliseconds: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, milliseconds);
    this.#timers.add(timer);
  }

  /** Nothing more is said. */
  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #sayNext(): void {
    const [next] = this.#outgoing;
    if (!next) {
      this.#whenSaid?.();
      this.#whenSaid = undefined;
      return;
    }
    const length = next.octetMs === 0 ? next.text.length : 1;
    this.#write(next.text.slice(0, length));
    next.text = next.text.slice(length);
    if (next.text !== '') {
      this.after(next.octetMs, () => this.#sayNext());
      return;
    }
    this.#outgoing.shift();
    this.#sayNext();
  }
}
