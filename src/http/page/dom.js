// Elements and texts: whatever a stranger chose becomes a text node, and nothing else.

/**
 * @typedef {Node | string | number | undefined | false} Child
 * @typedef {Readonly<Record<string, string | number | undefined>>} Attributes
 */

/**
 * An HTML element.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} attributes those that are undefined are left out
 * @param {...Child} children texts become text nodes
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/**
 * An SVG element.
 *
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} attributes
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Name]}
 */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

/**
 * @template {Element} Kind
 * @param {Kind} element
 * @param {Attributes} attributes
 * @param {readonly Child[]} children
 */
function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(key, String(value));
  }
  for (const child of children) {
    if (child !== undefined && child !== false)
      element.append(typeof child === 'number' ? String(child) : child);
  }
  return element;
}

/**
 * An element of the page.
 *
 * @param {string} id
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** Controls, line separators, and what changes the direction of text. */
const harmful = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/gu;

/**
 * A stranger's text, in which nothing is invisible and nothing turns its line round.
 *
 * @param {unknown} value
 */
export function told(value) {
  const text = typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
  return el(
    'bdi',
    {},
    text.replace(harmful, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

/**
 * A path of the envelope.
 *
 * @param {string} address '' for the null reverse-path
 */
export function address(address) {
  return address === '' ? el('span', { class: 'quiet' }, '<>') : told(address);
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });

/**
 * As many digits as are read at a glance.
 *
 * @param {number} value
 */
export function short(value) {
  return value !== 0 && Math.abs(value) < 10 ? fine.format(value) : whole.format(value);
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 4);
  return `${short(bytes / 2 ** (10 * power))} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

/**
 * @param {number} part
 * @param {number} all
 */
export function percent(part, all) {
  if (all === 0 || part === 0) return '0 %';
  return part * 1000 < all ? '< 0.1 %' : `${short((100 * part) / all)} %`;
}

/**
 * How long ago, in its largest unit.
 *
 * @param {string} time ISO 8601
 */
export function since(time) {
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/**
 * The time of day, on the reader's clock.
 *
 * @param {string} time ISO 8601
 */
export function clock(time) {
  const date = new Date(time);
  return el('time', { datetime: time, title: time }, date.toLocaleTimeString('en-GB'));
}

/**
 * A table, wide or narrow: on a phone its rows keep their columns.
 *
 * @param {readonly string[]} titles of the columns; all but the first hold numbers
 * @param {readonly (readonly [Child, ...Child[]])[]} rows the first cell names its row
 */
export function table(titles, rows) {
  const numeric = (/** @type {number} */ i) => (i === 0 ? undefined : 'number');
  return el(
    'table',
    {},
    el(
      'thead',
      {},
      el('tr', {}, ...titles.map((title, i) => el('th', { scope: 'col', class: numeric(i) }, title))),
    ),
    el(
      'tbody',
      {},
      ...rows.map(([name, ...cells]) =>
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, name),
          ...cells.map((cell) => el('td', { class: 'number' }, cell)),
        ),
      ),
    ),
  );
}
