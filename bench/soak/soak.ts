// The soak itself: everything is started, capacity measured, traffic and troubles let loose, and what they left looked at.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Random } from '../../test/faults/random.ts';
import { type Comparison, compareLedgers, type Entry, LedgerFile, readLedger } from '../ledger.ts';
import { Child } from '../site/child.ts';
import { Material } from '../site/material.ts';
import { type Deeds, disturb } from './disturbances.ts';
import type { Options } from './options.ts';
import { processesOf, type Sample, sampleOf } from './samples.ts';
import { Service } from './service.ts';
import { SoakSink } from './sinks.ts';
import { beside, type Pace, Stream, streams } from './streams.ts';
import { vanish } from './vanishing.ts';

export type SoakOptions = Pick<Options, 'minutes' | 'share' | 'capacitySeconds' | 'everySeconds' | 'seed'>;

/** What happened. */
export interface Course {
  readonly seconds: number;
  /** Messages per second of all streams together, as many as there could be. */
  readonly capacity: number;
  /** Messages per second that were sent. */
  readonly rate: number;
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
/** How long Postern may take until it holds nothing any more. */
const settleMs = 30_000;
/** Of the time in which capacity is measured, before it. */
const warmUpShare = 0.25;

/** @param progress takes a line now and then */
export async function soak(options: SoakOptions, progress: (line: string) => void): Promise<Course> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'postern-soak-'));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const material = new Material(directory);
  const smtp = stack.use(await SoakSink.start('smtp', join(directory, 'smtp.stored'), true));
  const lmtp = stack.use(await SoakSink.start('lmtp', join(directory, 'lmtp.stored'), true));
  const aside = stack.use(await SoakSink.start('smtp', join(directory, 'beside.stored'), false));
  const names = stack.use(new Child('soak/name-server.ts', material.zoneFile));
  const { address } = await names.hear<{ address: string }>();
  const service = stack.use(
    await Service.start({ directory, smtpPort: smtp.port, lmtpPort: lmtp.port, names: address }),
  );
  const all = streams.map((plan) => stack.use(new Stream(plan, directory)));
  const control = stack.use(new Stream(beside, directory));
  const to = ({ plan }: Stream) =>
    plan.to === 'beside' ? `127.0.0.1:${aside.port}` : service.address(plan.to);
  const run = (stream: Stream, pace: Pace) => stream.run(material, to(stream), pace);

  const { capacitySeconds, everySeconds } = options;
  const fast = (seconds: number) =>
    Promise.all(all.map((stream) => run(stream, { seconds, rate: null, everySeconds })));
  await fast(capacitySeconds * warmUpShare);
  const measured = (await fast(capacitySeconds)).map(({ accepted, refused, seconds }) =>
    Math.max(0.1, (accepted + refused) / seconds),
  );
  const rates = measured.map((perSecond) => perSecond * options.share);
  const capacity = total(measured);
  const rate = total(rates);
  progress(
    `capacity ${capacity.toFixed(0)} messages/s; ${rate.toFixed(0)} messages/s for ${options.minutes} min`,
  );
  for (const stream of all) stream.take();

  const seconds = options.minutes * 60;
  const over = new AbortController();
  stack.defer(() => over.abort());
  const random = new Random(`soak ${options.seed}`);
  const vanished = join(directory, 'vanished.sent');
  const vanishedLedger = new LedgerFile(vanished);
  const addresses = [service.address('after'), service.address('before')] as const;
  const vanishers = Array.from({ length: vanishing }, (_, i) =>
    vanish([...addresses], random.fork(i), vanishedLedger, `vanishing${i}`, over.signal),
  );
  const samples: Sample[] = [];
  const sampling = sample(service, all, control, everySeconds, over.signal, (each) => {
    samples.push(each);
    progress(describe(each));
  });
  const traffic = all.map((stream, i) => run(stream, { seconds, rate: rates[i] ?? null, everySeconds }));
  traffic.push(run(control, { seconds, rate: besidePerSecond, everySeconds }));
  const disturbing = disturb({ service, smtp, lmtp, names }, seconds, over.signal);
  const [deeds] = await Promise.all([disturbing, ...traffic]);
  over.abort();
  await Promise.all([...vanishers, sampling]);
  await vanishedLedger.close();

  const held = await settled(service);
  const { events, mistakes } = service;
  const exitStatus = await service.stop();
  const left = (await smtp.open()) + (await lmtp.open());
  for (const sink of [smtp, lmtp]) await sink[Symbol.asyncDispose]();
  const sent = [vanished, ...all.flatMap(({ ledgers }) => ledgers)];
  const comparison = await compareLedgers(entries(sent), entries([smtp.ledger, lmtp.ledger]));
  return { seconds, capacity, rate, samples, deeds, comparison, held, left, exitStatus, events, mistakes };
}

/** Looks every so many seconds, until the signal is aborted. */
async function sample(
  service: Service,
  all: readonly Stream[],
  control: Stream,
  everySeconds: number,
  signal: AbortSignal,
  take: (sample: Sample) => void,
): Promise<void> {
  const begun = performance.now();
  let before = processesOf(service.pid);
  for (let i = 1; ; i++) {
    try {
      await wait(begun + i * everySeconds * 1000 - performance.now(), undefined, { signal });
    } catch {
      return;
    }
    const now = processesOf(service.pid);
    const at = (performance.now() - begun) / 1000;
    const traffic = all.flatMap((stream) => stream.take());
    take(sampleOf(at, now, before, traffic, control.take()));
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
}: Sample): string {
  const resident = total(processes.map(({ residentBytes }) => residentBytes)) / 1e6;
  const descriptors = total(processes.map((each) => each.descriptors));
  return [
    `${(at / 60).toFixed(1)} min`,
    `${accepted} accepted, ${refused} refused, ${unanswered} unanswered`,
    `p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(0)} ms, CPU ${cpuMsPerMessage.toFixed(2)} ms`,
    `${resident.toFixed(0)} MB, ${descriptors} descriptors, ${processes.length} processes`,
  ].join('; ');
}

/** @returns what is still held when it has had its time */
async function settled(service: Service): Promise<readonly string[]> {
  const deadline = performance.now() + settleMs;
  for (;;) {
    const held = await service.held();
    if (held.length === 0 || performance.now() > deadline) return held;
    await wait(200);
  }
}

async function* entries(files: readonly string[]): AsyncGenerator<Entry> {
  for (const file of files) yield* readLedger(file);
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
