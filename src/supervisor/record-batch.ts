// Records of transactions on their way to another process: many in one message, as JSON. One by one, as objects, each
// cost the processes that it goes to 0.15 ms.

/** How long a record waits for others. */
const gatherMs = 100;
/** Those that wait or are on their way; further ones are not told. */
const mostRecords = 1000;

/** What goes to one process. Its owner calls {@link flush} when nothing more will come. */
export class RecordBatch {
  readonly #send: (records: readonly string[], sent: () => void) => void;
  #waiting: string[] = [];
  #underWay = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param send called with JSON texts; `sent` when the other process has them, or cannot have them any more */
  constructor(send: (records: readonly string[], sent: () => void) => void) {
    this.#send = send;
  }

  /** @param record plain data */
  add(record: Readonly<Record<string, unknown>>): void {
    if (this.#waiting.length + this.#underWay >= mostRecords) return;
    this.#waiting.push(JSON.stringify(record));
    this.#timer ??= setTimeout(() => this.flush(), gatherMs).unref();
  }

  /** Tells what waits now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const records = this.#waiting;
    if (records.length === 0) return;
    this.#waiting = [];
    this.#underWay += records.length;
    this.#send(records, () => {
      this.#underWay -= records.length;
    });
  }
}
