// Whether large messages can be stored: seen at the start, not at the first of them.
import { accessSync, constants } from 'node:fs';
import type { Log } from '../telemetry/log.ts';

/** Only large messages need the directory, so that mail passes without it; but who runs this should know. */
export function warnAboutSpool(directory: string, log: Log): void {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    log.warn('large messages will be put off with 452: the spool directory cannot be written', {
      directory,
      error,
    });
  }
}
