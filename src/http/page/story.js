// One transaction: who, what was found and why, and where its time went.
import { timeline } from './charts.js';
import { address, clock, el, size, told } from './dom.js';
import { kindOf } from './overview.js';

/**
 * @typedef {import('../answers.ts').TransactionAnswer} TransactionAnswer
 * @typedef {{ readonly name: string, readonly type: string, readonly milliseconds: number, readonly answer?: unknown, readonly failure?: string }} Question
 * @typedef {{ readonly ptype: string, readonly property: string, readonly value: string, readonly comment?: string }} Property
 * @typedef {{ readonly method: string, readonly value: string, readonly reason?: string, readonly comment?: string, readonly properties: readonly Property[] }} Result
 * @typedef {{ readonly check: string, readonly skippedFor?: string, readonly questions: readonly Question[], readonly facts: readonly { readonly fact: string, readonly value: unknown }[], readonly omitted?: number, readonly results: readonly Result[] }} CheckStory
 * @typedef {{ readonly [key: string]: unknown }} Fields
 */

/** In the order in which they happen. */
const phases = ['envelope', 'receive', 'authenticate', 'relay'];

/** What has a place of its own. */
const placed = new Set([
  'id',
  'from',
  'recipients',
  'client',
  'results',
  'milliseconds',
  'replies',
  'disposition',
  'sizeBytes',
]);

/** @param {TransactionAnswer} answer */
export function story({ id, time, record, explanation }) {
  const checks = Array.isArray(explanation) ? /** @type {readonly CheckStory[]} */ (explanation) : undefined;
  return [
    el('p', {}, el('a', { href: '#overview', class: 'back' }, '← All transactions')),
    el(
      'h2',
      { class: 'envelope' },
      address(String(record.from ?? '')),
      ' ',
      el('span', { class: 'quiet' }, '→'),
      ' ',
      ...recipientsInShort(record),
    ),
    el(
      'p',
      { class: 'outcome' },
      el('span', { class: `disposition ${record.disposition}` }, told(record.disposition)),
      ' ',
      ...finalReplies(record),
    ),
    ...phaseBars(record),
    el('h3', {}, 'Client and message'),
    facts(id, time, record),
    el('h3', {}, 'Recipients'),
    recipients(record),
    el('h3', {}, 'Results'),
    ...(checks
      ? [results(checks), ...questionBars(checks), el('h3', {}, 'Why'), ...checks.map(why)]
      : unexplained(record)),
  ];
}

/** @param {string} text */
export function noStory(text) {
  return [
    el('p', {}, el('a', { href: '#overview', class: 'back' }, '← All transactions')),
    el('p', { class: 'notice' }, text),
  ];
}

/** @param {unknown} value @returns {Fields} */
function fieldsOf(value) {
  return typeof value === 'object' && value !== null ? /** @type {Fields} */ (value) : {};
}

/** @param {Fields} record */
function recipientList({ recipients }) {
  return Array.isArray(recipients) ? recipients.map(fieldsOf) : [];
}

/** @param {Fields} record */
function recipientsInShort(record) {
  const [first, ...rest] = recipientList(record);
  if (!first) return [el('span', { class: 'quiet' }, 'nobody')];
  return [
    told(first.to),
    rest.length > 0 && el('small', {}, ` and ${rest.length + Number(record.recipientsOmitted ?? 0)} more`),
  ].filter((each) => each !== false);
}

/** @param {Fields} record */
function finalReplies({ replies, aborted }) {
  const texts = Array.isArray(replies) ? replies : [];
  if (texts.length === 0)
    return [
      el('span', { class: 'quiet' }, 'no final reply', aborted === undefined ? '' : ': ', told(aborted)),
    ];
  return texts.map((reply) => el('span', { class: `reply r${String(reply)[0]}xx` }, told(reply), ' '));
}

/** @param {Fields} record */
function phaseBars({ milliseconds }) {
  const took = fieldsOf(milliseconds);
  let begin = 0;
  const bars = phases.flatMap((name) => {
    const length = Number(took[name] ?? Number.NaN);
    if (!Number.isFinite(length)) return [];
    begin += length;
    return [{ name, begin: begin - length, length }];
  });
  if (bars.length === 0) return [];
  return [timeline(bars, `Where ${took.total ?? Math.round(begin * 10) / 10} ms went`)];
}

