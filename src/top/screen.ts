// The screen of `postern top`: what is going through right now, in as many lines and columns as there are.
import { size } from '../progress.ts';
import type { Listener, Row, Status } from './answers.ts';
import type { View } from './ask.ts';
import { fit, fitRight } from './columns.ts';

/** A line, and how it should look where a terminal can do that. */
export interface ScreenLine {
  readonly text: string;
  readonly style?: 'title' | 'head' | 'bad' | 'warn';
}

/** What there is room for. */
export interface Room {
  readonly columns: number;
  /** Undefined: all of it. */
  readonly lines?: number;
}

/** The narrowest screen that is filled; a smaller one is cut. */
const minColumns = 60;

/** @param host whose it is */
export function screen({ status, transactions }: View, host: string, room: Room): ScreenLine[] {
  const columns = Math.max(room.columns, minColumns);
  const upper: ScreenLine[] = [
    { text: titleLine(status, host), style: 'title' },
    ...status.problems.slice(0, 3).map(problemLine),
    { text: '' },
    ...rateLines(status),
    { text: '' },
    ...listenerLines(status, columns),
    { text: '' },
    ...verdictLines(status),
    ...machineLines(status),
    { text: '' },
  ];
  const left = room.lines === undefined ? transactions.length : room.lines - upper.length - 1;
  const rows = transactions.slice(0, Math.max(left, 0)).map((row) => rowLine(row, columns));
  const all = [...upper, { text: rowHead(columns), style: 'head' as const }, ...rows];
  const shown = room.lines === undefined ? all : all.slice(0, room.lines);
  return shown.map((line) => ({ ...line, text: fit(line.text, room.columns).trimEnd() }));
}

/** One look in one line. */
export function summaryLine({ status }: View): string {
  const { ready, rates, workers } = status;
  const { now } = rates;
  const connections = sum(workers.flatMap((worker) => worker.listeners).map((each) => each.connections));
  const [problem] = status.problems;
  const words = [
    status.time,
    ready ? 'ready' : 'NOT READY',
    `${now.perSecond} messages/s`,
    ...['2xx', '4xx', '5xx'].map((reply) => `${reply} ${now.replies[reply] ?? 0}`),
    `${connections} connections`,
    `total p99 ${milliseconds(rates.latency.total?.p99)}`,
    ...(problem ? [`${problem.severity}: ${problem.text}`] : []),
  ];
  return fit(words.join('  '), 1000).trimEnd();
}

function titleLine({ ready, workers, time }: Status, host: string): string {
  const processes = workers.length === 1 ? '1 process' : `${workers.length} processes`;
  return `postern  ${host}  ${ready ? 'ready' : 'NOT READY'}  ${processes}  ${clock(time)}`;
}

function problemLine({ severity, text }: Status['problems'][number]): ScreenLine {
  return { text: `! ${text}`, style: severity === 'bad' ? 'bad' : 'warn' };
}

function rateLines({ rates }: Status): ScreenLine[] {
  const windows = [rates.now, rates.minute, rates.quarterHour];
  const line = (label: string, cells: readonly string[]) => ({
    text: fit(label, 14) + cells.map((cell) => fitRight(cell, 12)).join(''),
  });
  const dispositions = Object.keys(rates.quarterHour.dispositions).slice(0, 5);
  return [
    { ...line('', ['10 s', '1 min', '15 min']), style: 'head' },
    line(
      'messages/s',
      windows.map(({ perSecond }) => perSecond.toFixed(2)),
    ),
    ...['2xx', '4xx', '5xx'].map((reply) =>
      line(
        `  replies ${reply}`,
        windows.map(({ replies }) => String(replies[reply] ?? 0)),
      ),
    ),
    ...dispositions.map((name) =>
      line(
        `  ${name}`,
        windows.map((each) => String(each.dispositions[name] ?? 0)),
      ),
    ),
  ];
}

