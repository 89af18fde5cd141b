// The course of a soak without a library: memory, descriptors, latency and CPU over time, one above the other, as an SVG.
import { sum } from '../statistics.ts';
import type { ProcessSample, Sample } from './samples.ts';

const width = 720;
const panelHeight = 110;
const margin = { left: 60, right: 90, top: 24, gap: 34 };

interface Line {
  readonly label: string;
  readonly colour: string;
  readonly value: (sample: Sample) => number;
}

const of =
  (kind: ProcessSample['kind'], what: 'residentBytes' | 'descriptors', unit: number) =>
  ({ processes }: Sample) =>
    sum(
      processes.filter((each) => each.kind === kind),
      (each) => each[what],
    ) / unit;

const panels: readonly { readonly title: string; readonly lines: readonly Line[] }[] = [
  {
    title: 'resident memory, MB, of all processes of a kind',
    lines: [
      { label: 'workers', colour: '#b3412c', value: of('worker', 'residentBytes', 1e6) },
      { label: 'primary', colour: '#2c6fb3', value: of('primary', 'residentBytes', 1e6) },
      { label: 'http', colour: '#777777', value: of('http', 'residentBytes', 1e6) },
    ],
  },
  {
    title: 'open descriptors',
    lines: [
      { label: 'workers', colour: '#b3412c', value: of('worker', 'descriptors', 1) },
      { label: 'primary', colour: '#2c6fb3', value: of('primary', 'descriptors', 1) },
      { label: 'http', colour: '#777777', value: of('http', 'descriptors', 1) },
    ],
  },
  {
    title: 'messages due per second',
    lines: [{ label: '', colour: '#b3412c', value: ({ rate }) => rate }],
  },
  {
    title: 'latency, ms',
    lines: [
      { label: 'p50', colour: '#b3412c', value: ({ p50 }) => p50 },
      { label: 'without Postern', colour: '#777777', value: ({ beside }) => beside },
    ],
  },
  {
    title: 'CPU per message, ms',
    lines: [{ label: '', colour: '#b3412c', value: (each) => each.cpuMsPerMessage }],
  },
];

/** @returns the SVG, or undefined when there is no course to be drawn */
export function plotSoak(samples: readonly Sample[]): string | undefined {
  const last = samples.at(-1)?.at ?? 0;
  if (samples.length < 2) return undefined;
  const height = margin.top + panels.length * (panelHeight + margin.gap);
  const x = (at: number) => margin.left + (at / last) * (width - margin.left - margin.right);
  const parts = panels.flatMap(({ title, lines }, i) => {
    const top = margin.top + i * (panelHeight + margin.gap);
    const most = Math.max(1e-9, ...lines.flatMap(({ value }) => samples.map(value)));
    const y = (value: number) => top + panelHeight * (1 - value / most);
    return [
      text(margin.left, top - 7, title, 'start'),
      ...[0, most].map(
        (value) =>
          `<path d="M${margin.left} ${y(value).toFixed(1)}H${width - margin.right}" stroke="#dddddd"/>${text(margin.left - 6, y(value) + 4, short(value), 'end')}`,
      ),
      ...lines.flatMap(({ label, colour, value }) => [
        `<polyline points="${samples.map((each) => `${x(each.at).toFixed(1)},${y(value(each)).toFixed(1)}`).join(' ')}" fill="none" stroke="${colour}"/>`,
        text(width - margin.right + 6, y(value(samples.at(-1) ?? fail())) + 4, label, 'start', colour),
      ]),
    ];
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    '<title>The course of a soak: memory, descriptors, latency and CPU over time</title>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    text(width - margin.right, height - margin.gap + 16, `${(last / 60).toFixed(1)} min`, 'end'),
    '</svg>',
  ].join('\n')}\n`;
}

function fail(): never {
  throw new Error('no samples');
}

function short(value: number): string {
  return value >= 10 || value === 0 ? value.toFixed(0) : value.toFixed(1);
}

function text(x: number, y: number, words: string, anchor: string, colour = '#222222'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${colour}">${words}</text>`;
}