/**
 * @param {string} id
 * @param {string} time
 * @param {Fields} record
 */
function facts(id, time, record) {
  const client = fieldsOf(record.client);
  const known = (/** @type {unknown} */ value) =>
    value === undefined ? el('span', { class: 'quiet' }, 'unknown') : told(value);
  /** @type {[string, Node][]} */
  const rows = [
    ['id', told(id)],
    ['ended', el('span', {}, clock(time), el('small', {}, ` ${time}`))],
    ['client address', known(client.ip)],
    ['client name', known(client.name)],
    ['HELO', known(client.helo)],
    ['size', el('span', {}, size(Number(record.sizeBytes ?? 0)))],
    ...Object.entries(record)
      .filter(([key]) => !placed.has(key))
      .map(([key, value]) => /** @type {[string, Node]} */ ([spelled(key), told(value)])),
  ];
  return el(
    'dl',
    { class: 'facts' },
    ...rows.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
  );
}

/** @param {string} key clientClass → client class */
function spelled(key) {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** @param {Fields} record */
function recipients(record) {
  const all = recipientList(record);
  if (all.length === 0) return el('p', { class: 'quiet' }, 'None was asked for.');
  const items = all.map(({ to, reply, reason }) =>
    el(
      'li',
      {},
      told(to),
      ' ',
      el('small', { class: `reply r${String(reply)[0]}xx` }, told(reply)),
      reason === undefined ? '' : el('small', {}, ' ', told(reason)),
    ),
  );
  const omitted = Number(record.recipientsOmitted ?? 0);
  return el(
    'ul',
    { class: 'recipients' },
    ...items,
    omitted > 0 && el('li', { class: 'quiet' }, `${omitted} more`),
  );
}

/** @param {readonly CheckStory[]} checks */
function results(checks) {
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

/** @param {readonly CheckStory[]} checks */
function questionBars(checks) {
  const bars = checks.flatMap(({ check, questions }) =>
    questions.map(({ name, type, milliseconds, failure }) => ({
      name: el('span', {}, el('small', {}, `${check} `), told(name), el('small', {}, ` ${type}`)),
      begin: 0,
      length: milliseconds,
      kind: failure === undefined || failure === 'ENOTFOUND' || failure === 'ENODATA' ? 'question' : 'failed',
    })),
  );
  return bars.length === 0
    ? []
    : [el('h3', {}, 'DNS questions'), timeline(bars, 'How long each answer took')];
}

/** @param {CheckStory} check */
function why({ check, skippedFor, questions, facts, omitted = 0, results }) {
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
            failure === undefined ? value(answer) : el('span', { class: 'failure' }, told(failure)),
          ),
        ),
      ),
      ...facts.map((each) => el('div', {}, el('dt', {}, each.fact), el('dd', {}, value(each.value)))),
    ),
    omitted > 0 && el('p', { class: 'quiet' }, `${omitted} more were not kept.`),
  );
}

/** @param {unknown} plain */
function value(plain) {
  if (Array.isArray(plain) && plain.every((each) => typeof each !== 'object' || Array.isArray(each))) {
    return el(
      'span',
      {},
      ...plain.flatMap((each, i) => [i > 0 && el('br'), told(Array.isArray(each) ? each.join('') : each)]),
    );
  }
  return told(plain);
}

/** @param {Fields} record */
function unexplained(record) {
  const found = Object.entries(fieldsOf(record.results));
  const chips = found.flatMap(([method, values]) => [
    el('span', { class: `chip ${kindOf(String(values))}` }, `${method} `, told(values)),
    ' ',
  ]);
  return [
    chips.length > 0 ? el('p', {}, ...chips) : el('p', { class: 'quiet' }, 'The message was not judged.'),
    el(
      'p',
      { class: 'notice' },
      'Why is not kept: set trace.keep in the configuration to keep the explanations of the last transactions.',
    ),
  ];
}
