// The end of a turn of the event loop: what many connections have to write leaves side by side.

const actions: (() => void)[] = [];

/**
 * Does it when everything that has arrived was dealt with, before anything else is waited for. One process wakes
 * another with each write, for more than the write itself costs, unless that one is still at the last.
 *
 * @param action must not throw
 */
export function atTurnEnd(action: () => void): void {
  if (actions.push(action) === 1) setImmediate(perform);
}

function perform(): void {
  for (const action of actions.splice(0)) action();
}
