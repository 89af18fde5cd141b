// Telling systemd how it stands (sd_notify(3)), by its own program: Node.js cannot write to such a socket.
import { execFile } from 'node:child_process';
import type { Log } from '../telemetry/log.ts';

/** It writes one datagram; more than this is a machine in trouble. */
const notifyMs = 5000;

/** Messages in order, each bounded; without NOTIFY_SOCKET nothing happens. */
export class Systemd {
  readonly #log: Log;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #watchdog: NodeJS.Timeout | undefined;
  #last: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(environment: NodeJS.ProcessEnv, log: Log) {
    this.#environment = environment;
    this.#log = log;
    const everyMs = watchdogMs(environment) / 2;
    if (everyMs > 0) this.#watchdog = setInterval(() => void this.#notify(['WATCHDOG=1']), everyMs);
  }

  /** @param status one line for `systemctl status` */
  ready(status: string): Promise<void> {
    return this.#notify(['READY=1', `STATUS=${status}`]);
  }

  reloading(): Promise<void> {
    // The clock that systemd compares with is CLOCK_MONOTONIC, which is what Node.js has here.
    return this.#notify(['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`]);
  }

  stopping(): Promise<void> {
    return this.#notify(['STOPPING=1']);
  }

  close(): void {
    clearInterval(this.#watchdog);
  }

  #notify(assignments: readonly string[]): Promise<void> {
    if (!this.#environment.NOTIFY_SOCKET) return Promise.resolve();
    this.#last = this.#last.then(() => this.#run(assignments));
    return this.#last;
  }

  #run(assignments: readonly string[]): Promise<void> {
    const options = { env: this.#environment, timeout: notifyMs, killSignal: 'SIGKILL' } as const;
    const { promise, resolve } = Promise.withResolvers<void>();
    const ended = (error: unknown) => {
      // Where it is missing, once is enough to know.
      if (error && !this.#failed) this.#log.warn('systemd cannot be told', { error });
      this.#failed ||= Boolean(error);
      resolve();
    };
    try {
      execFile('systemd-notify', [...assignments], options, ended);
    } catch (error) {
      // Node.js throws some of what the system says of a new process, such as ENOMEM.
      ended(error);
    }
    return promise;
  }
}

/** How often the service has to say that it lives; 0: never, or the question is for another process. */
function watchdogMs({ NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv): number {
  const forUs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
  const ms = Number(WATCHDOG_USEC) / 1000;
  return NOTIFY_SOCKET && forUs && Number.isFinite(ms) && ms >= 2 ? ms : 0;
}
