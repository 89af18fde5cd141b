// What was said in a run, on all connections: printed where a promise is broken.

const mostLines = 200_000;
const longestLine = 160;

/** One side's words, in the order of time. */
export class Dialogue {
  readonly #lines: { readonly connection: string; readonly text: string }[] = [];
  readonly #begun = performance.now();

  say(connection: string, text: string): void {
    if (this.#lines.length >= mostLines) return;
    const milliseconds = String(Math.round(performance.now() - this.#begun)).padStart(6);
    const told = text.length > longestLine ? `${text.slice(0, longestLine)}… (${text.length})` : text;
    this.#lines.push({ connection, text: `${milliseconds} ${connection} ${JSON.stringify(told)}` });
  }

  /** The last lines of these connections; of all, where none are named. */
  end(connections: readonly string[], count = 60): string {
    const lines = this.#lines.filter(
      ({ connection }) => connections.length === 0 || connections.includes(connection),
    );
    return lines
      .slice(-count)
      .map(({ text }) => text)
      .join('\n');
  }
}
