// What can go wrong on either side, and where: the vocabulary of all runs.
import type { Random } from './random.ts';

/**
 * Where the downstream can go wrong. HANDSHAKE is in place of TLS, EHLO-TLS inside it; CONTENT is before the final dot,
 * DOT its answer.
 */
export const downstreamSteps = [
  'GREETING',
  'EHLO',
  'STARTTLS',
  'HANDSHAKE',
  'EHLO-TLS',
  'XFORWARD',
  'MAIL',
  'RCPT',
  'DATA',
  'CONTENT',
  'DOT',
  'RSET',
  'QUIT',
] as const;
export type DownstreamStep = (typeof downstreamSteps)[number];

/**
 * - `partial`: half of a reply, then the end of the connection or nothing
 * - `endless`: a line, or a reply, that does not end
 * - `extra`: a reply too many; `missing`: one too few, the dialogue goes on
 * - `slow`: byte by byte, but in time; `crawl`: byte by byte and too late
 */
export const downstreamFaults = [
  'close',
  'reset',
  'stall',
  'garbage',
  'partial',
  'endless',
  '421',
  '4xx',
  '5xx',
  'extra',
  'missing',
  'slow',
  'crawl',
] as const;
export type DownstreamFault = (typeof downstreamFaults)[number];

/** Where upstream can go wrong. HANDSHAKE and EHLO-TLS are as above; DOT is in place of the final dot, END right after it. */
export const upstreamSteps = [
  'CONNECT',
  'EHLO',
  'STARTTLS',
  'HANDSHAKE',
  'EHLO-TLS',
  'XFORWARD',
  'MAIL',
  'RCPT',
  'DATA',
  'CONTENT',
  'DOT',
  'END',
  'RSET',
  'QUIT',
] as const;
export type UpstreamStep = (typeof upstreamSteps)[number];

/**
 * - `half`: the connection is half-closed, replies are still read
 * - `partial`: half of a command, then the end of the connection
 * - `endless`: a line of a megabyte in place of the command
 * - `extra`: a command too many; `missing`: one too few
 * - `slow`: the command byte by byte; `crawl`: a handshake piece by piece and too late
 * - `deaf`: replies are not read for a while
 * - `quit`: QUIT in place of the command
 * - `farewell`: QUIT, and then `half`: the replies to all of it are due still
 */
export const upstreamFaults = [
  'close',
  'half',
  'reset',
  'stall',
  'garbage',
  'partial',
  'endless',
  'extra',
  'missing',
  'slow',
  'crawl',
  'deaf',
  'quit',
  'farewell',
] as const;
export type UpstreamFault = (typeof upstreamFaults)[number];

/** What goes wrong on one side in a run. */
export interface FaultPlan<Step extends string, Fault extends string> {
  /** What goes wrong; several entries for one step share its chance. */
  readonly faults: readonly { readonly step: Step; readonly fault: Fault }[];
  /** How often, of all times that a step is reached. */
  readonly rate: number;
}

/** Carries a plan out for all of one side, and knows whether anything has gone wrong. */
export class Faults<Step extends string, Fault extends string> {
  readonly #plan: FaultPlan<Step, Fault>;
  /** A fault that is alone strikes surely at one of the first visits of its step, since some steps are rare. */
  #visitsUntilSure: number;
  #struck = false;

  constructor(plan: FaultPlan<Step, Fault>, random: Random) {
    this.#plan = plan;
    this.#visitsUntilSure = random.whole(1, 3);
  }

  /** Whether anything goes wrong at that step. */
  names(step: Step): boolean {
    return this.#plan.faults.some((each) => each.step === step);
  }

  /**
   * What is to go wrong now; whoever carries it out says so with `struck`.
   *
   * @returns undefined: all goes well
   */
  at(step: Step, random: Random): Fault | undefined {
    const [first, ...others] = this.#plan.faults.filter((each) => each.step === step);
    if (!first) return undefined;
    this.#visitsUntilSure -= 1;
    const sure = this.#alone && !this.#struck && this.#visitsUntilSure <= 0;
    return sure || random.chance(this.#plan.rate) ? random.pick([first, ...others]).fault : undefined;
  }

  /** A fault was carried out. */
  struck(): void {
    this.#struck = true;
  }

  /** Whether a fault that is alone was never carried out: nothing was tried. */
  get missed(): boolean {
    return this.#alone && !this.#struck;
  }

  get #alone(): boolean {
    return this.#plan.faults.length === 1;
  }
}

/** What is no reply. */
export const garbage: readonly [string, ...string[]] = [
  'HTTP/1.1 400 Bad Request\r\n',
  '999 no such code\r\n',
  '25\r\n',
  '2500 four digits\r\n',
  '\u0000\u0001\u0002\u00ff\r\n',
  '\r\n',
  '-ERR not this protocol\r\n',
  '250-first\r\n550 second of another code\r\n',
];
