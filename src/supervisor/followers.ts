// Who hears news as long as a signal lasts; where they come from is told when the first one comes and the last one goes.

/** Those who follow something. */
export class Followers<News> {
  readonly #switched: (on: boolean) => void;
  readonly #hearers = new Set<{ readonly hear: (news: News) => void }>();

  /** @param switched is told whether anybody follows, each time that changes */
  constructor(switched: (on: boolean) => void) {
    this.#switched = switched;
  }

  /** Whether anybody follows. */
  get any(): boolean {
    return this.#hearers.size > 0;
  }

  /** Hears all news from now on until the signal is aborted. */
  add(hear: (news: News) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    const hearer = { hear };
    this.#hearers.add(hearer);
    if (this.#hearers.size === 1) this.#switched(true);
    const leave = () => {
      if (this.#hearers.delete(hearer) && !this.any) this.#switched(false);
    };
    signal.addEventListener('abort', leave, { once: true });
  }

  tell(news: News): void {
    for (const { hear } of this.#hearers) hear(news);
  }
}