function listenerLines({ workers }: Status, columns: number): ScreenLine[] {
  const merged = new Map<string, Listener>();
  for (const listener of workers.flatMap((worker) => worker.listeners)) {
    const known = merged.get(listener.name);
    merged.set(listener.name, known ? together(known, listener) : listener);
  }
  const line = (name: string, numbers: readonly string[], rest: string) =>
    fit(name, 16) + numbers.map((text) => fitRight(text, 7)).join('') + fit(`  ${rest}`, columns - 58);
  const head = line('LISTENER', ['conns', 'busy', 'idle', 'size', 'wait', 'failed'], 'DOWNSTREAM');
  const lines = [...merged.values()].map(
    ({ name, connections, pool, destinations, reachable }): ScreenLine => {
      const numbers = [connections, pool.busy, pool.idle, pool.size, pool.waiting, pool.failures].map(String);
      const where = `${reachable ? '' : 'no answer: '}${destinations.join(' ')}`;
      return { text: line(name, numbers, where), ...(!reachable && { style: 'bad' as const }) };
    },
  );
  return [{ text: head, style: 'head' }, ...lines];
}

function together(one: Listener, other: Listener): Listener {
  const pool = Object.entries(one.pool).map(([key, value]) => {
    return [key, value + other.pool[key as keyof Listener['pool']]];
  });
  return {
    ...one,
    connections: one.connections + other.connections,
    pool: Object.fromEntries(pool) as Listener['pool'],
    reachable: one.reachable && other.reachable,
  };
}

function verdictLines({ rates }: Status): ScreenLine[] {
  const verdicts = Object.entries(rates.results).map(([check, values]) => {
    const counts = Object.entries(values).map(([value, count]) => `${value} ${count}`);
    return { text: `${fit(check, 14)}${counts.join('  ')}` };
  });
  return verdicts.length === 0
    ? []
    : [{ text: 'CHECKS of 15 min', style: 'head' }, ...verdicts, { text: '' }];
}

function machineLines({ rates, totals, workers }: Status): ScreenLine[] {
  const { total } = rates.latency;
  const { dns, spool, residentBytes } = totals;
  const asked = dns.zone + dns.cached + dns.joined + dns.network;
  const saved =
    asked === 0 ? '' : ` (${Math.round((100 * (asked - dns.network)) / asked)} % not asked again)`;
  const latency = total
    ? `p50 ${milliseconds(total.p50)}  p90 ${milliseconds(total.p90)}  p99 ${milliseconds(total.p99)}  max ${milliseconds(total.max)}`
    : 'no message yet';
  const loop = Math.max(0, ...workers.map(({ eventLoop }) => eventLoop.p99));
  return [
    { text: `${fit('latency', 14)}${latency}` },
    {
      text: `${fit('DNS', 14)}${asked} questions${saved}  ${dns.failed} failed  ${dns.entries} in the cache`,
    },
    {
      text: `${fit('spool', 14)}${spool.messages} messages  ${size(spool.memoryBytes)} in memory  ${size(spool.diskBytes)} on disk`,
    },
    {
      text: `${fit('processes', 14)}${size(residentBytes)} resident  event loop p99 ${milliseconds(loop)} late`,
    },
  ];
}

/** Widths of sender, recipient and results; the time before them is 9, what was done gets the rest. */
function widths(columns: number): [number, number, number] {
  const share = (part: number) => Math.floor((columns - 9) * part);
  return [share(0.27), share(0.23), share(0.25)];
}

function rowHead(columns: number): string {
  const [from, to, results] = widths(columns);
  return `${fit('TIME', 9)}${fit('FROM', from)}${fit('TO', to)}${fit('RESULTS', results)}WHAT WAS DONE`;
}

function rowLine(
  { time, from, to, recipients, results, disposition, reply }: Row,
  columns: number,
): ScreenLine {
  const [fromWidth, toWidth, resultsWidth] = widths(columns);
  const others = recipients > 1 ? ` +${recipients - 1}` : '';
  const checks = ['dmarc', 'spf', 'dkim'].filter((check) => results[check] !== undefined);
  const found = checks.map((check) => `${check}=${results[check]}`).join(' ');
  const column = (text: string, width: number) => `${fit(text, width - 1)} `;
  const text =
    fit(clock(time), 9) +
    column(from === '' ? '<>' : from, fromWidth) +
    column(`${to ?? ''}${others}`, toWidth) +
    column(found, resultsWidth) +
    `${disposition} ${reply ?? ''}`;
  const bad = reply?.startsWith('4') || reply?.startsWith('5');
  return { text, ...(bad && { style: 'warn' as const }) };
}

/** @returns the time of day where the terminal is */
function clock(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '' : date.toTimeString().slice(0, 8);
}

function milliseconds(value: number | undefined): string {
  if (value === undefined) return '-';
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
