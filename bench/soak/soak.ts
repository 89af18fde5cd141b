// The soak itself: capacity is measured, traffic and troubles are let loose, and what they left is looked at.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Random } from '../../test/faults/random.ts';
import { whatStays } from '../../test/faults/resources.ts';
import { type Comparison, compareLedgers, type Entry, LedgerFile, readLedger } from '../ledger.ts';
import { sum } from '../statistics.ts';
import { type Deeds, disturb } from './disturbances.ts';
import type { Options } from './options.ts';
import { busyMs, Pace, useOf } from './pace.ts';
import { processesOf, type Sample, sampleOf } from './samples.ts';
import { type Stage, setStage } from './stage.ts';
import { vanish } from './vanishing.ts';

export type SoakOptions = Pick<Options, 'minutes' | 'share' | 'capacitySeconds' | 'everySeconds' | 'seed'>;

/** What happened. */
export interface Course {
  readonly seconds: number;
  /** Messages per second of all streams together, as many as there could be. */
  readonly capacity: number;
  /** How much of the processors was in use meanwhile, 0 to 1. */
  readonly capacityUse: number;
  /** Of that capacity; traffic keeps this share of what the machine can give at the moment. */
  readonly share: number;
  readonly samples: readonly Sample[];
  readonly deeds: Deeds;
  readonly comparison: Comparison;
  /** What Postern still held when nobody asked anything of it any more. */
  readonly held: readonly string[];
  /** Connections at the sinks after Postern had ended. */
  readonly left: number;
  readonly exitStatus: number | string | null;
  /** Of its log, what is not for information only. */
  readonly events: Readonly<Record<string, number>>;
  readonly mistakes: readonly string[];
}

/** Vanishing clients at the same time. */
const vanishing = 2;
const besidePerSecond = 10;
/** Of a stream of which nothing got through while capacity was measured. */
const leastPerSecond = 0.1;
/** How long Postern may take until it holds nothing any more. */
const settleMs = 30_000;
/** Of the time in which capacity is measured, before it. */
const warmUpShare = 0.25;

/** @param progress takes a line now and then */
export async function soak(options: SoakOptions, progress: (line: string) => void): Promise<Course> {
  await using stage = await setStage();
  const { share } = options;
  const { perStream, use: capacityUse } = await capacityOf(stage, options);
  const rates = perStream.map((perSecond) => perSecond * share);
  const capacity = sum(perStream, Number);
  progress(
    `capacity ${capacity.toFixed(0)} messages/s with ${(100 * capacityUse).toFixed(0)} % of the processors; ${(capacity * share).toFixed(0)} messages/s to begin with, for ${options.minutes} min`,
  );
  const seconds = options.minutes * 60;
  const pace = new Pace(capacity * share, capacityUse * share);
  const { samples, deeds, vanished } = await play(stage, rates, pace, seconds, options, (each) =>
    progress(describe(each)),
  );
  return { seconds, capacity, capacityUse, share, samples, deeds, ...(await conclude(stage, vanished)) };
}

/** What each stream reaches, in messages per second, when all run as fast as they can. */
async function capacityOf(
  stage: Stage,
  { capacitySeconds, everySeconds }: SoakOptions,
): Promise<{ readonly perStream: readonly number[]; readonly use: number }> {
  const fast = (seconds: number) =>
    Promise.all(stage.streams.map((stream) => stage.run(stream, { seconds, rate: null, everySeconds })));
  await fast(capacitySeconds * warmUpShare);
  const [begun, busy] = [performance.now(), busyMs()];
  const results = await fast(capacitySeconds);
  const seconds = (performance.now() - begun) / 1000;
  const use = useOf(busyMs() - busy, seconds);
  // What was reported of it belongs to no sample.
  for (const stream of stage.streams) stream.take();
  const perStream = results.map(({ accepted, refused, seconds }) =>
    Math.max(leastPerSecond, seconds > 0 ? (accepted + refused) / seconds : 0),
  );
  return { perStream, use };
}

