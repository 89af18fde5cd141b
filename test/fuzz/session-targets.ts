// Whole sessions: recorded conversations, changed on both sides, held with a proxy; it answers, ends, and forgets them.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { Dialogue } from '../../src/listener/dialogue.ts';
import { formatReply } from '../../src/smtp/reply.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ChaoticPeer, type Trouble } from './chaotic-peer.ts';
import { hostileText, inPieces, type Run, type Target, waitingTarget } from './target.ts';

/** What the client says in each of the conversations, in lines. */
const recorded: readonly (readonly string[])[] = readRecorded(join(import.meta.dirname, '../dialogues'));

function readRecorded(folder: string): string[][] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .map((name) => {
      const lines = readFileSync(join(folder, name), 'utf8').split('\n');
      const said = lines.flatMap((line) => /^c -> ?(.*)$/.exec(line)?.slice(1) ?? []);
      return said.map(
        (line) => `${line.replaceAll('\\r', '\r').replaceAll('\\n', '\n').replaceAll('\\0', '\0')}\r\n`,
      );
    })
    .filter((lines) => lines.length > 1);
}

const bytes = hostileText(
  '\r\n',
  '.\r\n',
  '\n.\n',
  'RSET\r\n',
  'DATA\r\n',
  'QUIT\r\n',
  'EHLO x\r\n',
  'MAIL FROM:<a@b>\r\n',
  'RCPT TO:<c@d>\r\n',
  'STARTTLS\r\n',
  '250 ok\r\n',
);
const at = fc.nat(400);

/** How a conversation is changed, one change after the other. */
type Change = (lines: readonly string[]) => readonly string[];

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(at, fc.nat(200), bytes).map(
    ([line, column, by]): Change =>
      (lines) =>
        edited(lines, line, (text) => text.slice(0, column) + by + text.slice(column + by.length)),
  ),
  fc.tuple(at, fc.nat(200), bytes).map(
    ([line, column, by]): Change =>
      (lines) =>
        edited(lines, line, (text) => text.slice(0, column) + by + text.slice(column)),
  ),
  fc.tuple(at, fc.nat(200), fc.nat(30)).map(
    ([line, column, length]): Change =>
      (lines) =>
        edited(lines, line, (text) => text.slice(0, column) + text.slice(column + length)),
  ),
  fc.tuple(at, fc.integer({ min: 1, max: 30 })).map(
    ([line, times]): Change =>
      (lines) =>
        edited(lines, line, (text) => text.repeat(times)),
  ),
  at.map(
    (line): Change =>
      (lines) =>
        lines.filter((_, i) => i !== line % lines.length),
  ),
  fc.tuple(at, at).map(
    ([one, other]): Change =>
      (lines) => {
        const copy = [...lines];
        const [moved = ''] = copy.splice(one % lines.length, 1);
        copy.splice(other % lines.length, 0, moved);
        return copy;
      },
  ),
  fc.tuple(at, at).map(
    ([line, which]): Change =>
      (lines) =>
        lines.toSpliced(line % lines.length, 0, ...(recorded[which % recorded.length] ?? [])),
  ),
);

function edited(lines: readonly string[], line: number, edit: (text: string) => string): readonly string[] {
  return lines.map((text, i) => (i === line % lines.length ? edit(text) : text));
}

const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('replace' as const, 'append' as const),
    bytes: fc.oneof(
      bytes,
      fc.constantFrom(
        '421 bye\r\n',
        '550 no\r\n',
        '451-a\r\n451 b\r\n',
        '250-a\r\n',
        '354 x\r\n',
        '250 2.6.0 Stored\r\n',
      ),
    ),
  }),
  fc.constantFrom<Trouble>(
    { kind: 'repeat' },
    { kind: 'drop' },
    { kind: 'pieces' },
    { kind: 'close' },
    { kind: 'reset' },
  ),
);

const session = fc.record({
  proxy: fc.nat(2),
  lines: fc
    .tuple(fc.nat(recorded.length - 1), fc.array(change, { maxLength: 5 }))
    .map(([which, changes]) =>
      changes.reduce(
        (lines, apply) => (lines.length > 0 && lines.join('').length < 50_000 ? apply(lines) : lines),
        recorded[which] ?? [],
      ),
    ),
  cuts: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }),
  troubles: fc.array(fc.tuple(fc.nat(12), trouble), { maxLength: 3 }).map((all) => new Map(all)),
  end: fc.constantFrom('end', 'reset'),
});

type Session = typeof session extends fc.Arbitrary<infer T> ? T : never;

/** What a session may take when nothing goes on any more: the limits below, and a busy machine. */
const patienceMs = 15_000;

