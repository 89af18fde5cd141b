// The log: one line for each event, whatever its fields hold.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { DownstreamError } from '../../src/relay/error.ts';
import { createLog, type Log, silentLog } from '../../src/telemetry/log.ts';
import type { LogLevel } from '../../src/telemetry/log-options.ts';

/** The lines that a log writes while `tell` uses it. */
function linesOf(
  options: { readonly level?: LogLevel; readonly format: 'json' | 'text' },
  tell: (log: Log) => void,
): string[] {
  const stream = new PassThrough();
  tell(createLog({ level: 'info', ...options, stream }));
  const text = String(stream.read() ?? '');
  assert.ok(text === '' || text.endsWith('\n'));
  return text.split('\n').slice(0, -1);
}

function json(tell: (log: Log) => void, level: LogLevel = 'info'): Record<string, unknown>[] {
  return linesOf({ level, format: 'json' }, tell).map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('an event is one JSON object with time, level, event and its fields', () => {
  const [{ time, ...rest } = {}] = json((log) => log.info('message', { id: 'a.b', recipients: 2, ok: true }));
  assert.deepEqual(rest, { level: 'info', event: 'message', id: 'a.b', recipients: 2, ok: true });
  assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
});

test('fields have no influence on time, level and event, nor on winston', () => {
  const fields = { level: 'error', event: 'x', time: 'x', message: 'm', splat: [1], stack: 's' };
  const [{ time, ...rest } = {}] = json((log) => log.info('message', fields));
  assert.deepEqual(rest, { level: 'info', event: 'message', message: 'm', splat: [1], stack: 's' });
  assert.notEqual(time, 'x');
});

test('a level is told together with all graver ones', () => {
  const all = (log: Log) => {
    log.debug('d');
    log.info('i');
    log.warn('w');
    log.error('e');
  };
  const events = (level: LogLevel) => json(all, level).map(({ event }) => event);
  assert.deepEqual(events('error'), ['e']);
  assert.deepEqual(events('warn'), ['w', 'e']);
  assert.deepEqual(events('info'), ['i', 'w', 'e']);
  assert.deepEqual(events('debug'), ['d', 'i', 'w', 'e']);
});

test('text is for people: time, level, event, key=value', () => {
  const [line = ''] = linesOf({ format: 'text' }, (log) =>
    log.warn('check failed', { check: 'spf', text: 'two words', n: 3, none: undefined, list: [1] }),
  );
  assert.match(
    line,
    /^\d{4}-\d\d-\d\dT[\d:.]+Z WARN {2}check failed check=spf text="two words" n=3 list=\[1\]$/,
  );
});

test('a transaction in text is told as a mail server does it', () => {
  const fields = {
    client: { ip: '192.0.2.10', name: 'mail.example.com', helo: 'hello.example' },
    from: 'a@example.com',
    recipients: [
      { to: 'b@example.net', reply: '250 2.1.5 Ok' },
      { to: 'c@example.net', reply: '550 5.1.1 unknown' },
      { to: 'd@example.net', reply: '250 2.1.5 Ok' },
      { to: 'e@example.net', reply: '450 4.7.1 later', reason: 'rule grey' },
    ],
    results: { spf: 'pass', dkim: 'pass,fail' },
    milliseconds: { total: 3, relay: 1 },
    replies: ['250 2.0.0 Ok', '451 4.3.0 later'],
    tls: { version: 'TLSv1.3', cipher: 'X' },
  };
  const [line = ''] = linesOf({ format: 'text' }, (log) => log.info('transaction', fields));
  const words = [
    'transaction client=mail.example.com[192.0.2.10] helo=hello.example from=<a@example.com>',
    'to=<b@example.net>,<d@example.net> refused="<c@example.net> 550 5.1.1 unknown"',
    'refused="<e@example.net> 450 4.7.1 later (rule grey)" results="spf=pass dkim=pass,fail"',
    'ms="total 3, relay 1" reply="250 2.0.0 Ok, 451 4.3.0 later" tls="TLSv1.3 X"',
  ];
  assert.equal(line.slice(line.indexOf('transaction')), words.join(' '));
});

test('of nobody a transaction in text says so, and no more', () => {
  const fields = { client: {}, from: '', recipients: [], replies: [] };
  const [line = ''] = linesOf({ format: 'text' }, (log) => log.info('transaction', fields));
  assert.match(line, / transaction client=unknown\[unknown\] from=<>$/);
});

test('a log that is closed tells nothing any more, nor has winston anything to say of that', ({ mock }) => {
  const complain = mock.method(console, 'error', () => undefined);
  const stream = new PassThrough();
  const log = createLog({ level: 'info', format: 'json', stream });
  log.close();
  log.error('too late');
  assert.equal(stream.read(), null);
  assert.equal(complain.mock.callCount(), 0);
});

test('no field can make a second line, or move a terminal’s cursor', () => {
  const evil = 'a\r\nb\x1b[2J\x7f\x9b\u2028c\0';
  for (const format of ['json', 'text'] as const) {
    const lines = linesOf({ format }, (log) => log.info(`event\n${evil}`, { [`key\n${evil}`]: evil }));
    assert.equal(lines.length, 1);
    assert.doesNotMatch(lines[0] ?? '', /[\p{Cc}\u2028]/u);
  }
  assert.equal(json((log) => log.info('event', { evil }))[0]?.evil, evil);
});

test('a value in text cannot pass for another field', () => {
  const [line = ''] = linesOf({ format: 'text' }, (log) => log.info('e', { a: 'x b=1', c: '"', d: '' }));
  assert.match(line, / a="x b=1" c="\\"" d=""$/);
});

test('a bigint is told as its digits', () => {
  assert.equal(json((log) => log.info('e', { n: 2n ** 64n }))[0]?.n, '18446744073709551616');
});

test('what a downstream did is no mistake of ours: no stack at debug either', () => {
  const cause = new Error('connect ECONNREFUSED 192.0.2.1:25');
  const error = new DownstreamError('connect', `no connection to smtp://192.0.2.1: ${cause.message}`, {
    cause,
  });
  for (const level of ['info', 'debug'] as const) {
    const [told = {}] = json((log) => log.warn('downstream failed', { error }), level);
    assert.equal(told.error, error.message);
  }
});

test('an error is its message, and at debug its stack and cause too', () => {
  const error = new Error('outer', { cause: new Error('inner') });
  assert.equal(json((log) => log.error('e', { error }))[0]?.error, 'outer');
  const told = json((log) => log.error('e', { error }), 'debug')[0]?.error as Record<string, unknown>;
  assert.equal(told.message, 'outer');
  assert.match(String(told.stack), /log\.test\.ts/);
  assert.equal((told.cause as Record<string, unknown>).message, 'inner');
});

test('an error without a message is told by its name', () => {
  assert.equal(json((log) => log.error('e', { error: new RangeError() }))[0]?.error, 'RangeError');
});

test('fields that cannot be written do not lose the event', () => {
  const loop: Record<string, unknown> = {};
  loop.loop = loop;
  const [line = {}] = json((log) => log.error('still told', { loop }));
  assert.equal(line.event, 'still told');
  assert.match(String(line.unreadable), /circular/i);
});

test('the silent log takes everything and tells nothing', () => {
  for (const level of ['error', 'warn', 'info', 'debug'] as const) silentLog[level]('event', { a: 1 });
});
