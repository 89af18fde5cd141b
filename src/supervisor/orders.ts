// What the processes have in common that the primary has started: who gives them orders, whom they tell, what ends them.
import type { FromHttp } from './http-messages.ts';
import type { FromWorker } from './messages.ts';

/**
 * The primary alone, and SIGKILL. A terminal and systemd send their signals to all processes: it is the primary that
 * says what they mean. Whatever else is sent to all by mistake would end this one without a word, or, with SIGUSR1, open
 * the debugger of Node.js. Nor does it end when nobody reads its output any more.
 */
export function obeyPrimaryAlone(): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const) {
    process.on(signal, () => undefined);
  }
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/** @param told called when the primary has it, or cannot have it any more */
export function tellPrimary(message: FromWorker | FromHttp, told: () => void = () => undefined): void {
  if (process.connected && process.send) process.send(message, undefined, {}, told);
  else told();
}
