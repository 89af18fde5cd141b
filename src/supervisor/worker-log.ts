// A log that says in each line which process tells it.
import type { Log, LogFields } from '../telemetry/log.ts';

/** The same log, with fields that every event has. */
export function withFields(log: Log, fields: LogFields): Log {
  return {
    error: (event, more) => log.error(event, { ...more, ...fields }),
    warn: (event, more) => log.warn(event, { ...more, ...fields }),
    info: (event, more) => log.info(event, { ...more, ...fields }),
    debug: (event, more) => log.debug(event, { ...more, ...fields }),
  };
}
