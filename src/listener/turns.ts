// Turns: connections that have much to be dealt with wait for each other, so that nothing else waits for all of them.

/** So many go on in one turn of the event loop: a millisecond or few, by what 64 KiB of content cost. */
const inATurn = 16;

const waiting: (() => void)[] = [];

/** @returns when it is the caller's turn, which is not in this turn of the event loop; first come, first served */
export function nextTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (waiting.push(resolve) === 1) setImmediate(goOn);
  return promise;
}

function goOn(): void {
  for (const resolve of waiting.splice(0, inATurn)) resolve();
  if (waiting.length > 0) setImmediate(goOn);
}
