// The end of a turn of the event loop: what many connections have to write leaves side by side, and then the rest is done.

const writes: (() => void)[] = [];
const chores: (() => void)[] = [];
let awaited = false;

/**
 * Does it when everything that has arrived was dealt with, before anything else is waited for. One process wakes
 * another with each write, for more than the write itself costs, unless that one is still at the last.
 */
export function atTurnEnd(action: () => void): void {
  writes.push(action);
  waitForEnd();
}

/** Does it after all of that: what takes its time, or what nobody waits for. */
export function afterTurnEnd(action: () => void): void {
  chores.push(action);
  waitForEnd();
}

function waitForEnd(): void {
  if (awaited) return;
  awaited = true;
  setImmediate(perform);
}

function perform(): void {
  awaited = false;
  for (const action of [...writes.splice(0), ...chores.splice(0)]) {
    try {
      action();
    } catch (error) {
      // A mistake of one must not take what the others wait for along; it is reported like any that nobody catches.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
