// `postern top`: what it asks, what it makes of the answer, and how it leaves the terminal.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { look } from '../../src/top/ask.ts';
import { fit, fitRight } from '../../src/top/columns.ts';
import { followInLines, followOnScreen, lookOnce } from '../../src/top/command.ts';
import { screen, summaryLine } from '../../src/top/screen.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';
import { row, Site, status } from './site.ts';

const never = new AbortController().signal;
const view = { status, transactions: [row] };
const texts = (columns: number, lines?: number, from = view) =>
  screen(from, '127.0.0.1:8025', { columns, ...(lines !== undefined && { lines }) }).map(({ text }) => text);

/** A terminal of a given size, and the keys beside it. */
class FakeTerminal extends EventEmitter {
  readonly isTTY = true;
  columns = 80;
  rows = 24;
  written = '';
  raw = false;
  readonly #watchers = new Set<() => void>();

  write(text: string): boolean {
    this.written += text;
    for (const watcher of this.#watchers) watcher();
    return true;
  }

  setRawMode(raw: boolean): this {
    this.raw = raw;
    return this;
  }

  resume(): void {}
  pause(): void {}

  /** Waits until something was written. */
  until(holds: (written: string) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watcher = () => {
        if (!holds(this.written)) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
      watcher();
    });
  }
}

test('rates, listeners of all processes, verdicts, DNS and the last messages fit into 80 columns', () => {
  const lines = texts(80, 40);
  assert.ok(lines.every((line) => line.length <= 80));
  const all = lines.join('\n');
  assert.match(all, /^postern {2}127\.0\.0\.1:8025 {2}ready {2}2 processes/);
  assert.match(all, /^messages\/s +12\.00 +11\.00 +10\.00$/m);
  assert.match(all, /^ {2}replies 4xx +12 +11 +10$/m);
  assert.match(all, /^inbound +6 +4 +8 +100 +2 +10 {2}smtp:\/\/127\.0\.0\.1/m);
  assert.match(all, /^spf +pass 80 {2}fail 20$/m);
  assert.match(all, /^DNS +100 questions \(75 % not asked again\) {2}2 failed {2}40 in the cache$/m);
  assert.match(all, /^latency +p50 9\.4 ms {2}p90 30 ms {2}p99 121 ms {2}max 300 ms$/m);
  assert.match(all, /^\d\d:\d\d:\d\d alice@example\.com +bob@example\.ne… dmarc=fail .*accept 250/m);
});

test('a low terminal shows the beginning, a narrow one is cut', () => {
  assert.equal(texts(80, 5).length, 5);
  assert.ok(texts(20, 24).every((line) => line.length <= 20));
});

test('what is wrong stands on top, the gravest in its colour', () => {
  const problems = [{ severity: 'bad', text: 'no destination answers' }];
  const lines = screen({ ...view, status: { ...status, ready: false, problems } }, 'x', { columns: 80 });
  assert.match(lines[0]?.text ?? '', /NOT READY/);
  assert.deepEqual(lines[1], { text: '! no destination answers', style: 'bad' });
});