/** Traffic and troubles, until the time is over. */
async function play(
  stage: Stage,
  rates: readonly number[],
  pace: Pace,
  seconds: number,
  { everySeconds, seed }: SoakOptions,
  told: (sample: Sample) => void,
): Promise<{ readonly samples: readonly Sample[]; readonly deeds: Deeds; readonly vanished: string }> {
  const { service, streams, control, directory } = stage;
  const over = new AbortController();
  const samples: Sample[] = [];
  const vanished = join(directory, 'vanished.sent');
  const ledger = new LedgerFile(vanished);
  const random = new Random(`soak ${seed}`);
  const vanishers = Array.from({ length: vanishing }, (_, i) =>
    vanish(
      [service.address('after'), service.address('before')],
      random.fork(i),
      ledger,
      `vanishing${i}`,
      over.signal,
    ),
  );
  const background = Promise.all([
    ...vanishers,
    sample(stage, rates, pace, everySeconds, over.signal, (each) => {
      samples.push(each);
      told(each);
    }),
  ]);
  try {
    const [deeds] = await Promise.all([
      disturb(stage, seconds, over.signal),
      ...streams.map((stream, i) =>
        stage.run(stream, { seconds, rate: rates[i] ?? leastPerSecond, everySeconds }),
      ),
      stage.run(control, { seconds, rate: besidePerSecond, everySeconds }),
    ]);
    return { samples, deeds, vanished };
  } finally {
    over.abort();
    await background;
    await ledger.close();
  }
}

/** What is left, and the ledgers. */
async function conclude({ service, smtp, lmtp, streams }: Stage, vanished: string) {
  const held = await whatStays(() => service.held(), settleMs);
  const { events, mistakes } = service;
  const exitStatus = await service.stop();
  const left = (await smtp.open()) + (await lmtp.open());
  for (const sink of [smtp, lmtp]) await sink[Symbol.asyncDispose]();
  const sent = [vanished, ...streams.flatMap(({ ledgers }) => ledgers)];
  const comparison = await compareLedgers(entries(sent), entries([smtp.ledger, lmtp.ledger]));
  return { comparison, held, left, exitStatus, events, mistakes };
}

/** Looks every so many seconds, and keeps the pace, until the signal is aborted. */
async function sample(
  { service, streams, control }: Stage,
  rates: readonly number[],
  pace: Pace,
  everySeconds: number,
  signal: AbortSignal,
  take: (sample: Sample) => void,
): Promise<void> {
  const begun = performance.now();
  const look = async () => {
    // Without an answer nobody knows how many connections there are; all else is known.
    const workers = await service.status().then(
      (status) => status.workers,
      () => [],
    );
    const at = (performance.now() - begun) / 1000;
    return { processes: processesOf(service.pid, workers), busyMs: busyMs(), at };
  };
  let before = await look();
  let rate = sum(rates, Number);
  for (let i = 1; ; i++) {
    try {
      await wait(begun + i * everySeconds * 1000 - performance.now(), undefined, { signal });
    } catch {
      return;
    }
    const now = await look();
    const traffic = streams.flatMap((stream) => stream.take());
    const busy = now.busyMs - before.busyMs;
    const use = useOf(busy, now.at - before.at);
    const each = sampleOf(
      { at: now.at, rate, use },
      now.processes,
      before.processes,
      traffic,
      control.take(),
    );
    take(each);
    const factor = pace.after({
      busyMs: busy,
      messages: each.accepted + each.refused + each.unanswered,
    });
    for (const [s, stream] of streams.entries()) stream.pace((rates[s] ?? leastPerSecond) * factor);
    rate = sum(rates, Number) * factor;
    before = now;
  }
}

function describe({
  at,
  processes,
  accepted,
  refused,
  unanswered,
  p50,
  p95,
  cpuMsPerMessage,
  rate,
  use,
}: Sample): string {
  const resident = sum(processes, (each) => each.residentBytes) / 1e6;
  const descriptors = sum(processes, (each) => each.descriptors);
  return [
    `${(at / 60).toFixed(1)} min`,
    `${rate.toFixed(0)} due per second, ${(100 * use).toFixed(0)} % of the processors in use`,
    `${accepted} accepted, ${refused} refused, ${unanswered} unanswered`,
    `p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(0)} ms, CPU ${cpuMsPerMessage.toFixed(2)} ms`,
    `${resident.toFixed(0)} MB, ${descriptors} descriptors, ${processes.length} processes`,
  ].join('; ');
}

async function* entries(files: readonly string[]): AsyncGenerator<Entry> {
  for (const file of files) yield* readLedger(file);
}
