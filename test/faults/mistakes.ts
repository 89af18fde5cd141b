// What a mistake of Postern's own looks like in its log.

/** Whether an event, or a line, tells of one. */
export function isMistake(text: string): boolean {
  return /internal error|unhandled|uncaught/.test(text);
}

/** @returns events that tell of one, as JSON */
export function mistakesIn(events: readonly { readonly event: string }[]): readonly string[] {
  return events.filter(({ event }) => isMistake(event)).map((event) => JSON.stringify(event));
}