const limits = {
  idle: '1s',
  answer: '1s',
  transaction: '3s',
  command: '512B',
  header: '16KiB',
  recipients: 20,
};
const timeouts = {
  connect: '500ms',
  greeting: '300ms',
  hello: '300ms',
  mail: '300ms',
  rcpt: '300ms',
  data: '300ms',
  content: '300ms',
  final: '300ms',
};
const pool = { size: 8, wait: '500ms', backoff: '1ms', backoffMax: '5ms', checkAfter: '1m' };

/** The proxies that all sessions of a run share, each with its own downstream. */
class Stage implements AsyncDisposable {
  readonly places: readonly { readonly proxy: RunningProxy; readonly peer: ChaoticPeer }[];

  private constructor(places: Stage['places']) {
    this.places = places;
  }

  static async set(): Promise<Stage> {
    const places = [];
    for (const listener of [
      { mode: 'after-queue' },
      { mode: 'before-queue', bareNewlines: 'pass', envelope: 'deferred' },
      { mode: 'after-queue', bareNewlines: 'reject', protocol: 'lmtp' as const },
    ]) {
      const { protocol = 'smtp', ...keys } = listener;
      const peer = await ChaoticPeer.start(protocol);
      const proxy = await RunningProxy.start({
        listener: { ...keys, destinations: [peer.destination], limits, timeouts, pool },
        settings: { spool: { memory: '4KiB', messageLimit: '100kB' }, stopTimeout: '1s' },
        zone: { 'example.com': { TXT: ['v=spf1 -all'] } },
      });
      places.push({ proxy, peer });
    }
    return new Stage(places);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { proxy, peer } of this.places) {
      await proxy[Symbol.asyncDispose]();
      await until(() => peer.open === 0, 'a connection downstream is left');
      await peer[Symbol.asyncDispose]();
    }
  }

  async hold({ proxy: which, lines, cuts, troubles, end }: Session): Promise<void> {
    const { proxy, peer } = this.places[which] ?? assert.fail();
    peer.troubles = troubles;
    const granted = peer.grants;
    const logged = proxy.events.length;
    const text = lines.join('');
    const heard = await converse(proxy, text, cuts, end);
    await until(() => proxy.open === 0, 'a connection upstream is left');
    assert.deepEqual(peer.wrong, [], 'no command but ours');
    const replies = heard.split('\r\n');
    // A reset may cut a line.
    const last = replies.pop();
    if (end === 'end') assert.equal(last, '');
    for (const reply of replies) assert.match(reply, /^[2-5][0-9]{2}[ -][\t\x20-\x7e\x80-\xff]*$/);
    // In LMTP nobody knows from here to how many recipients a final reply is due.
    if (!/LHLO/i.test(text))
      assert.ok(finals(replies) <= peer.grants - granted, `${finals(replies)} messages were taken`);
    for (const { event, fields } of proxy.events.slice(logged)) {
      assert.notEqual(
        event,
        'internal error',
        JSON.stringify(fields, (_, value) => (value instanceof Error ? value.stack : value)),
      );
    }
    (proxy.events as unknown[]).length = 0;
  }
}

/** How many times the reply after a 354 is a 2yz. */
function finals(lines: readonly string[]): number {
  const codes = lines.filter((line) => line[3] === ' ').map((line) => line.slice(0, 3));
  return codes.filter((code, i) => code.startsWith('2') && codes[i - 1] === '354').length;
}

/** Says the text in pieces, hears what is answered until the connection is over. */
async function converse(
  proxy: RunningProxy,
  text: string,
  cuts: readonly number[],
  end: string,
): Promise<string> {
  const socket = connect({ ...proxy.address, noDelay: true });
  const over = Promise.withResolvers<void>();
  let heard = '';
  socket
    .on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
    })
    .on('error', () => undefined)
    .on('close', () => over.resolve());
  for (const piece of inPieces(
    Buffer.from(text, 'latin1'),
    text.length > 2000 ? cuts.map((cut) => cut * 10) : cuts,
  )) {
    if (socket.destroyed) break;
    socket.write(piece);
    await nextTurn();
  }
  if (end === 'end') socket.end();
  else socket.resetAndDestroy();
  const timer = setTimeout(
    () => over.reject(new Error(`the session goes on; heard so far: ${heard.slice(-300)}`)),
    patienceMs,
  );
  await over.promise.finally(() => clearTimeout(timer));
  return heard;
}

async function until(holds: () => boolean, otherwise: string): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!holds()) {
    assert.ok(performance.now() < deadline, otherwise);
    await after(2);
  }
}

