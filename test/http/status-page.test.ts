// The status page as a reader sees it: in a real browser, light and dark, wide and narrow.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startHttp } from '../../src/http/server.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { Browser, installedBrowser } from './browser.ts';
import { BusyObservatory, record, story } from './busy-observatory.ts';

const program = installedBrowser();
const skip = program === undefined && 'no Chromium';
const artefacts = join(import.meta.dirname, '../../test-artefacts');

/** A page in a browser, with traffic behind it. */
async function look(t: TestContext, { scheme, width }: { scheme: 'light' | 'dark'; width: number }) {
  const busy = new BusyObservatory();
  const server = await startHttp({
    address: { host: '127.0.0.1', port: 0 },
    observatory: busy.observatory,
    log: silentLog,
  });
  t.after(() => server.close());
  pass(t, busy);
  busy.tell(story.record);
  const browser = await Browser.start(program ?? '');
  t.after(() => browser[Symbol.asyncDispose]());
  await browser.show({ scheme, width, height: width < 600 ? 2600 : 1500 });
  await browser.open(`http://${server.address}/`);
  await browser.until(
    `document.querySelector('#numbers dd') && document.querySelector('#transactions tbody tr')`,
  );
  const picture = async (name: string) => {
    await mkdir(artefacts, { recursive: true });
    const file = join(artefacts, `status-${name}-${scheme}-${width}.png`);
    await browser.picture(file);
    t.diagnostic(`screenshot: ${file}`);
  };
  return { browser, busy, picture, server };
}

/** A quarter of an hour with its ups and downs goes by at once. */
function pass(t: TestContext, busy: BusyObservatory): void {
  const now = performance.now();
  let ahead = 0;
  t.mock.method(performance, 'now', () => now + ahead);
  for (let second = 0; second < 890; second += 1) {
    ahead = second * 1000;
    const count = Math.round(4 + 3 * Math.sin(second / 90) + (second % 7) / 3);
    const failing = second > 600 && second < 680;
    for (let i = 0; i < count; i += 1) busy.tell(usual(second * 10 + i, failing));
  }
}

function usual(i: number, failing: boolean) {
  const kinds = [
    {},
    { from: '', results: { iprev: 'pass', spf: 'none', dkim: 'none', arc: 'none', dmarc: 'none' } },
    {
      client: { ip: '2001:db8::4:17' },
      results: { iprev: 'temperror', spf: 'temperror', dkim: 'pass', arc: 'none', dmarc: 'pass' },
      disposition: 'tempfail',
      replies: ['451 4.7.1 try again later'],
      replyClass: '4xx',
    },
    {
      from: 'bounce+a-very-long-tag-with-a-number-0123456789@mailing.customers.newsletter.example.net',
      recipients: [
        { to: 'anna@example.com', reply: '250 ok' },
        { to: 'bert@example.com', reply: '250 ok' },
      ],
    },
  ];
  const total = 20 + ((i * 37) % 400);
  return record(`6f9c1e2a${i}.4XyZ1k2lMn${i}`, {
    ...kinds[failing && i % 3 === 0 ? 2 : (i * 7) % 5 === 3 ? i % 4 : 0],
    milliseconds: { envelope: 2, receive: total / 4, authenticate: total / 2, relay: total / 5, total },
  });
}

const longName = 'a-very-long-selector-name-2026-11._domainkey.newsletter.marketing.example.org';

/** Each row of the DNS questions, and where its bar begins and ends: percent of the whole transaction. */
const questionsDrawn = `[...document.querySelectorAll('#story .timeline:has(.question) tbody tr')].map((row) => {
  const [track, bar] = ['.track', '.question, .failed'].map((each) => row.querySelector(each).getBoundingClientRect());
  const percent = (x) => Math.round((100 * (x - track.x)) / track.width);
  return { name: row.querySelector('th').innerText, from: percent(bar.left), to: percent(bar.right) };
})`;

const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';

for (const scheme of ['light', 'dark'] as const) {
  for (const width of [1280, 360]) {
    test(`${scheme}, ${width} pixels wide: overview and explanation are there, and nothing is cut off`, {
      skip,
    }, async (t) => {
      const { browser, picture } = await look(t, { scheme, width });
      const text = async (selector: string) =>
        String(await browser.ask(`document.querySelector('${selector}').innerText`));
      assert.match(await text('#problems'), /mailboxes: no destination answers .* in 1 of 2 processes/);
      assert.match(await text('#numbers'), /transactions a second/);
      assert.match(await text('#checks'), /spf[\s\S]*pass \d+/);
      assert.match(await text('#latency'), /authenticate/);
      assert.match(await text('#pools'), /after-queue[\s\S]*smtp:\/\/127\.0\.0\.1:10026/);
      assert.match(await text('#dns'), /12,240 answers in the cache/);
      assert.equal(await browser.ask(`document.querySelectorAll('#transactions tbody tr').length`), 200);
      assert.match(await text('#transactions tbody tr'), /203\.0\.113\.66/);
      assert.equal(await browser.ask(overflow), 0);
      const ground = String(await browser.ask('getComputedStyle(document.body).backgroundColor'));
      const brightness = Number(/\d+/.exec(ground)?.[0]);
      assert.equal(brightness > 128, scheme === 'light', ground);
      await picture('overview');

      await browser.ask(`document.querySelector('#transactions tbody a').click()`);
      await browser.until(`document.querySelector('#story details')`);
      assert.match(
        await text('#story .timeline'),
        /envelope[\s\S]*receive[\s\S]*authenticate[\s\S]*1412\.5 ms[\s\S]*relay/,
      );
      assert.match(await text('#story'), /66\.113\.0\.203\.in-addr\.arpa PTR/);
      assert.deepEqual(await browser.ask(questionsDrawn), [
        { name: 'iprev 66.113.0.203.in-addr.arpa PTR', from: 0, to: 1 },
        { name: 'spf evil.example TXT', from: 0, to: 2 },
        { name: `dkim ${longName} TXT`, from: 0, to: 98 },
        { name: 'iprev host.example A', from: 1, to: 3 },
        { name: 'dmarc _dmarc.example.org TXT', from: 98, to: 99 },
      ]);
      assert.match(await text('#story .timeline:has(.question)'), /host\.example A\s+12\.8 ms\s+31\.2 ms/);
      assert.match(await text('#story'), /no name of it leads back to 203\.0\.113\.66/);
      await browser.ask(`for (const each of document.querySelectorAll('#story details')) each.open = true`);
      assert.equal(await browser.ask(overflow), 0);
      await picture('transaction');
      assert.deepEqual(browser.complaints, []);
    });
  }
}

