// Listeners with their pools and destinations.
import { el, table, told } from './dom.js';

/**
 * @typedef {import('../answers.ts').StatusAnswer} StatusAnswer
 * @typedef {StatusAnswer['workers'][number]['listeners'][number]} Listener
 */

/**
 * Each listener once, all processes together.
 *
 * @param {StatusAnswer['workers']} workers
 */
export function pools(workers) {
  /** @type {Map<string, [Listener, ...Listener[]]>} */
  const byName = new Map();
  for (const listener of workers.flatMap(({ listeners }) => listeners)) {
    const others = byName.get(listener.name);
    if (others) others.push(listener);
    else byName.set(listener.name, [listener]);
  }
  const rows = [...byName.values()].map(row);
  return [table(['listener, destinations', 'open', 'busy', 'idle', 'size', 'waiting', 'failed'], rows)];
}

/**
 * @param {[Listener, ...Listener[]]} all the same one in each process
 * @returns {[Node, ...number[]]}
 */
function row(all) {
  const sum = (/** @type {(each: Listener) => number} */ of) =>
    all.reduce((total, each) => total + of(each), 0);
  return [
    door(all),
    sum(({ connections }) => connections),
    sum(({ pool }) => pool.busy),
    sum(({ pool }) => pool.idle),
    sum(({ pool }) => pool.size),
    sum(({ pool }) => pool.waiting),
    sum(({ pool }) => pool.failures),
  ];
}

/** @param {[Listener, ...Listener[]]} all */
function door(all) {
  const [{ name, mode, address, destinations }] = all;
  const down = all.filter(({ reachable }) => !reachable).length;
  const dot =
    down === 0
      ? el('span', { class: 'dot good' }, 'reachable')
      : down === all.length
        ? el('span', { class: 'dot bad' }, 'unreachable')
        : el('span', { class: 'dot doubtful' }, `unreachable in ${down} of ${all.length} processes`);
  return el(
    'div',
    { class: 'door' },
    el('b', {}, name),
    el('small', {}, ` ${mode} on ${address}`),
    el('p', {}, dot, ' ', told(destinations.join(', '))),
  );
}
