// The trace: the stories of the last transactions, in memory, for whoever asks why.

/** What is kept of one transaction; all of it is plain data. */
export interface Story {
  readonly id: string;
  /** When it ended, ISO 8601. */
  readonly time: string;
  /** What the log says of it. */
  readonly record: Readonly<Record<string, unknown>>;
  /** Why its verdicts fell. */
  readonly explanation: unknown;
}

/** A story in a list. */
export interface StorySummary {
  readonly id: string;
  readonly time: string;
  readonly listener: string;
  /** Of the envelope; '' for the null reverse-path. */
  readonly from: string;
  /** How many were asked for. */
  readonly recipients: number;
  /** Method → values. */
  readonly results: Readonly<Record<string, string>>;
  readonly disposition: string;
}

/** The order of a list. */
export function newestFirst(one: { readonly time: string }, other: { readonly time: string }): number {
  if (one.time === other.time) return 0;
  return one.time < other.time ? 1 : -1;
}

/** What the record of a transaction says, as far as a list shows it. */
export interface TracedRecord extends Readonly<Record<string, unknown>> {
  readonly listener: string;
  readonly from: string;
  readonly recipients: readonly unknown[];
  readonly results: Readonly<Record<string, string>>;
  readonly disposition: string;
}

/** A story as it is handed over. */
export interface NewStory extends Story {
  readonly record: TracedRecord;
}

export interface TraceOptions {
  /** How many stories are kept at most. */
  readonly keep: number;
  /** How many bytes they may take together; the oldest go first. */
  readonly maxBytes: number;
}

interface Entry {
  readonly summary: StorySummary;
  /** JSON: as bytes a story takes a tenth of what its objects would, and what it takes is known. */
  readonly story: Buffer;
  readonly bytes: number;
}

/** What a list shows of a text that a stranger chose. */
const maxSummaryCharacters = 320;
const maxSummaryResults = 50;
const entryBytes = 500;

/** The last stories, in a ring that is bounded in number and in bytes. */
export class Trace {
  readonly #options: TraceOptions;
  /** By id, the oldest first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(options: TraceOptions) {
    this.#options = options;
  }

  /** Keeps a story, and forgets the oldest ones that it has no room for; one that is too large is not kept. */
  add(given: NewStory): void {
    const { id, time, record, explanation } = given;
    const story = Buffer.from(JSON.stringify({ id, time, record, explanation } satisfies Story));
    const summary = summarize(given);
    const bytes = story.length + 2 * JSON.stringify(summary).length + entryBytes;
    const { keep, maxBytes } = this.#options;
    this.#forget(id);
    if (keep === 0 || bytes > maxBytes) return;
    this.#entries.set(id, { summary, story, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= keep && this.#bytes <= maxBytes) break;
      this.#forget(oldest);
    }
  }

  /** Newest first. */
  list(): StorySummary[] {
    return [...this.#entries.values()].map(({ summary }) => summary).reverse();
  }

  /** @returns the whole story; undefined: there was none, or it is forgotten */
  get(id: string): Story | undefined {
    const entry = this.#entries.get(id);
    return entry && (JSON.parse(entry.story.toString()) as Story);
  }

  #forget(id: string): void {
    this.#bytes -= this.#entries.get(id)?.bytes ?? 0;
    this.#entries.delete(id);
  }
}

function summarize({ id, time, record }: NewStory): StorySummary {
  const { listener, from, recipients, results, disposition } = record;
  const shown = Object.entries(results).slice(0, maxSummaryResults);
  return {
    id,
    time,
    listener,
    from: shorten(from),
    recipients: recipients.length,
    results: Object.fromEntries(shown.map(([method, values]) => [method, shorten(values)])),
    disposition,
  };
}

function shorten(text: string): string {
  return text.length > maxSummaryCharacters ? `${text.slice(0, maxSummaryCharacters)}...` : text;
}
