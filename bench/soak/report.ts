// What a soak has shown, in words, and whether Postern held.
import type { Circumstances } from '../report/results.ts';
import { median, percentile } from '../statistics.ts';
import type { Judged } from './criteria.ts';
import type { Course } from './soak.ts';

export interface SoakResults extends Course {
  readonly circumstances: Circumstances;
  readonly judged: readonly Judged[];
}

/** Everything that must not be, in a few words each; none: it held. */
export function broken({
  comparison,
  held,
  left,
  exitStatus,
  mistakes,
  judged,
}: SoakResults): readonly string[] {
  const { acknowledged, lost, doubled, altered, unknown, refusedButStored } = comparison;
  const lists = { lost, doubled, altered, 'never sent': unknown, 'refused but stored': refusedButStored };
  return [
    ...Object.entries(lists).flatMap(([what, ids]) =>
      ids.length > 0 ? [`${ids.length} ${what}: ${ids.slice(0, 5).join(' ')}`] : [],
    ),
    ...(acknowledged === 0 ? ['nothing was acknowledged'] : []),
    ...held.map((what) => `still held: ${what}`),
    ...(left > 0 ? [`${left} connections left at the sinks`] : []),
    ...(exitStatus === 0 ? [] : [`ended with ${exitStatus}`]),
    ...mistakes.map((line) => `log: ${line}`),
    ...judged.flatMap(({ measure, finding }) => (finding === 'grows' ? [`${measure} grows`] : [])),
  ];
}

/** A leak for each message is told by many of them: so much of the traffic that was planned must have been sent. */
const leastTraffic = 0.5;

/** What more time, or a quieter machine, would tell. */
export function undecided({ judged, samples, capacity, share }: SoakResults): readonly string[] {
  const slow = samples.length > 0 && median(ratesOf(samples)) < leastTraffic * capacity * share;
  return [
    ...judged.flatMap(({ measure, finding }) => (finding === 'undecided' ? [measure] : [])),
    ...(slow ? ['anything: the machine could take less than half of the traffic that was planned'] : []),
  ];
}

/** 0 it held, 1 it did not, 2 nobody knows. */
export function statusOf(results: SoakResults): 0 | 1 | 2 {
  if (broken(results).length > 0) return 1;
  return undecided(results).length > 0 ? 2 : 0;
}

/** For the terminal and for docs/performance.md. */
export function toMarkdown(results: SoakResults): string {
  const { circumstances, seconds, capacity, capacityUse, share, samples, comparison, deeds, judged } =
    results;
  const { date, commit, node, machine, load } = circumstances;
  const wrong = broken(results);
  const open = undecided(results);
  const done = Object.entries(deeds).map(([what, times]) => `${what} ${times} ×`);
  const rows = judged.map((each) => `| ${cells(each).join(' | ')} |`);
  return [
    `${(seconds / 60).toFixed(seconds < 600 ? 1 : 0)} minutes on ${date} UTC, commit ${commit}, Node.js ${node}, ${machine}; load average at the beginning ${load.toFixed(1)}.`,
    `Capacity ${capacity.toFixed(0)} messages/s, with ${percent(capacityUse)} of the processors in use. Then ${percent(share)} of that use was aimed at${pace(samples)}. ${done.join(', ')}.`,
    `Of ${comparison.sent} messages ${comparison.acknowledged} were acknowledged, ${comparison.stored} stored; lost ${comparison.lost.length}, doubled ${comparison.doubled.length}, altered ${comparison.altered.length}, stored though refused ${comparison.refusedButStored.length}. Stored without upstream's knowing, because client, worker or downstream was gone: ${comparison.unansweredButStored.length}.`,
    [
      '| series | median | growth per hour (95 %) | limit | finding |',
      '| --- | --- | --- | --- | --- |',
      ...rows,
    ].join('\n'),
    wrong.length > 0
      ? `It did not hold:\n\n${wrong.map((each) => `- ${each}`).join('\n')}`
      : open.length > 0
        ? `Nothing was found wrong. Not known: ${open.join(', ')}.`
        : 'It held.',
    '',
  ].join('\n\n');
}

function percent(part: number): string {
  return `${Math.round(100 * part)} %`;
}

function pace(samples: SoakResults['samples']): string {
  if (samples.length === 0) return '';
  const rates = ratesOf(samples);
  const used = samples.map(({ use }) => use);
  const [low, middle, high] = [10, 50, 90].map((part) => percent(percentile(used, part)));
  const [least, usual, most] = [Math.min(...rates), median(rates), Math.max(...rates)].map(Math.round);
  return ` and ${middle} of the processors used (${low} to ${high} in eight samples of ten), by ${least} to ${most} messages/s, ${usual} in the median`;
}

function ratesOf(samples: SoakResults['samples']): readonly number[] {
  return samples.map(({ rate }) => rate);
}

function cells({ measure, unit, median, slope, limit, finding }: Judged): readonly string[] {
  const value = (number: number) => `${number.toFixed(Math.abs(number) < 10 ? 2 : 0)}`;
  const growth = slope
    ? `${value(slope.perHour)} (${value(slope.low)} to ${value(slope.high)})`
    : 'too few samples';
  return [measure, `${value(median)} ${unit}`, growth, value(limit), finding];
}
