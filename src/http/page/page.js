// The status page: follows the server's events, and shows the overview or one transaction.
import { byId, clock } from './dom.js';
import { showOverview } from './overview.js';
import { noStory, story } from './story.js';
import { addTransaction, showTransactions, startTransactions } from './transactions.js';

/** Two events may be late; then something is wrong with the connection. */
const silentMs = 7_000;

let heard = 0;

/**
 * @typedef {import('../answers.ts').TransactionAnswer} TransactionAnswer
 * @typedef {import('../answers.ts').TransactionsAnswer} TransactionsAnswer
 */

/** @param {string} path */
function ask(path) {
  return fetch(path, { signal: AbortSignal.timeout(10_000) });
}

/** The id in the address, as it is written there; '' for the overview. */
function askedFor() {
  const id = location.hash.slice(1);
  return id === 'overview' ? '' : id;
}

/** Shows what the address asks for: the overview, or the transaction whose id stands after the #. */
async function route() {
  const id = askedFor();
  const [overview, one] = [byId('overview'), byId('story')];
  overview.hidden = id !== '';
  one.hidden = id === '';
  document.title = id === '' ? 'Postern' : `${decoded(id)} - Postern`;
  one.replaceChildren();
  if (id === '') return;
  try {
    const answer = await ask(`api/transactions/${encodeURIComponent(decoded(id))}`);
    const body = await answer.json();
    // The reader has gone on meanwhile.
    if (askedFor() !== id) return;
    const shown = /** @type {TransactionAnswer} */ (body);
    one.replaceChildren(...(answer.ok ? story(shown) : noStory(body.error)));
  } catch (error) {
    one.replaceChildren(...noStory(String(error)));
  }
  one.focus();
  scrollTo(0, 0);
}

/** @param {string} id */
function decoded(id) {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

/** Asks for the list: in the beginning, and when the stream was away. */
async function list() {
  try {
    const answer = await ask('api/transactions?limit=200');
    const { transactions } = /** @type {TransactionsAnswer} */ (await answer.json());
    if (answer.ok) showTransactions(transactions);
  } catch {
    // The stream tells that the server is away.
  }
}

/** @param {string | Node} text @param {'good' | 'bad'} kind */
function live(text, kind) {
  const element = byId('live');
  element.className = kind;
  element.replaceChildren(text);
}

function follow() {
  const events = new EventSource('api/events');
  events.addEventListener('open', () => void list());
  events.addEventListener('status', ({ data }) => {
    heard = Date.now();
    const status = JSON.parse(data);
    live(clock(status.time), 'good');
    showOverview(status);
  });
  events.addEventListener('transaction', ({ data }) => addTransaction(JSON.parse(data)));
  events.addEventListener('silence', ({ data }) => live(JSON.parse(data).error, 'bad'));
  // It tries again by itself, unless the server said no.
  events.addEventListener('error', () => {
    live('no connection', 'bad');
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, 10_000);
  });
}

startTransactions();
addEventListener('hashchange', () => void route());
setInterval(() => {
  if (heard > 0 && Date.now() - heard > silentMs)
    live(`silent for ${Math.round((Date.now() - heard) / 1000)} s`, 'bad');
}, 1000);
follow();
await route();
