// What the checks found, what they asked for it, and why.
import { timeline } from './charts.js';
import { el, told } from './dom.js';
import { kindOf } from './values.js';

/**
 * @typedef {{ readonly name: string, readonly type: string, readonly startMilliseconds: number, readonly milliseconds: number, readonly answer?: unknown, readonly failure?: string }} Question
 * @typedef {{ readonly ptype: string, readonly property: string, readonly value: string, readonly comment?: string }} Property
 * @typedef {{ readonly method: string, readonly value: string, readonly reason?: string, readonly comment?: string, readonly properties: readonly Property[] }} Result
 * @typedef {{ readonly check: string, readonly skippedFor?: string, readonly questions: readonly Question[], readonly facts: readonly { readonly fact: string, readonly value: unknown }[], readonly omitted?: number, readonly results: readonly Result[] }} CheckStory
 */

/** @param {readonly CheckStory[]} checks */
export function results(checks) {
  const rows = checks.flatMap((check) =>
    check.results.map(({ method, value, reason, comment, properties }) =>
      el(
        'tr',
        {},
        el('th', { scope: 'row' }, method),
        el('td', {}, el('span', { class: `chip ${kindOf(value)}` }, told(value))),
        el(
          'td',
          {},
          [reason, comment].some(Boolean) &&
            el('div', {}, told([reason, comment].filter(Boolean).join('; '))),
          ...properties.flatMap((each) => [
            el('code', {}, `${each.ptype}.${each.property}=`, told(each.value)),
            ' ',
          ]),
        ),
      ),
    ),
  );
  return el('table', { class: 'found' }, el('tbody', {}, ...rows));
}

/**
 * When each question was asked and how long its answer took, in the order in which they were asked.
 *
 * @param {readonly CheckStory[]} checks
 * @param {readonly import('./charts.js').Bar[]} phases of the transaction
 */
export function questionBars(checks, phases) {
  const bars = checks.flatMap(({ check, questions }) =>
    questions.map(({ name, type, startMilliseconds, milliseconds, failure }) => ({
      name: el('span', {}, el('small', {}, `${check} `), told(name), el('small', {}, ` ${type}`)),
      begin: startMilliseconds,
      length: milliseconds,
      kind: failure === undefined || failure === 'ENOTFOUND' || failure === 'ENODATA' ? 'question' : 'failed',
    })),
  );
  bars.sort((one, other) => one.begin - other.begin);
  const label =
    'When each was asked, counted from MAIL, and how long its answer took; thin lines are ends of phases';
  return bars.length === 0 ? [] : [el('h3', {}, 'DNS questions'), timeline(bars, label, phases)];
}

/** @param {CheckStory} check */
export function why({ check, skippedFor, questions, facts, omitted = 0, results }) {
  const said =
    results.map(({ value }) => value).join(', ') ||
    (skippedFor === undefined ? 'nothing said' : `skipped for ${skippedFor} clients`);
  return el(
    'details',
    {},
    el('summary', {}, el('b', {}, check), ' ', el('small', {}, said)),
    el(
      'dl',
      { class: 'facts' },
      ...questions.map(({ name, type, answer, failure }) =>
        el(
          'div',
          {},
          el('dt', {}, `${type} `, told(name)),
          el(
            'dd',
            {},
            failure === undefined ? plain(answer) : el('span', { class: 'failure' }, told(failure)),
          ),
        ),
      ),
      ...facts.map((each) => el('div', {}, el('dt', {}, each.fact), el('dd', {}, plain(each.value)))),
    ),
    omitted > 0 && el('p', { class: 'quiet' }, `${omitted} more were not kept.`),
  );
}

/**
 * Plain data, each part of it in a line of its own.
 *
 * @param {unknown} data
 */
export function plain(data) {
  if (Array.isArray(data)) return lines(data.map((each) => told(isTexts(each) ? each.join('') : each)));
  if (typeof data !== 'object' || data === null) return told(data);
  return lines(
    Object.entries(data).map(([key, each]) =>
      el('span', {}, el('span', { class: 'quiet' }, told(key), ' '), told(each)),
    ),
  );
}

/** What TXT records come as: the pieces of one text. @param {unknown} data */
function isTexts(data) {
  return Array.isArray(data) && data.every((each) => typeof each === 'string');
}

/** @param {readonly Node[]} nodes */
function lines(nodes) {
  return el('span', {}, ...nodes.flatMap((node, i) => (i === 0 ? [node] : [el('br'), node])));
}
