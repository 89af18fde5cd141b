// The results as Markdown tables, for the terminal and for docs/performance.md.
import type { Cell } from '../series/matrix.ts';
import type { Results } from './results.ts';

type Column<Row> = readonly [title: string, text: (row: Row) => string];

function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, text]) => text(row)))];
  const widths = columns.map((_, i) => Math.max(3, ...cells.map((line) => line[i]?.length ?? 0)));
  const lines = cells.map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`);
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return `${lines.join('\n')}\n`;
}

/** Three digits are all that is worth showing. */
function short(value: number): string {
  if (!Number.isFinite(value)) return '';
  if (value >= 100) return String(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

const wayNames: Readonly<Record<Cell['way'], string>> = {
  straight: 'no hop at all',
  relay: 'fewest-lines relay',
  pass: 'Postern, no checks',
  all: 'Postern, all checks',
};
const measuredAlone = (cell: Cell, value: number) => (cell.way === 'straight' ? '' : short(value));

/** @returns a section for each series that was run */
export function toMarkdown({ circumstances, goals, matrix, dns, sizes }: Results): string {
  const { date, commit, node, machine, load } = circumstances;
  const parts = [
    `Measured on ${date} UTC, commit ${commit}, Node.js ${node}, ${machine}; load average at the beginning ${load.toFixed(1)}.\n`,
  ];
  if (goals.length > 0) {
    const columns: Column<(typeof goals)[number]>[] = [
      ['measure', ({ measure }) => measure],
      ['goal', ({ goal }) => goal],
      ['measured', ({ measured }) => measured],
      ['met', ({ met }) => (met ? 'yes' : 'no')],
    ];
    parts.push('### Goals\n', table(goals, columns));
  }
  if (matrix.length > 0) parts.push('### Size × concurrency\n', matrixTable(matrix));
  if (dns.length > 0) {
    const columns: Column<(typeof dns)[number]>[] = [
      ['names from', ({ names }) => names],
      ['connections', ({ connections }) => String(connections)],
      ['messages/s', ({ perSecond }) => short(perSecond)],
      ['p50 ms', ({ p50 }) => short(p50)],
      ['p99 ms', ({ p99 }) => short(p99)],
      ['CPU ms', ({ cpuMs }) => short(cpuMs)],
      ['CPU ÷ bare', ({ cpuToBare }) => short(cpuToBare)],
    ];
    parts.push('### Names\n', table(dns, columns));
  }
  if (sizes.length > 0) {
    const columns: Column<(typeof sizes)[number]>[] = [
      ['size', ({ size }) => size],
      ['CPU ms per message', ({ cpuMs }) => short(cpuMs)],
      ['CPU ns per byte', ({ nsPerByte }) => short(nsPerByte)],
      ['of a bare call', ({ bareNsPerByte }) => short(bareNsPerByte)],
    ];
    parts.push('### Cost against size\n', table(sizes, columns));
  }
  return parts.join('\n');
}

function matrixTable(matrix: readonly Cell[]): string {
  return table(matrix, [
    ['size', ({ size }) => size],
    ['connections', ({ connections }) => String(connections)],
    ['queue', ({ mode }) => mode],
    ['through', ({ way }) => wayNames[way]],
    ['messages/s', ({ perSecond }) => short(perSecond)],
    ['MB/s', ({ megabytesPerSecond }) => short(megabytesPerSecond)],
    ['p50 ms', ({ p50 }) => short(p50)],
    ['p95 ms', ({ p95 }) => short(p95)],
    ['p99 ms', ({ p99 }) => short(p99)],
    ['CPU ms', (cell) => measuredAlone(cell, cell.cpuMs)],
    ['÷ relay', (cell) => measuredAlone(cell, cell.cpuToRelay)],
    ['÷ bare call', (cell) => measuredAlone(cell, cell.cpuToBare)],
    ['resident MB', (cell) => measuredAlone(cell, cell.residentMB)],
  ]);
}
