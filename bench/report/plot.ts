// A plot without a library: CPU per message against size, both logarithmic, as an SVG.
import type { Cell } from '../series/matrix.ts';
import { type Size, sizes } from '../site/material.ts';

const width = 640;
const height = 360;
const margin = { left: 64, right: 150, top: 28, bottom: 44 };
const lines: readonly { way: Cell['way']; label: string; colour: string }[] = [
  { way: 'all', label: 'all checks', colour: '#b3412c' },
  { way: 'pass', label: 'no checks', colour: '#2c6fb3' },
  { way: 'relay', label: 'fewest-lines relay', colour: '#777777' },
];

/** @returns the SVG, or undefined when there are fewer than two sizes to connect */
export function plot(matrix: readonly Cell[], connections = 32): string | undefined {
  const shown = matrix.filter((cell) => cell.connections === connections && cell.mode === 'after');
  const cells = shown.flatMap(({ size, way, cpuMs = 0 }) => (cpuMs > 0 ? [{ size, way, cpuMs }] : []));
  const present = [...new Set(cells.map(({ size }) => size))];
  if (present.length < 2) return undefined;
  const exponents = cells.map(({ cpuMs }) => Math.log10(cpuMs));
  const low = Math.floor(Math.min(...exponents));
  const high = Math.max(low + 1, Math.ceil(Math.max(...exponents)));
  const x = scale(
    present.map((size) => Math.log10(sizes[size])),
    margin.left,
    width - margin.right,
  );
  const y = scale([low, high], height - margin.bottom, margin.top);
  const at = ({ size, cpuMs }: { size: Size; cpuMs: number }) =>
    `${x(Math.log10(sizes[size])).toFixed(1)},${y(Math.log10(cpuMs)).toFixed(1)}`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<title>CPU per message against size</title>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin.left, 16, `CPU ms per message, ${connections} connections, after the queue`, 'start'),
  ];
  for (let exponent = low; exponent <= high; exponent++) {
    const line = y(exponent).toFixed(1);
    parts.push(
      `<path d="M${margin.left} ${line}H${width - margin.right}" stroke="#dddddd"/>`,
      text(margin.left - 8, y(exponent) + 4, String(10 ** exponent), 'end'),
    );
  }
  for (const size of present) parts.push(text(x(Math.log10(sizes[size])), height - margin.bottom + 20, size));
  for (const { way, label, colour } of lines) {
    const points = cells.filter((cell) => cell.way === way);
    const last = points.at(-1);
    if (!last) continue;
    parts.push(
      `<polyline points="${points.map(at).join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      text(width - margin.right + 8, y(Math.log10(last.cpuMs)) + 4, label, 'start', colour),
    );
  }
  return `${[...parts, '</svg>'].join('\n')}\n`;
}

function scale(values: readonly number[], from: number, to: number): (value: number) => number {
  const low = Math.min(...values);
  const span = Math.max(...values) - low;
  return (value) => from + ((value - low) / span) * (to - from);
}

function text(x: number, y: number, words: string, anchor = 'middle', colour = '#222222'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${colour}">${words}</text>`;
}