test('what strangers wrote moves no cursor, and takes the cells it should', () => {
  const evil = {
    ...row,
    from: '\x1b[2J\u202e山田@example.jp',
    to: 'e\u0301'.repeat(100),
    reply: '550 \r\nfake',
  };
  const lines = texts(80, undefined, { status, transactions: [evil] });
  const last = lines.at(-1) ?? '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  assert.doesNotMatch(last, /[\x00-\x1f\x7f-\x9f\u202e]/);
  assert.match(last, /\\x1b\[2J/);
  assert.deepEqual(
    [fit('山田', 3), fit('山田太', 5), fit('abc', 5), fit('abcdef', 4)],
    ['山…', '山田…', 'abc  ', 'abc…'],
  );
  assert.deepEqual([fitRight('7', 3), fit('x', 0), fit('e\u0301', 2)], ['  7', '', 'e\u0301 ']);
});

test('one line has the rate, the replies and the gravest problem', () => {
  const problems = [{ severity: 'warn', text: 'slow\nnames' }];
  const line = summaryLine({ status: { ...status, problems }, transactions: [] });
  assert.equal(
    line,
    '2026-01-05T10:00:00.000Z  ready  12 messages/s  2xx 108  4xx 12  5xx 0  6 connections  total p99 121 ms  warn: slow\\x0anames',
  );
});

test('a look shows its token, and follows nobody elsewhere', async () => {
  await using site = await Site.start();
  const report = await lookOnce({ url: site.url, token: 'secret' }, 100, never);
  assert.match(report, /alice@example\.com/);
  assert.deepEqual(site.requests.map(({ url, headers }) => [url, headers.authorization]).sort(), [
    ['/api/status', 'Bearer secret'],
    ['/api/transactions?limit=100', 'Bearer secret'],
  ]);
  site.code = 302;
  await assert.rejects(look({ url: site.url, token: 'secret' }, never), { kind: 'unreachable' });
});

test('nobody there, a token that is wanted, and something else than a Postern are told apart', async () => {
  const site = await Site.start();
  const { url } = site;
  site.code = 401;
  await assert.rejects(look({ url }, never), {
    kind: 'permission',
    message: /401: it wants a token \(--token/,
  });
  await assert.rejects(look({ url, token: 'old' }, never), {
    kind: 'permission',
    message: /401: the token is wrong \(--token, or POSTERN_HTTP_TOKEN\)/,
  });
  site.code = 200;
  site.answers = { ...site.answers, '/api/status': { ready: 'perhaps' } };
  await assert.rejects(look({ url }, never), { kind: 'protocol', message: /not answer as a Postern/ });
  site.answers = { ...site.answers, '/api/status': '<html>' };
  await assert.rejects(look({ url }, never), { kind: 'protocol' });
  site.answers = {};
  await assert.rejects(look({ url }, never), { kind: 'protocol', message: /says 404/ });
  await site[Symbol.asyncDispose]();
  await assert.rejects(look({ url }, never), { kind: 'unreachable', message: /^no answer from 127/ });
});

test('a port where mail is taken is no Postern to ask', async () => {
  await using downstream = await ScriptedDownstream.start();
  await assert.rejects(look({ url: new URL(`http://127.0.0.1:${downstream.port}/`) }, never), {
    kind: 'protocol',
    message: /does not speak HTTP$/,
  });
});

test('without a terminal there is a line for each look, and one for each that failed', async () => {
  await using site = await Site.start();
  const ending = new AbortController();
  const lines: string[] = [];
  await followInLines(
    { url: site.url, intervalMs: 5, colours: false },
    (line) => {
      lines.push(line);
      site.code = lines.length === 1 ? 503 : 200;
      if (lines.length === 3) ending.abort();
    },
    ending.signal,
  );
  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? '', /^2026-\S+ {2}ready .*\n$/);
  assert.match(lines[1] ?? '', /^! 127\.0\.0\.1:\d+ says 503: .*\n$/);
  assert.match(lines[2] ?? '', / ready /);
});

test('the whole screen is borrowed, drawn again when its size changes, and given back', async () => {
  await using site = await Site.start();
  const terminal = new FakeTerminal();
  const options = { url: site.url, intervalMs: 60_000, colours: true };
  const watching = followOnScreen(options, terminal, terminal, never);
  await terminal.until((written) => written.includes('RESULTS'));
  assert.ok(terminal.written.startsWith('\x1b[?1049h'));
  assert.ok(terminal.raw);
  terminal.written = '';
  terminal.columns = 30;
  terminal.rows = 3;
  terminal.emit('resize');
  assert.equal(terminal.written.split('\r\n').length, 3);
  terminal.emit('data', Buffer.from('x'));
  terminal.emit('data', Buffer.from('q'));
  await watching;
  assert.ok(terminal.written.endsWith('\x1b[?1049l'));
  assert.equal(terminal.raw, false);
  assert.deepEqual([terminal.listenerCount('resize'), terminal.listenerCount('data')], [0, 0]);
});

test('a signal ends it as well, and a Postern that goes away leaves its last view on the screen', async () => {
  await using site = await Site.start();
  const terminal = new FakeTerminal();
  const ending = new AbortController();
  const options = { url: site.url, intervalMs: 5, colours: false };
  const watching = followOnScreen(options, terminal, terminal, ending.signal);
  await terminal.until((written) => written.includes('RESULTS'));
  site.code = 503;
  await terminal.until((written) => /says 503.*\r\npostern/s.test(written));
  ending.abort();
  await watching;
  assert.ok(terminal.written.endsWith('\x1b[?1049l'));
});

test('a first look that fails leaves the terminal alone', async () => {
  await using site = await Site.start();
  site.code = 401;
  const terminal = new FakeTerminal();
  const options = { url: site.url, intervalMs: 5, colours: false };
  await assert.rejects(followOnScreen(options, terminal, terminal, never), { kind: 'permission' });
  assert.equal(terminal.written, '');
});
