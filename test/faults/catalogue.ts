// What each run is about: a seed stands for one entry of the catalogue, and for everything that is left to chance.
import type { Changing } from './downstream-offer.ts';
import {
  type DownstreamFault,
  type DownstreamStep,
  downstreamFaults,
  downstreamSteps,
  type FaultPlan,
  type UpstreamFault,
  type UpstreamStep,
  upstreamFaults,
  upstreamSteps,
} from './faults.ts';
import { type NameFault, nameFaults } from './name-server.ts';
import type { Random } from './random.ts';
import { type SpoolTroubleKind, spoolTroubles } from './spool-trouble.ts';

/** What goes wrong with names. */
export interface NamePlan {
  readonly faults: readonly [NameFault, ...NameFault[]];
  /** How often, of all questions. */
  readonly rate: number;
  /** Whether answers and failures are kept for a while. */
  readonly cached: boolean;
}

/** What goes wrong in a run whose Postern is in this process. */
export interface InProcess {
  readonly kind: 'dialogue';
  readonly title: string;
  readonly downstream: FaultPlan<DownstreamStep, DownstreamFault>;
  readonly upstream: FaultPlan<UpstreamStep, UpstreamFault>;
  /** What goes wrong at the name server; undefined: names come from a zone. */
  readonly names: NamePlan | undefined;
  readonly spool: SpoolTroubleKind | undefined;
  /** The wall clock is set forth and back, or mostly back: who believes it waits for hours then. */
  readonly clock: 'forth and back' | 'mostly back' | undefined;
  /** Downstream goes away and comes back. */
  readonly restarts: boolean;
  /** No message may be refused for it. */
  readonly harmless: boolean;
}

/** What is done to a `postern serve`. */
export interface ToService {
  readonly kind: 'service';
  readonly title: string;
  readonly what: 'kill a worker' | 'kill the service' | 'take its descriptors';
}

export type Entry = InProcess | ToService;

const nothing = { faults: [], rate: 0 } as const;
const calm = {
  kind: 'dialogue',
  downstream: nothing,
  upstream: nothing,
  names: undefined,
  spool: undefined,
  clock: undefined,
  restarts: false,
  harmless: false,
} as const;

/** Of what makes Postern wait there is less. */
const slowFaults: ReadonlySet<string> = new Set(['stall', 'endless', 'missing', 'crawl', 'partial']);
const nameRate = 0.3;
const rateOf = (fault: string) => (slowFaults.has(fault) ? 0.06 : 0.2);

/**
 * What takes little time, or comes where nothing is at stake. A reply too many to RSET may be heard as the answer to
 * what comes next: that transaction is put off then.
 */
const isHarmless = ({ step, fault }: { readonly step: string; readonly fault: string }) =>
  fault === 'slow' || step === 'QUIT' || (step === 'RSET' && fault !== 'extra');

/** There are no replies in it. */
const ofHandshake: ReadonlySet<string> = new Set([
  'close',
  'half',
  'reset',
  'stall',
  'garbage',
  'partial',
  'slow',
  'crawl',
]);

const everyDownstream = downstreamSteps.flatMap((step) =>
  downstreamFaults
    .filter((fault) => step !== 'HANDSHAKE' || ofHandshake.has(fault))
    .map((fault) => ({ step, fault })),
);
const everyStall = everyDownstream.filter(({ fault }) => fault === 'stall');
const everyUpstream = upstreamSteps.flatMap((step) =>
  upstreamFaults.filter((fault) => isOf(step, fault)).map((fault) => ({ step, fault })),
);

/** What means something at that step. */
function isOf(step: UpstreamStep, fault: UpstreamFault): boolean {
  // Nothing is said at CONNECT; without DATA the envelope stands alone, as before RSET, and without QUIT it is a close.
  if (step === 'CONNECT' && fault === 'slow') return false;
  if (fault === 'missing' && (step === 'CONNECT' || step === 'DATA' || step === 'QUIT')) return false;
  if (step === 'HANDSHAKE') return ofHandshake.has(fault);
  if (fault === 'crawl') return false;
  if (fault === 'farewell') return step === 'END';
  if (step === 'CONTENT') return ['close', 'half', 'reset', 'stall', 'slow', 'endless'].includes(fault);
  if (step === 'DOT')
    return ['close', 'half', 'reset', 'stall', 'slow', 'partial', 'garbage'].includes(fault);
  // Nothing is due there that could be left out, and who only waits for the reply does nothing wrong.
  if (step === 'END') return fault !== 'missing' && fault !== 'stall';
  return true;
}

const mixed: InProcess = {
  ...calm,
  title: 'everything on both sides',
  downstream: { faults: everyDownstream, rate: 0.03 },
  upstream: { faults: everyUpstream, rate: 0.02 },
};

