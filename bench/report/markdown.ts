// The results as Markdown tables, for the terminal and for docs/performance.md.
import type { SizeCost } from '../series/burden.ts';
import type { DnsCell } from '../series/dns.ts';
import type { Goal } from '../series/goal.ts';
import type { Cell } from '../series/matrix.ts';
import type { Mode } from '../site/postern.ts';
import { type Found, type Results, type SeriesName, seriesNames } from './results.ts';

type Column<Row> = readonly [title: string, text: (row: Row) => string];

function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, text]) => text(row)))];
  const widths = columns.map((_, i) => Math.max(3, ...cells.map((line) => line[i]?.length ?? 0)));
  const lines = cells.map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`);
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return `${lines.join('\n')}\n`;
}

/** Three digits are all that is worth showing. */
function short(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '';
  if (value === 0) return '0';
  if (value >= 100) return String(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

const modeNames: Readonly<Record<Mode, string>> = { after: 'after', before: 'before', lmtp: 'after, LMTP' };
const wayNames: Readonly<Record<Cell['way'], string>> = {
  straight: 'no hop at all',
  relay: 'fewest-lines relay',
  pass: 'Postern, no checks',
  all: 'Postern, all checks',
  bare: 'bare call',
};

const sections: { readonly [Name in SeriesName]: (found: Found[Name]) => string } = {
  goals: (goals) => `### Goals\n\n${goalTable(goals)}`,
  memory: (goals) => `### Memory\n\n${goalTable(goals)}`,
  sizes: ({ costs, goal }) => `### Cost against size\n\n${goalTable([goal])}\n${sizeTable(costs)}`,
  dns: (cells) => `### Names\n\n${nameTable(cells)}`,
  matrix: (cells) => `### Size × concurrency\n\n${matrixTable(cells)}`,
};

/** @returns a section for each series that was run */
export function toMarkdown(results: Results): string {
  return seriesNames
    .map((name) => sectionOf(results, name))
    .filter((section) => section !== undefined)
    .join('\n');
}

/** @returns undefined: this series was not run */
export function sectionOf<Name extends SeriesName>(results: Results, name: Name): string | undefined {
  const part = results[name];
  if (!part) return undefined;
  const { date, commit, node, machine, load } = part.circumstances;
  return `${sections[name](part.found)}
Measured on ${date} UTC, commit ${commit}, Node.js ${node}, ${machine}; load average at the beginning ${load.toFixed(1)}.
`;
}

function goalTable(goals: readonly Goal[]): string {
  return table(goals, [
    ['measure', ({ measure }) => measure],
    ['goal', ({ goal }) => goal],
    ['measured', ({ measured }) => measured],
    ['met', ({ met }) => (met ? 'yes' : 'no')],
  ]);
}

function sizeTable(costs: readonly SizeCost[]): string {
  return table(costs, [
    ['size', ({ size }) => size],
    ['CPU ms per message', ({ cpuMs }) => short(cpuMs)],
    ['CPU ns per byte', ({ nsPerByte }) => short(nsPerByte)],
    ['of a bare call', ({ bareNsPerByte }) => short(bareNsPerByte)],
  ]);
}

function nameTable(cells: readonly DnsCell[]): string {
  return table(cells, [
    ['names from', ({ names }) => names],
    ['connections', ({ connections }) => String(connections)],
    ['questions per message', ({ questions }) => short(questions)],
    ['messages/s', ({ perSecond }) => short(perSecond)],
    ['p50 ms', ({ p50 }) => short(p50)],
    ['p95 ms', ({ p95 }) => short(p95)],
    ['p99 ms', ({ p99 }) => short(p99)],
    ['CPU ms', ({ cpuMs }) => short(cpuMs)],
    ['CPU ÷ bare', ({ cpuToBare }) => short(cpuToBare)],
    ['resident MB', ({ residentMB }) => short(residentMB)],
  ]);
}

function matrixTable(matrix: readonly Cell[]): string {
  return table(matrix, [
    ['size', ({ size }) => size],
    ['connections', ({ connections }) => String(connections)],
    ['queue', ({ mode }) => (mode === undefined ? '' : modeNames[mode])],
    ['through', ({ way }) => wayNames[way]],
    ['n', ({ messages }) => String(messages)],
    ['messages/s', ({ perSecond }) => short(perSecond)],
    ['of straight', ({ throughputToStraight }) => short(throughputToStraight)],
    ['MB/s', ({ megabytesPerSecond }) => short(megabytesPerSecond)],
    ['p50 ms', ({ p50 }) => short(p50)],
    ['p95 ms', ({ p95 }) => short(p95)],
    ['p99 ms', ({ p99 }) => short(p99)],
    ['CPU ms', ({ cpuMs }) => short(cpuMs)],
    ['÷ relay', ({ cpuToRelay }) => short(cpuToRelay)],
    ['÷ bare call', ({ cpuToBare }) => short(cpuToBare)],
    ['resident MB', ({ residentMB }) => short(residentMB)],
  ]);
}