test('what strangers write is shown, and is never more than text', { skip }, async (t) => {
  const { browser } = await look(t, { scheme: 'light', width: 1280 });
  const row = String(await browser.ask(`document.querySelector('#transactions tbody tr').innerText`));
  assert.ok(row.includes('<img src=x onerror="document.title=1">\\u202e\\u001b[31m"@evil.example'), row);
  await browser.ask(`location.hash = '#${story.id}'`);
  await browser.until(`document.querySelector('#story details')`);
  assert.equal(
    await browser.ask(`document.querySelectorAll('#story img, #story script, #story b[onmouseover]').length`),
    0,
  );
  assert.ok(String(await browser.ask(`document.querySelector('#story').innerText`)).includes('</script>'));
  assert.match(String(await browser.ask('document.title')), /^6f9c1e2a\.4XyZ1k2lMnz/);
  assert.deepEqual(browser.complaints, []);
});

test('transactions appear while one looks, rest while paused, and can be found', { skip }, async (t) => {
  const { browser, busy } = await look(t, { scheme: 'light', width: 1280 });
  await browser.until(`document.querySelector('#live.good')`);
  busy.tell(record('fresh.1', { from: 'fresh@example.org' }));
  const top = `document.querySelector('#rows tr a').innerText`;
  await browser.until(`${top} === 'fresh@example.org'`);
  await browser.ask(`document.getElementById('pause').click()`);
  busy.tell(record('fresh.2', { from: 'later@example.org' }));
  await browser.until(`document.getElementById('pause').innerText === 'Go on (1 new)'`);
  assert.equal(await browser.ask(top), 'fresh@example.org');
  await browser.ask(`document.getElementById('pause').click()`);
  assert.equal(await browser.ask(top), 'later@example.org');
  await browser.ask(
    `{ const find = document.getElementById('find'); find.value = 'FRESH.1'; find.dispatchEvent(new Event('input')); }`,
  );
  assert.equal(await browser.ask(top), 'fresh@example.org');
  assert.equal(await browser.ask(`document.querySelectorAll('#rows tr').length`), 1);
  assert.deepEqual(browser.complaints, []);
});

test('of many recipients and replies the first are told, and how many more there are', {
  skip,
}, async (t) => {
  const { browser, busy } = await look(t, { scheme: 'light', width: 1280 });
  const recipients = ['anna', 'bert'].map((name) => ({ to: `${name}@example.com`, reply: '250 ok' }));
  const replies = ['250 anna saved', '451 4.2.1 later'];
  busy.tell(
    record('many.1', { recipients, moreRecipients: 40, replies, moreReplies: 39, replyClass: '4xx' }),
  );
  await browser.until(`document.querySelector('#rows a').hash === '#many.1'`);
  const row = String(await browser.ask(`document.querySelector('#rows tr').innerText`));
  assert.match(row, /anna@example\.com and 41 more/);
  assert.match(row, /451 4\.2\.1 later/);
  await browser.ask(`document.querySelector('#rows a').click()`);
  await browser.until(`document.querySelector('#story .recipients')`);
  const story = String(await browser.ask(`document.querySelector('#story').innerText`));
  assert.match(story, /anna@example\.com and 41 more/);
  assert.match(story, /451 4\.2\.1 later and 39 more/);
  assert.match(story, /bert@example\.com 250 ok\s+40 more/);
});

test('a transaction that is not known any more says so', { skip }, async (t) => {
  const { browser, server } = await look(t, { scheme: 'light', width: 1280 });
  await browser.open(`http://${server.address}/#gone%2Fsomewhere`);
  await browser.until(`document.querySelector('#story .notice')`);
  assert.match(String(await browser.ask(`document.querySelector('#story').innerText`)), /it is forgotten/);
});

test('the page says when the server is away', { skip }, async (t) => {
  const { browser, server } = await look(t, { scheme: 'light', width: 1280 });
  await browser.until(`document.querySelector('#live.good')`);
  await server.close();
  await browser.until(`document.querySelector('#live.bad')?.innerText === 'no connection'`);
});