/** Every fault at every step by itself, and what is more than one step. */
export const catalogue: readonly Entry[] = [
  ...everyDownstream.map(
    (each): Entry => ({
      ...calm,
      title: `downstream: ${each.fault} at ${each.step}`,
      downstream: { faults: [each], rate: rateOf(each.fault) },
      harmless: isHarmless(each),
    }),
  ),
  ...everyUpstream.map(
    (each): Entry => ({
      ...calm,
      title: `upstream: ${each.fault} at ${each.step}`,
      upstream: { faults: [each], rate: rateOf(each.fault) },
      harmless: (each.fault === 'slow' && each.step !== 'RSET') || each.fault === 'farewell',
    }),
  ),
  ...Array.from({ length: 30 }, (): Entry => mixed),
  ...Array.from({ length: 8 }, (): Entry => ({ ...calm, title: 'downstream restarts', restarts: true })),
  ...Array.from(
    { length: 2 },
    (): Entry => ({ ...calm, title: 'clock steps', clock: 'forth and back', harmless: true }),
  ),
  ...Array.from(
    { length: 4 },
    (): Entry => ({
      ...calm,
      title: 'clock steps while downstream stalls',
      downstream: { faults: everyStall, rate: 0.1 },
      clock: 'mostly back',
    }),
  ),
  ...Array.from(
    { length: 2 },
    (): Entry => ({ ...mixed, title: 'clock steps and all else', clock: 'mostly back' }),
  ),
  {
    ...calm,
    title: 'clock steps while names are slow',
    names: { faults: ['slow'], rate: 1, cached: true },
    clock: 'forth and back',
    harmless: true,
  },
  {
    ...calm,
    title: 'clock steps while names fail',
    // What is kept at first must be a failure: it is that which must not be kept for hours.
    names: { faults: nameFaults, rate: 0.7, cached: true },
    clock: 'mostly back',
    harmless: true,
  },
  ...nameFaults.flatMap((fault): Entry[] =>
    [false, true].map((cached) => ({
      ...calm,
      title: `names: ${fault}${cached ? ', with a cache' : ''}`,
      names: { faults: [fault], rate: nameRate, cached },
      harmless: true,
    })),
  ),
  ...[false, true, false, true].map(
    (cached): Entry => ({
      ...mixed,
      title: 'names: all, and all else',
      names: { faults: nameFaults, rate: nameRate, cached },
    }),
  ),
  ...spoolTroubles.flatMap((spool): Entry[] =>
    Array.from({ length: 2 }, () => ({ ...calm, title: `spool: ${spool}`, spool })),
  ),
  ...Array.from(
    { length: 6 },
    (): Entry => ({ kind: 'service', title: 'kill -9 of a worker', what: 'kill a worker' }),
  ),
  ...Array.from(
    { length: 6 },
    (): Entry => ({ kind: 'service', title: 'kill -9 of the service', what: 'kill the service' }),
  ),
  ...Array.from(
    { length: 3 },
    (): Entry => ({ kind: 'service', title: 'out of descriptors', what: 'take its descriptors' }),
  ),
];

/** How the sides speak, and how Postern is configured: what is the same for a whole run. */
export interface Setting {
  readonly mode: 'before-queue' | 'after-queue';
  readonly upstream: 'smtp' | 'lmtp';
  readonly downstream: 'smtp' | 'lmtp';
  readonly envelope: 'passthrough' | 'deferred';
  readonly pipelined: boolean;
  readonly xforward: boolean;
  readonly checks: boolean;
  readonly large: boolean;
  readonly startTlsIn: boolean;
  readonly startTlsOut: boolean;
  readonly changing: Changing;
  /** Upstream gives parameters to MAIL and RCPT, where they are offered. */
  readonly parameters: boolean;
  readonly destinations: 1 | 2;
  /** How many a connection downstream carries. */
  readonly transactions: number;
  /** Whether each connection is asked whether it lives before it is used again. */
  readonly checkAlive: boolean;
}

export function settingOf(entry: Entry, random: Random): Setting {
  const asksNames = entry.kind === 'dialogue' && entry.names !== undefined;
  const both = ['smtp', 'smtp', 'lmtp'] as const;
  const harmless = entry.kind === 'dialogue' && entry.harmless;
  const text = entry.title;
  const ofTls = /TLS|HANDSHAKE/.test(text);
  return {
    mode: random.pick(['before-queue', 'after-queue']),
    upstream: random.pick(both),
    downstream: random.pick(both),
    envelope: random.pick(['passthrough', 'deferred']),
    pipelined: random.chance(0.5),
    // Nothing is asked of a local client.
    xforward: asksNames || text.includes('XFORWARD') || random.chance(0.5),
    checks: asksNames || random.chance(0.7),
    large: text.includes('CONTENT') || text.startsWith('spool') || random.chance(0.3),
    startTlsIn: (text.startsWith('upstream') && ofTls) || random.chance(0.1),
    startTlsOut: (text.startsWith('downstream') && ofTls) || random.chance(0.1),
    changing: random.chance(0.25) && (harmless || random.chance(0.4) ? 'lenient' : 'strict'),
    parameters: random.chance(0.5),
    destinations: random.chance(0.3) ? 2 : 1,
    transactions: text.includes('QUIT') ? 2 : 7,
    checkAlive: text.includes('RSET') || random.chance(0.3),
  };
}
