// One transaction: who, what was found and why, and where its time went.
import { timeline } from './charts.js';
import { address, clock, el, size, told } from './dom.js';
import { plain, questionBars, results, why } from './findings.js';
import { kindOf } from './values.js';

/**
 * @typedef {import('../answers.ts').TransactionAnswer} TransactionAnswer
 * @typedef {import('./findings.js').CheckStory} CheckStory
 * @typedef {{ readonly [key: string]: unknown }} Fields
 */

/** In the order in which they happen. */
const phaseNames = ['envelope', 'receive', 'authenticate', 'relay'];

/** What has a place of its own. */
const placed = new Set([
  'id',
  'from',
  'recipients',
  'client',
  'results',
  'milliseconds',
  'replies',
  'replyClass',
  'moreReplies',
  'moreRecipients',
  'disposition',
  'sizeBytes',
]);

/** @param {TransactionAnswer} answer */
export function story({ id, time, record, explanation }) {
  const phases = phaseBars(record);
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
    ...phaseTimeline(record, phases),
    el('h3', {}, 'Client and message'),
    facts(id, time, record),
    el('h3', {}, 'Recipients'),
    recipients(record),
    el('h3', {}, 'Results'),
    ...(checks
      ? [results(checks), ...questionBars(checks, phases), el('h3', {}, 'Why'), ...checks.map(why)]
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

/** How many were asked for besides those in the list: the log's line has ten. @param {Fields} record */
function untold({ moreRecipients }) {
  return Number(moreRecipients ?? 0);
}

/** @param {Fields} record */
function recipientsInShort(record) {
  const [first, ...rest] = recipientList(record);
  const more = rest.length + untold(record);
  if (!first) return [el('span', { class: 'quiet' }, 'nobody')];
  return [told(first.to), more > 0 && el('small', {}, ` and ${more} more`)].filter((each) => each !== false);
}

/** @param {Fields} record */
function finalReplies({ replies, moreReplies, aborted }) {
  const texts = Array.isArray(replies) ? replies : [];
  if (texts.length === 0)
    return [
      el('span', { class: 'quiet' }, 'no final reply', aborted === undefined ? '' : ': ', told(aborted)),
    ];
  const more = Number(moreReplies ?? 0);
  return [
    ...texts.map((reply) => el('span', { class: `reply r${String(reply)[0]}xx` }, told(reply), ' ')),
    ...(more > 0 ? [el('small', {}, `and ${more} more`)] : []),
  ];
}

/** @param {Fields} record */
function phaseBars({ milliseconds }) {
  const took = fieldsOf(milliseconds);
  let begin = 0;
  return phaseNames.flatMap((name) => {
    const length = Number(took[name] ?? Number.NaN);
    if (!Number.isFinite(length)) return [];
    begin += length;
    return [{ name, begin: begin - length, length }];
  });
}

/**
 * @param {Fields} record
 * @param {readonly import('./charts.js').Bar[]} bars
 */
function phaseTimeline({ milliseconds }, bars) {
  if (bars.length === 0) return [];
  const sum = bars.reduce((all, { length }) => all + length, 0);
  return [timeline(bars, `Where ${fieldsOf(milliseconds).total ?? Math.round(sum * 10) / 10} ms went`)];
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
      .map(([key, value]) => /** @type {[string, Node]} */ ([spelled(key), plain(value)])),
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
  const omitted = untold(record);
  return el(
    'ul',
    { class: 'recipients' },
    ...items,
    omitted > 0 && el('li', { class: 'quiet' }, `${omitted} more`),
  );
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
      'Its explanation was not kept: trace.keep in the configuration says for how many transactions it is.',
    ),
  ];
}
