// Where sessions are held: proxies with peers that misbehave; what must hold in each, and when all have gone.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import { RunningProxy } from '../support/running-proxy.ts';
import type { Session } from './changed-sessions.ts';
import { ChaoticPeer } from './chaotic-peer.ts';
import { inPieces, type Run, type Target } from './target.ts';

/** What a session may take when nothing goes on any more: the limits below, and a busy machine. */
const patienceMs = 15_000;

export const limits = {
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
export class Stage implements AsyncDisposable {
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
    if (end !== 'reset') assert.equal(last, '');
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
export async function converse(
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
  if (end === 'reset') socket.resetAndDestroy();
  else if (end === 'end') socket.end();
  // Whatever the conversation has come to: a message ends here, and the session after it.
  else if (!socket.destroyed) socket.write('\r\n.\r\nQUIT\r\n');
  const timer = setTimeout(
    () => over.reject(new Error(`the session goes on; heard so far: ${heard.slice(-300)}`)),
    patienceMs,
  );
  await over.promise.finally(() => clearTimeout(timer));
  return heard;
}

export async function until(holds: () => boolean, otherwise: string): Promise<void> {
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
export function staged(target: (stage: Stage) => Target): Target {
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
