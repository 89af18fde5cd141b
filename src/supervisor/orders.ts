// Who gives orders to the processes that the primary has started: the primary alone, and SIGKILL.

/**
 * A terminal and systemd send their signals to all processes: it is the primary that says what they mean. Whatever else
 * is sent to all by mistake would end this one without a word, or, with SIGUSR1, open the debugger of Node.js.
 */
export function takeNoSignals(): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const) {
    process.on(signal, () => undefined);
  }
}
