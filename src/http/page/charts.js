// Charts, drawn by hand as SVG: traffic over time, shares of a whole, the phases of a transaction.
import { el, percent, short, svg } from './dom.js';

/**
 * @typedef {import('../answers.ts').History} History
 * @typedef {{ readonly name: string, readonly value: number, readonly kind: string }} Part
 * @typedef {{ readonly name: string | Node, readonly begin: number, readonly length: number, readonly kind?: string }} Bar milliseconds
 */

const width = 720;
const height = 96;

/**
 * Transactions per second, those answered 4xx and 5xx in front.
 *
 * @param {History} history
 */
export function traffic({ secondsPerPoint, all, temporary, permanent }) {
  const most = Math.max(...all, 1);
  const step = width / Math.max(all.length - 1, 1);
  const area = (/** @type {readonly number[]} */ values) => {
    const points = values.map(
      (value, i) => `${(i * step).toFixed(1)},${(height - (value / most) * (height - 2)).toFixed(1)}`,
    );
    return `M0,${height}L${points.join('L')}L${width},${height}Z`;
  };
  const grave = temporary.map((value, i) => value + (permanent[i] ?? 0));
  const minutes = Math.round((all.length * secondsPerPoint) / 60);
  const sums = [all, temporary, permanent].map((values) => values.reduce((sum, value) => sum + value, 0));
  const label = `Transactions of the last ${minutes} minutes: ${sums[0]}, of these ${sums[1]} answered 4xx and ${sums[2]} answered 5xx`;
  return [
    svg(
      'svg',
      {
        viewBox: `0 0 ${width} ${height}`,
        preserveAspectRatio: 'none',
        class: 'traffic',
        role: 'img',
        'aria-label': label,
      },
      svg('path', { class: 'all', d: area(all) }),
      svg('path', { class: 'permanent', d: area(grave) }),
      svg('path', { class: 'temporary', d: area(temporary) }),
    ),
    el(
      'figcaption',
      {},
      el('span', {}, `${minutes} min ago`),
      el('span', {}, key('all', '2xx or none'), key('permanent', '5xx'), key('temporary', '4xx')),
      el('span', {}, `peak ${short(most / secondsPerPoint)}/s`),
    ),
  ];
}

/**
 * @param {string} kind
 * @param {string} text
 */
function key(kind, text) {
  return el('span', { class: `key ${kind}` }, text);
}

/**
 * Shares of a whole as one bar, with a legend of counts.
 *
 * @param {string} title
 * @param {readonly Part[]} parts
 * @param {string} [note] to the right of the title
 */
export function shares(title, parts, note = '') {
  const all = parts.reduce((sum, { value }) => sum + value, 0);
  let left = 0;
  const bars = parts.map(({ value, kind }) => {
    const share = all === 0 ? 0 : (100 * value) / all;
    left += share;
    return svg('rect', { x: left - share, y: 0, width: share, height: 1, class: kind });
  });
  const legend = parts.map(({ name, value, kind }) =>
    el('span', { class: `key ${kind}`, title: percent(value, all) }, `${name} `, el('b', {}, short(value))),
  );
  return el(
    'div',
    { class: 'shares' },
    el('h3', {}, title, el('small', {}, note)),
    svg('svg', { viewBox: '0 0 100 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, ...bars),
    el('p', { class: 'legend' }, ...legend),
  );
}

/**
 * Stretches of time, one below the other, on one scale.
 *
 * @param {readonly Bar[]} bars
 * @param {string} label what it shows
 * @param {readonly Bar[]} [behind] is on the same scale, and where one of these ends there is a line
 */
export function timeline(bars, label, behind = []) {
  const ends = behind.map(endOf);
  const end = Math.max(...bars.map(endOf), ...ends, 0.1);
  const lines = ends.map((at) => (100 * at) / end).filter((x) => x < 100);
  const rows = bars.map(({ name, begin, length, kind = 'phase' }) => {
    const x = (100 * begin) / end;
    // A stretch too short to be seen is still shown.
    const wide = Math.max((100 * length) / end, 0.4);
    return el(
      'tr',
      {},
      el('th', { scope: 'row' }, name),
      el(
        'td',
        { class: 'bars' },
        svg(
          'svg',
          { viewBox: '0 0 100 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          svg('rect', { x: 0, y: 0, width: 100, height: 1, class: 'track' }),
          ...lines.map((x) => svg('rect', { x, y: 0, width: 0.2, height: 1, class: 'line' })),
          svg('rect', { x: Math.min(x, 100 - wide), y: 0, width: wide, height: 1, class: kind }),
        ),
      ),
      behind.length > 0 && el('td', { class: 'number start' }, `${begin} ms`),
      el('td', { class: 'number' }, `${length} ms`),
    );
  });
  return el('table', { class: 'timeline' }, el('caption', {}, label), el('tbody', {}, ...rows));
}

/** @param {Bar} bar */
function endOf({ begin, length }) {
  return begin + length;
}
