// A goal: what is measured, what it should be, and what it was.
export interface Goal {
  readonly measure: string;
  readonly goal: string;
  readonly measured: string;
  readonly met: boolean;
}

/** @param measured is to be at most so much */
export function atMost(measure: string, limit: number, measured: number, describe: Describe): Goal {
  return { measure, goal: `≤ ${describe(limit)}`, measured: describe(measured), met: measured <= limit };
}

/** @param measured is to be at least so much */
export function atLeast(measure: string, limit: number, measured: number, describe: Describe): Goal {
  return { measure, goal: `≥ ${describe(limit)}`, measured: describe(measured), met: measured >= limit };
}

type Describe = (value: number) => string;
