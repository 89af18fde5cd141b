// A file of rules that is read again when it changes, while messages go on being judged.
import type { Log } from '../telemetry/log.ts';
import type { Rule } from './rule-schema.ts';

/** A file of rules, as it was read at first, and how it is read again. */
export interface RuleSource {
  readonly path: string;
  readonly text: string;
  readonly rules: readonly Rule[];
  /** Rejects when there is nothing that can be read. */
  read(signal: AbortSignal): Promise<string>;
  /** @returns the rules, or one line for each mistake */
  parse(text: string): readonly Rule[] | { readonly mistakes: readonly string[] };
}

/** What was found in the place of the file. */
interface Found {
  readonly text?: string;
  /** Why it can't be read. */
  readonly error?: string;
}

const pauseMs = 1000;

/** More than anybody reads in a line of the log; the command `config check` tells all of them. */
const maxMistakes = 20;

/**
 * Looks at the file's text once a second. Nothing else tells of each change in the same way for a file
 * that is written in place, replaced by renaming, mounted from elsewhere, or reached by symbolic links
 * (a ConfigMap of Kubernetes). A change counts when it has been seen twice: the first time the editor
 * may still be writing.
 */
export class RuleFile {
  readonly #source: RuleSource;
  readonly #log: Log;
  readonly #replace: (rules: readonly Rule[]) => void;
  readonly #closed = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** What was taken, or found wrong, already. */
  #known: Found;
  #seen: Found;

  /** @param replace is given the new rules */
  constructor(source: RuleSource, log: Log, replace: (rules: readonly Rule[]) => void) {
    this.#source = source;
    this.#log = log;
    this.#replace = replace;
    this.#known = { text: source.text };
    this.#seen = this.#known;
  }

  /** Begins to look; {@link close} ends it. */
  open(): void {
    this.#timer = setTimeout(() => void this.#look(), pauseMs);
  }

  close(): void {
    this.#closed.abort();
    clearTimeout(this.#timer);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const found = await this.#source.read(this.#closed.signal).then(
      (text): Found => ({ text }),
      (error: unknown): Found => ({ error: error instanceof Error ? error.message : String(error) }),
    );
    if (this.#closed.signal.aborted) return;
    if (!same(found, this.#known) && same(found, this.#seen)) this.#take(found);
    this.#seen = found;
    this.open();
  }

  #take(found: Found): void {
    this.#known = found;
    const { path } = this.#source;
    const parsed =
      found.text === undefined ? { mistakes: [found.error ?? ''] } : this.#source.parse(found.text);
    if ('mistakes' in parsed) {
      const mistakes = parsed.mistakes.slice(0, maxMistakes);
      this.#log.warn('policy rules cannot be used, those before stay', { file: path, mistakes });
      return;
    }
    this.#replace(parsed);
    this.#log.info('policy rules reloaded', { file: path, rules: parsed.length });
  }
}

function same(one: Found, other: Found): boolean {
  return one.text === other.text && one.error === other.error;
}
