// What a process does about a mistake of ours that nobody caught.
import { type Log, mistake } from '../telemetry/log.ts';

/** What comes up to here is a mistake of ours in one transaction; all the others still go on. */
export function surviveMistakes(log: Log): void {
  const report = (event: string) => (error: unknown) => log.error(event, mistake(error));
  process.on('unhandledRejection', report('unhandled rejection'));
  process.on('uncaughtException', report('uncaught exception'));
}