/** Sockets and timers that the process has. */
function resources(): number {
  return process.getActiveResourcesInfo().filter((name) => /Socket|Server|Timeout|Pipe/.test(name)).length;
}

/** Runs on a stage of its own, after which nothing is left. */
function staged(target: (stage: Stage) => Target): Target {
  const { name, share } = target({} as Stage);
  return {
    name,
    share,
    fuzz: async (run: Run) => {
      const before = resources();
      const stage = await Stage.set();
      try {
        await target(stage).fuzz(run);
      } finally {
        await stage[Symbol.asyncDispose]();
      }
      await until(() => resources() <= before, `left behind: ${process.getActiveResourcesInfo()}`);
    },
  };
}

const commands = hostileText(
  'EHLO',
  'HELO',
  'LHLO',
  'XFORWARD',
  'MAIL FROM:',
  'RCPT TO:',
  'DATA',
  'RSET',
  'NOOP',
  'QUIT',
  'VRFY',
  'HELP',
  'STARTTLS',
  ' ',
  '<a@b>',
  'x.example',
  ' SIZE=1',
  ' ADDR=192.0.2.1',
  '\t',
  'from:',
  ':',
);

/** A dialogue without transactions. */
async function command(lines: readonly string[]): Promise<void> {
  const none = new Error('no transaction here');
  const dialogue = new Dialogue(
    {
      hostname: 'postern.example',
      mode: 'after-queue',
      messageBytes: 1000,
      startTls: true,
      offers: async () => undefined,
      beginTransaction: () => {
        throw none;
      },
      newId: () => 'ID',
    },
    { ip: '192.0.2.1', port: 25, believed: true },
    false,
  );
  for (const text of lines) {
    // A line ends at LF; nothing longer than the limit gets here.
    const line = text.replaceAll('\n', '').slice(0, 2000);
    try {
      const { reply, next } = await dialogue.command(line);
      assert.match(
        formatReply(reply),
        /^(?:[2-5][0-9]{2}-[\x20-\x7e\x80-\xff]*\r\n)*[2-5][0-9]{2} [\x20-\x7e\x80-\xff]*\r\n$/,
      );
      assert.notEqual(next, 'content');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
      if (/[\x00-\x08\x0b-\x1f\x7f]/.test(line)) assert.equal(reply.code, 501);
    } catch (error) {
      if (error !== none) throw error;
      assert.match(line, /^MAIL[ \t]+FROM/i);
    }
  }
}

const proxyHeaders = hostileText(
  'PROXY ',
  'TCP4 ',
  'TCP6 ',
  'UNKNOWN',
  '198.51.100.7 ',
  '192.0.2.7 ',
  '::1 ',
  '127.0.0.1 ',
  '5000 25',
  '\r\n',
  '\r\n\r\n\0\r\nQUIT\n',
  'EHLO x\r\n',
  'XFORWARD ADDR=192.0.2.1\r\n',
);

async function proxyHeader(proxy: RunningProxy, text: string, cuts: readonly number[]): Promise<void> {
  const heard = await converse(
    proxy,
    text,
    cuts.map((cut) => cut * 10),
    'end',
  );
  assert.match(heard, /^(?:\* BAD Invalid PROXY header\r\n)?$|^[2-5][0-9]{2}[ -]/);
  for (const line of heard.split('\r\n')) assert.match(line, /^[\t\x20-\x7e\x80-\xff]*$/);
  // Its network may connect as 192.0.2.7 alone.
  if (!/192\.0\.2\.7/.test(text.split('\n', 1)[0] ?? '')) assert.doesNotMatch(heard, /XFORWARD NAME/);
  await until(() => proxy.open === 0, 'a connection upstream is left');
}

const withHeaders: Target = {
  name: 'PROXY header',
  share: 2,
  fuzz: async (run) => {
    const peer = await ChaoticPeer.start('smtp');
    const proxy = await RunningProxy.start({
      listener: {
        destinations: [peer.destination],
        clients: ['192.0.2.7'],
        proxyProtocol: ['127.0.0.1'],
        limits,
      },
    });
    const inputs = fc.tuple(
      proxyHeaders,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
    );
    try {
      await waitingTarget('', inputs, ([text, cuts]) => proxyHeader(proxy, text, cuts)).fuzz(run);
    } finally {
      await proxy[Symbol.asyncDispose]();
      await peer[Symbol.asyncDispose]();
    }
  },
};

export const sessionTargets: readonly Target[] = [
  waitingTarget('commands', fc.array(commands, { maxLength: 6 }), command, 40),
  withHeaders,
  staged((stage) => waitingTarget('sessions', session, (input) => stage.hold(input), 3)),
];
