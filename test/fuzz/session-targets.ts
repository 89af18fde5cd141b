// What speaks to the listener: single commands, PROXY headers, and whole sessions.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Dialogue } from '../../src/listener/dialogue.ts';
import { formatReply } from '../../src/smtp/reply.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { session } from './changed-sessions.ts';
import { ChaoticPeer } from './chaotic-peer.ts';
import { assertNoMistake, converse, limits, Stage, staged, until } from './stage.ts';
import { fuzzWaiting, hostileText, type Target, waitingTarget, withoutStandstill } from './target.ts';

// biome-ignore format: words, not lines
const commands = hostileText(
  'EHLO', 'HELO', 'LHLO', 'XFORWARD', 'MAIL FROM:', 'RCPT TO:', 'DATA', 'RSET', 'NOOP', 'QUIT', 'VRFY',
  'HELP', 'STARTTLS', ' ', '<a@b>', 'x.example', ' SIZE=1', ' ADDR=192.0.2.1', '\t', 'from:', ':',
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
      assert.match(line, /^[ \t]*MAIL[ \t]+FROM/i);
    }
  }
}

// biome-ignore format: words, not lines
const proxyHeaders = hostileText(
  'PROXY ', 'TCP4 ', 'TCP6 ', 'UNKNOWN', '198.51.100.7 ', '192.0.2.7 ', '::1 ', '127.0.0.1 ', '5000 25',
  '\r\n', '\r\n\r\n\0\r\nQUIT\n', 'EHLO x\r\n', 'XFORWARD ADDR=192.0.2.1\r\n',
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
  assertNoMistake(proxy);
}

/** A proxy that takes PROXY headers, and its downstream. */
class Door implements AsyncDisposable {
  readonly proxy: RunningProxy;
  readonly #peer: ChaoticPeer;

  private constructor(proxy: RunningProxy, peer: ChaoticPeer) {
    this.proxy = proxy;
    this.#peer = peer;
  }

  static async open(): Promise<Door> {
    const peer = await ChaoticPeer.start('smtp');
    const proxy = await RunningProxy.start({
      listener: {
        destinations: [peer.destination],
        clients: ['192.0.2.7'],
        proxyProtocol: ['127.0.0.1'],
        limits,
      },
    });
    return new Door(proxy, peer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.#peer[Symbol.asyncDispose]();
  }
}

const withHeader = fc.tuple(
  proxyHeaders,
  fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
);

export const sessionTargets: readonly Target[] = [
  waitingTarget('commands', fc.array(commands, { maxLength: 6 }), command),
  staged('PROXY header', 2, Door.open, ({ proxy }) =>
    fuzzWaiting(withHeader, ([text, cuts]) => withoutStandstill(() => proxyHeader(proxy, text, cuts))),
  ),
  staged('sessions', 3, Stage.set, (stage) =>
    fuzzWaiting(session, (input) => withoutStandstill(() => stage.hold(input))),
  ),
];
