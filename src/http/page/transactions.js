// The list of the last transactions, which grows while one looks at it.
import { address, byId, clock, el, short, told } from './dom.js';
import { kindOf } from './overview.js';

/** @typedef {import('../answers.ts').TransactionRow} TransactionRow */

/** More than anybody reads, and what a phone draws at once. */
const maxRows = 200;

/** @type {TransactionRow[]} newest first */
let rows = [];
/** @type {Map<string, HTMLTableRowElement>} */
let drawn = new Map();
let paused = false;
let planned = false;
/** Ended, and there were too many to tell of each. */
let omitted = 0;

/** Makes its controls work. */
export function startTransactions() {
  const pause = byId('pause');
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    pause.textContent = paused ? 'Go on' : 'Pause';
    draw();
  });
  byId('find').addEventListener('input', () => draw(true));
}

/** @param {readonly TransactionRow[]} all newest first */
export function showTransactions(all) {
  rows = all.slice(0, maxRows);
  plan();
}

/** @param {TransactionRow & { readonly omitted?: number }} row */
export function addTransaction(row) {
  rows = [row, ...rows.filter(({ id }) => id !== row.id)].slice(0, maxRows);
  omitted += row.omitted ?? 0;
  plan();
}

/** Those that come together are drawn together. */
function plan() {
  if (planned) return;
  planned = true;
  setTimeout(() => {
    planned = false;
    draw();
  }, 250);
}

/** @param {boolean} evenPaused */
function draw(evenPaused = false) {
  if (paused && !evenPaused) return;
  const wanted = /** @type {HTMLInputElement} */ (byId('find')).value.trim().toLowerCase();
  const found =
    wanted === '' ? rows : rows.filter((row) => JSON.stringify(row).toLowerCase().includes(wanted));
  const next = new Map(found.map((row) => [row.id, drawn.get(row.id) ?? draw1(row)]));
  drawn = next;
  const body = byId('transactions').querySelector('tbody');
  // A row that stays where it is keeps its focus.
  for (const [i, element] of [...next.values()].entries()) {
    const there = body?.children[i];
    if (there !== element) body?.insertBefore(element, there ?? null);
  }
  while (body && body.children.length > next.size) body.lastElementChild?.remove();
  const none = byId('none');
  none.hidden = found.length > 0 && omitted === 0;
  none.textContent =
    found.length > 0
      ? `${short(omitted)} more went through too fast to be listed.`
      : wanted === ''
        ? 'None yet.'
        : 'None of those listed.';
}

/** @param {TransactionRow} row */
function draw1(row) {
  const {
    id,
    time,
    from,
    to,
    recipients,
    client,
    listener,
    results,
    disposition,
    reply,
    replyClass,
    milliseconds,
  } = row;
  const more = recipients > 1 ? el('small', {}, ` and ${recipients - 1} more`) : '';
  return el(
    'tr',
    {},
    el('td', { class: 'when' }, clock(time), el('small', {}, told(listener))),
    el(
      'td',
      { class: 'who' },
      el('a', { href: `#${encodeURIComponent(id)}` }, address(from)),
      el(
        'span',
        {},
        el('span', { class: 'quiet' }, '→ '),
        to === undefined ? `${recipients} recipients` : told(to),
        more,
      ),
    ),
    el(
      'td',
      { class: 'client' },
      told(client?.ip ?? ''),
      el('small', {}, told(client?.name ?? client?.helo ?? '')),
    ),
    el('td', { class: 'results' }, ...chips(results)),
    el(
      'td',
      { class: 'done' },
      el('span', { class: `disposition ${disposition}` }, told(disposition)),
      el('small', { class: `reply r${replyClass ?? ''}` }, told(reply ?? '')),
    ),
    el('td', { class: 'number took' }, milliseconds === undefined ? '' : short(milliseconds)),
  );
}

/**
 * Each result in a word, coloured by its gravest value.
 *
 * @param {TransactionRow['results']} results
 */
function chips(results) {
  return Object.entries(results).flatMap(([method, values]) => {
    const kinds = values.split(',').map(kindOf);
    const kind = ['bad', 'error', 'doubtful', 'good'].find((each) => kinds.includes(each)) ?? 'neutral';
    return [el('span', { class: `chip ${kind}` }, `${method} `, told(values)), ' '];
  });
}
