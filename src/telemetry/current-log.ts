// The log of a process whose configuration can change: whoever tells something need not know that it has.
import { isDeepStrictEqual } from 'node:util';
import { createLog, type Log, type LogFields, type OpenLog, type OpenLogOptions } from './log.ts';

/** One log after another; those that are replaced are closed. */
export class CurrentLog implements Log {
  #options: OpenLogOptions;
  #log: OpenLog;

  constructor(options: OpenLogOptions) {
    this.#options = options;
    this.#log = createLog(options);
  }

  /** Tells as it is configured now. A file is opened again in any case: it may have been rotated. */
  use(options: OpenLogOptions): void {
    if (isDeepStrictEqual(options, this.#options) && options.output?.kind !== 'file') return;
    const before = this.#log;
    this.#options = options;
    this.#log = createLog(options);
    before.close();
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
