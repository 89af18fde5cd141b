// Whether the name servers answer at all: who runs them is told, since each message alone says only `temperror`.

/** Is told when they do not answer, again each minute while that is so, and when they do again. */
export type TellServers = (
  state:
    | { readonly answering: true }
    | {
        readonly answering: false;
        readonly servers: readonly string[];
        /** As node:dns has it. */
        readonly code: string;
        /** Questions without an answer since the last one that had one. */
        readonly failed: number;
      },
) => void;

/** What may be the servers' trouble, or that of the one domain that was asked for. */
const troubles: ReadonlySet<string> = new Set(['ETIMEOUT', 'ECONNREFUSED', 'ESERVFAIL']);
/** Nobody was asked. */
const unasked: ReadonlySet<string> = new Set(['ECANCELLED', 'EBADNAME']);
const betweenLooksMs = 60_000;

/** Sees every question to the network end, and asks one of its own where a failure may be that of all names. */
export class ServerWatch {
  readonly #servers: () => readonly string[];
  readonly #askRoot: () => Promise<string | undefined>;
  readonly #tell: TellServers;
  #answering = true;
  #failed = 0;
  #nextLook = 0;

  /**
   * @param askRoot asks for the name servers of the root, which no stranger has chosen; gives the failure's code,
   *   undefined for an answer. Never rejects
   */
  constructor(
    servers: () => readonly string[],
    askRoot: () => Promise<string | undefined>,
    tell: TellServers,
  ) {
    this.#servers = servers;
    this.#askRoot = askRoot;
    this.#tell = tell;
  }

  /** @param code of a question's failure; undefined: it was answered */
  ended(code: string | undefined): void {
    if (!this.#isTrouble(code)) return;
    this.#failed += 1;
    if (performance.now() < this.#nextLook) return;
    this.#nextLook = performance.now() + betweenLooksMs;
    void this.#look();
  }

  async #look(): Promise<void> {
    const code = await this.#askRoot();
    if (!this.#isTrouble(code)) return;
    this.#answering = false;
    this.#tell({ answering: false, servers: this.#servers(), code, failed: this.#failed });
  }

  #isTrouble(code: string | undefined): code is string {
    if (code !== undefined && troubles.has(code)) return true;
    if (code === undefined || !unasked.has(code)) this.#answered();
    return false;
  }

  #answered(): void {
    this.#failed = 0;
    if (this.#answering) return;
    this.#answering = true;
    this.#nextLook = 0;
    this.#tell({ answering: true });
  }
}
