// The wall clock, set forth and back while a run goes on.

const RealDate = globalThis.Date;

/** Shifts what this process takes for the time of day, until it is disposed of. */
export class ShiftedClock implements Disposable {
  #offsetMs = 0;

  constructor() {
    const offset = () => this.#offsetMs;
    globalThis.Date = new Proxy(RealDate, {
      construct: (target, given: readonly unknown[]) =>
        given.length === 0
          ? new RealDate(RealDate.now() + offset())
          : (Reflect.construct(target, [...given]) as object),
      apply: () => new RealDate(RealDate.now() + offset()).toString(),
      get: (target, key) =>
        key === 'now' ? () => RealDate.now() + offset() : (Reflect.get(target, key) as unknown),
    });
  }

  /** Steps the clock. */
  step(milliseconds: number): void {
    this.#offsetMs += milliseconds;
  }

  [Symbol.dispose](): void {
    globalThis.Date = RealDate;
  }
}
