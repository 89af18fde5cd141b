// The list of the last transactions, which grows while one looks at it.
import { address, byId, clock, el, short, told } from './dom.js';
import { kindOf } from './values.js';

/**
 * @typedef {import('../answers.ts').TransactionRow} TransactionRow
 * @typedef {import('../answers.ts').TransactionEvent} TransactionEvent
 */

/** More than anybody reads, and what a phone draws at once. */
const maxRows = 200;

/** @type {readonly TransactionRow[]} newest first */
let rows = [];
/**
 * What the reader wants to look at in peace; undefined: whatever comes.
 *
 * @type {{ readonly rows: readonly TransactionRow[], fresh: number } | undefined}
 */
let paused;
/** Rows that are on the page, by id. @type {ReadonlyMap<string, HTMLTableRowElement>} */
let drawn = new Map();
let planned = false;
/** Ended, and there were too many to tell of each. */
let omitted = 0;

/** What is a table stays one for screen readers, also on a phone, where its rows are laid out as blocks. */
const roles = { thead: 'rowgroup', tbody: 'rowgroup', tr: 'row', th: 'columnheader' };

/** Makes its controls work. */
export function startTransactions() {
  const table = byId('transactions');
  table.setAttribute('role', 'table');
  for (const [name, role] of Object.entries(roles)) {
    for (const part of table.querySelectorAll(name)) part.setAttribute('role', role);
  }
  byId('pause').addEventListener('click', () => {
    paused = paused ? undefined : { rows, fresh: 0 };
    draw();
  });
  byId('find').addEventListener('input', draw);
}

/** @param {readonly TransactionRow[]} all newest first */
export function showTransactions(all) {
  rows = all.slice(0, maxRows);
  plan();
}

/** @param {TransactionEvent} row */
export function addTransaction(row) {
  const { omitted: unseen = 0, ...shown } = row;
  rows = [shown, ...rows.filter(({ id }) => id !== row.id)].slice(0, maxRows);
  omitted += unseen;
  if (paused) paused.fresh += 1 + unseen;
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

function draw() {
  const all = paused?.rows ?? rows;
  const wanted = /** @type {HTMLInputElement} */ (byId('find')).value.trim().toLowerCase();
  const found = wanted === '' ? all : all.filter((row) => JSON.stringify(row).toLowerCase().includes(wanted));
  drawn = new Map(found.map((row) => [row.id, drawn.get(row.id) ?? tableRow(row)]));
  const body = byId('rows');
  // A row that stays where it is keeps its focus.
  for (const [i, element] of [...drawn.values()].entries()) {
    const there = body.children[i];
    if (there !== element) body.insertBefore(element, there ?? null);
  }
  while (body.children.length > drawn.size) body.lastElementChild?.remove();
  drawControls(found.length, wanted);
}

/**
 * @param {number} found
 * @param {string} wanted
 */
function drawControls(found, wanted) {
  const pause = byId('pause');
  pause.setAttribute('aria-pressed', String(paused !== undefined));
  pause.textContent = paused ? `Go on (${short(paused.fresh)} new)` : 'Pause';
  const note = byId('none');
  note.hidden = found > 0 && omitted === 0;
  if (found === 0) note.textContent = wanted === '' ? 'None yet.' : 'None of those that are listed.';
  else note.textContent = `${short(omitted)} more went through too fast to be listed.`;
}

/** @param {TransactionRow} row */
function tableRow(row) {
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
    { role: 'row' },
    el('td', { role: 'cell', class: 'when' }, clock(time), el('small', {}, told(listener))),
    el(
      'td',
      { role: 'cell', class: 'who' },
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
      { role: 'cell', class: 'client' },
      told(client?.ip ?? ''),
      el('small', {}, told(client?.name ?? client?.helo ?? '')),
    ),
    el('td', { role: 'cell', class: 'results' }, ...chips(results)),
    el(
      'td',
      { role: 'cell', class: 'done' },
      el('span', { class: `disposition ${disposition}` }, told(disposition)),
      el('small', { class: `reply r${replyClass ?? ''}` }, told(reply ?? '')),
    ),
    el('td', { role: 'cell', class: 'number took' }, milliseconds === undefined ? '' : short(milliseconds)),
  );
}

/**
 * Each result in a word, coloured by its best value: one good signature is enough.
 *
 * @param {TransactionRow['results']} results
 */
function chips(results) {
  return Object.entries(results).flatMap(([method, values]) => {
    const kinds = values.split(',').map(kindOf);
    const kind = ['good', 'doubtful', 'error', 'bad'].find((each) => kinds.includes(each)) ?? 'neutral';
    return [el('span', { class: `chip ${kind}` }, `${method} `, told(values)), ' '];
  });
}
