// The log of a process whose configuration can change: whoever tells something need not know that it has.
import { isDeepStrictEqual } from 'node:util';
import { createLog, type Log, type LogFields, type OpenLog, type OpenLogOptions } from './log.ts';

/** Another log, open already; exactly one of the two functions is to be called. */
export interface LogChange {
  /** Tells there from now on, and closes the one before. */
  commit(): void;
  cancel(): void;
}

/** One log after another; those that are replaced are closed. */
export class CurrentLog implements Log {
  #options: OpenLogOptions;
  #log: OpenLog;

  constructor(options: OpenLogOptions) {
    this.#options = options;
    this.#log = createLog(options);
  }

  /** Opens what is wanted. A file is opened again in any case: it may have been rotated. */
  prepare(options: OpenLogOptions): LogChange {
    if (isDeepStrictEqual(options, this.#options) && options.output?.kind !== 'file') {
      return { commit() {}, cancel() {} };
    }
    const next = createLog(options);
    return {
      commit: () => {
        const before = this.#log;
        this.#options = options;
        this.#log = next;
        before.close();
      },
      cancel: () => next.close(),
    };
  }

  error(event: string, fields?: LogFields): void {
    this.#log.error(event, fields);
  }

  warn(event: string, fields?: LogFields): void {
    this.#log.warn(event, fields);
  }

  info(event: string, fields?: LogFields): void {
    this.#log.info(event, fields);
  }

  debug(event: string, fields?: LogFields): void {
    this.#log.debug(event, fields);
  }
}
