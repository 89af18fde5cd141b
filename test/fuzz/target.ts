// What is fuzzed: a name and a property; and the inputs that most of them are made from.
import fc from 'fast-check';

/** Which inputs, and how many of them. */
export interface Run {
  readonly seed: number;
  readonly inputs: number;
}

export interface Target {
  readonly name: string;
  /** Its part of all inputs; what holds a whole session costs as much as a thousand calls of a parser. */
  readonly share: number;
  /** Sets up what all runs share; disposing of it takes that down, and rejects where something is left. */
  open(): Promise<OpenTarget>;
}

export interface OpenTarget extends AsyncDisposable {
  /** Rejects at the first input that breaks the property, made as small as it can be. */
  fuzz(run: Run): Promise<void>;
}

/** No input may take longer; measured again before it counts, since others use the machine as well. */
export const longestMs = 1000;
const attempts = 3;
const usualShare = 40;
/** What even the making of a failing input smaller must not go beyond. */
const runMs = 3_600_000;

/** A property of a function that waits for nothing: it takes processor time, whatever the clock says. */
export function target<T>(
  name: string,
  inputs: fc.Arbitrary<T>,
  holds: (input: T) => void,
  share = usualShare,
): Target {
  const within = (input: T) => {
    for (let attempt = 1; ; attempt++) {
      const begun = process.threadCpuUsage();
      holds(input);
      const { user, system } = process.threadCpuUsage(begun);
      const tookMs = (user + system) / 1000;
      if (tookMs < longestMs) return;
      if (attempt === attempts) throw new Error(`it took ${Math.round(tookMs)} ms`);
    }
  };
  const fuzz = async ({ seed, inputs: numRuns }: Run) =>
    fc.assert(fc.property(inputs, within), { seed, numRuns });
  return unstaged(name, share, fuzz);
}

/** A property of what waits for its own process alone: it takes no longer than what waits for nothing. */
export function waitingTarget<T>(
  name: string,
  inputs: fc.Arbitrary<T>,
  holds: (input: T) => Promise<void>,
): Target {
  const fuzz = fuzzWaiting(inputs, async (input: T) => {
    for (let attempt = 1; ; attempt++) {
      const late = Promise.withResolvers<'late'>();
      const timer = setTimeout(() => late.resolve('late'), longestMs);
      const begun = performance.now();
      const outcome = await Promise.race([holds(input), late.promise]).finally(() => clearTimeout(timer));
      if (outcome !== 'late' && performance.now() - begun < longestMs) return;
      if (attempt === attempts) throw new Error(`it took over ${longestMs} ms`);
    }
  });
  return unstaged(name, usualShare, fuzz);
}

/** Whose runs share nothing. */
function unstaged(name: string, share: number, fuzz: OpenTarget['fuzz']): Target {
  return { name, share, open: async () => ({ fuzz, [Symbol.asyncDispose]: async () => undefined }) };
}

/** A property of what sees to its own time. */
export function fuzzWaiting<T>(
  inputs: fc.Arbitrary<T>,
  holds: (input: T) => Promise<void>,
): OpenTarget['fuzz'] {
  return async ({ seed, inputs: numRuns }) =>
    fc.assert(fc.asyncProperty(inputs, holds), {
      seed,
      numRuns,
      interruptAfterTimeLimit: runMs,
      markInterruptAsFailure: true,
    });
}

/**
 * Runs it, and rejects when the event loop stood still for too long meanwhile: whatever else goes on in the process
 * waits for that. What takes as long again is to blame, and not the machine.
 */
export async function withoutStandstill(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    let last = performance.now();
    let longest = 0;
    const look = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    };
    const timer = setInterval(look, 10);
    await work().finally(() => clearInterval(timer));
    look();
    if (longest < longestMs) return;
    if (attempt === attempts) throw new Error(`the event loop stood still for ${Math.round(longest)} ms`);
  }
}

/** One byte, more often than others one that means something. */
const byte = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...'\r\n\0\t .:;,<>@"\\()[]=+-%\x1b\x7f\x80\x85\xa0\xff') },
  { weight: 1, arbitrary: fc.nat(255).map((code) => String.fromCharCode(code)) },
);

/** Bytes as a latin1 string, in which the words of a grammar appear whole, cut, repeated and mixed up. */
export function hostileText(...words: readonly string[]): fc.Arbitrary<string> {
  const word = fc.constantFrom(...words);
  const piece = fc.oneof(
    { weight: 6, arbitrary: word },
    { weight: 3, arbitrary: byte },
    { weight: 1, arbitrary: fc.tuple(word, fc.nat(20)).map(([text, at]) => text.slice(0, at)) },
    { weight: 1, arbitrary: fc.string({ unit: byte, maxLength: 12 }) },
    {
      weight: 1,
      arbitrary: fc.string({ maxLength: 12 }).map((text) => Buffer.from(text).toString('latin1')),
    },
  );
  const some = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));
  const many = fc
    .tuple(some, fc.oneof(word, byte), fc.integer({ min: 1, max: 3000 }), some)
    .map(([before, again, times, behind]) => `${before}${again.repeat(times)}${behind}`.slice(0, 20_000));
  return fc.oneof({ weight: 30, arbitrary: some }, { weight: 1, arbitrary: many });
}

/** Where bytes are cut: sizes of pieces, used again and again. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.array(fc.integer({ min: 1, max: 9 }), {
  minLength: 1,
  maxLength: 6,
});

/** The bytes in pieces of these sizes. */
export function inPieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let from = 0, i = 0; from < bytes.length; i++) {
    const to = from + (sizes[i % sizes.length] ?? 1);
    pieces.push(bytes.subarray(from, to));
    from = to;
  }
  return pieces;
}

export const bytesOf = (text: string) => Buffer.from(text, 'latin1');
