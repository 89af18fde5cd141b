// The overview: what is wrong first, then the numbers.
import { shares, traffic } from './charts.js';
import { byId, el, percent, short, since, size, table, told } from './dom.js';
import { pools } from './pools.js';
import { kindOf, valueKinds } from './values.js';

/**
 * @typedef {import('../answers.ts').StatusAnswer} StatusAnswer
 * @typedef {import('./dom.js').Child} Child
 */

/**
 * What a section showed last: it is only touched when that changes, so that marked text stays marked.
 *
 * @type {Map<string, string>}
 */
const shown = new Map();

/**
 * @param {string} id of the section
 * @param {unknown} data all that it shows
 * @param {() => readonly Node[]} draw
 */
function section(id, data, draw) {
  const text = JSON.stringify(data);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  byId(id).replaceChildren(...draw());
}

/** @param {StatusAnswer} status */
export function showOverview(status) {
  const { problems, ready, rates, totals, workers } = status;
  section('state', ready, () => [
    el('span', { class: ready ? 'good' : 'bad' }, ready ? 'Mail passes' : 'Mail waits'),
  ]);
  section('problems', problems, () => problemList(problems));
  section('numbers', [rates.now, rates.minute, rates.latency, totals.connections], () => numbers(status));
  section('history', rates.history, () => traffic(rates.history));
  section('checks', rates.results, () => checks(rates.results));
  section('latency', rates.latency, () => latency(rates.latency));
  section('dns', totals.dns, () => dns(totals.dns));
  section('processes', [workers, since(status.time)], () => processes(workers));
  section('pools', workers, () => pools(workers));
}

/** @param {StatusAnswer['problems']} problems */
function problemList(problems) {
  if (problems.length === 0) return [el('p', { class: 'fine' }, 'Nothing is wrong.')];
  return [el('ul', {}, ...problems.map(({ severity, text }) => el('li', { class: severity }, told(text))))];
}

/** @param {StatusAnswer} status */
function numbers({ rates, totals }) {
  const { now, minute, latency } = rates;
  const share = (/** @type {string} */ name) => percent(minute.replies[name] ?? 0, minute.transactions);
  const temporary = minute.replies['4xx'] ?? 0;
  const total = latency.total;
  return [
    number('transactions a second', short(now.perSecond), `${short(minute.transactions)} in the last minute`),
    number(
      'answered 4xx',
      share('4xx'),
      `${temporary} in the last minute`,
      temporary === 0 ? '' : temporary * 20 < minute.transactions ? 'doubtful' : 'bad',
    ),
    number('answered 5xx', share('5xx'), `${minute.replies['5xx'] ?? 0} in the last minute`),
    number(
      'ms from MAIL to the final reply',
      total ? short(total.p50) : '–',
      total ? `1 in 100 over ${short(total.p99)}` : 'nothing measured yet',
    ),
    number(
      'connections',
      short(totals.connections),
      `${totals.pool.busy} busy downstream, ${totals.pool.waiting} waiting`,
    ),
  ];
}

/**
 * @param {string} name
 * @param {string} value
 * @param {string} note
 * @param {string} kind
 */
function number(name, value, note, kind = '') {
  return el('div', { class: kind }, el('dt', {}, name, el('small', {}, note)), el('dd', {}, value));
}

/** @param {StatusAnswer['rates']['results']} results */
function checks(results) {
  const order = Object.keys(valueKinds);
  const place = (/** @type {string} */ value) =>
    order.includes(value) ? order.indexOf(value) : order.length;
  const bars = Object.entries(results).map(([method, counts]) =>
    shares(
      method,
      Object.entries(counts)
        .sort(([a], [b]) => place(a) - place(b))
        .map(([name, value]) => ({ name, value, kind: kindOf(name) })),
    ),
  );
  return bars.length > 0 ? bars : [el('p', { class: 'quiet' }, 'No message was judged yet.')];
}

/** @param {StatusAnswer['rates']['latency']} latency */
function latency(latency) {
  const rows = Object.entries(latency).map(
    ([phase, { p50, p90, p99, max }]) =>
      /** @type {const} */ ([phase, short(p50), short(p90), short(p99), short(max)]),
  );
  if (rows.length === 0) return [el('p', { class: 'quiet' }, 'Nothing measured yet.')];
  return [table(['phase', '50 %', '90 %', '99 %', 'most'], rows)];
}

/** @param {StatusAnswer['totals']['dns']} dns */
function dns({ zone, cached, joined, network, failed, entries }) {
  const asked = zone + cached + joined + network;
  const parts = [
    { name: 'from the cache', value: cached, kind: 'good' },
    { name: 'from the zone file', value: zone, kind: 'neutral' },
    { name: 'joined another question', value: joined, kind: 'neutral' },
    { name: 'asked the network', value: network, kind: 'doubtful' },
  ];
  return [
    shares(`${short(asked)} questions`, parts, ` ${percent(cached + joined, asked)} saved`),
    el(
      'p',
      { class: failed > 0 ? 'some' : 'quiet' },
      `${short(failed)} failed; ${short(entries)} answers in the cache`,
    ),
  ];
}

/** @param {StatusAnswer['workers']} workers */
function processes(workers) {
  const rows = workers.map(
    ({ pid, startedAt, residentBytes, spool, eventLoop }) =>
      /** @type {const} */ ([
        String(pid),
        since(startedAt),
        size(residentBytes),
        `${spool.messages} · ${size(spool.memoryBytes + spool.diskBytes)}`,
        `${short(eventLoop.p50)} / ${short(eventLoop.p99)}`,
      ]),
  );
  return [table(['pid', 'up', 'memory', 'spool', 'loop late, ms'], rows)];
}
