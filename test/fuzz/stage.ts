// Where sessions are held: proxies with peers that misbehave; what must hold in each, and when all have gone.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import { type LoggedEvent, RunningProxy } from '../support/running-proxy.ts';
import type { Session } from './changed-sessions.ts';
import { ChaoticPeer, unstuffed } from './chaotic-peer.ts';
import { inPieces, type OpenTarget, type Target } from './target.ts';

/** What a session may take when nothing goes on any more: the limits below, and a busy machine. */
const patienceMs = 15_000;

/** Of so many sessions one message arrives at least. */
const leastStored = 10;

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

/** What a session ends with, whatever it has come to: a message, and then the session itself. */
const lastWords = '\r\n.\r\nQUIT\r\n';

interface Place {
  readonly proxy: RunningProxy;
  readonly peer: ChaoticPeer;
  /** Whether messages go downstream with their line ends as they are. */
  readonly exact: boolean;
  /** Sessions, and the messages that the peer got in them. */
  held: number;
  stored: number;
}

/** The proxies that all sessions of a run share, each with its own downstream. */
export class Stage implements AsyncDisposable {
  readonly places: readonly Place[];

  private constructor(places: Stage['places']) {
    this.places = places;
  }

  static async set(): Promise<Stage> {
    const places: Place[] = [];
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
      places.push({ proxy, peer, exact: keys.bareNewlines !== undefined, held: 0, stored: 0 });
    }
    return new Stage(places);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { proxy, peer, held, stored } of this.places) {
      await proxy[Symbol.asyncDispose]();
      await until(() => peer.open === 0, 'a connection downstream is left');
      await peer[Symbol.asyncDispose]();
      // More than half of the sessions hand over a message: without any, nothing that is said of messages was tried.
      assert.ok(stored >= Math.floor(held / leastStored), `${held} sessions, ${stored} messages`);
    }
  }

  async hold({ proxy: which, lines, cuts, troubles, end }: Session): Promise<void> {
    const place = this.places[which] ?? assert.fail();
    const { proxy, peer } = place;
    peer.begin(troubles);
    await quiet(place);
    const said = lines.join('');
    const heard = await converse(proxy, said, cuts, end);
    await until(() => proxy.open === 0, 'a connection upstream is left');
    await quiet(place);
    assert.deepEqual(peer.wrong, [], 'no command but ours');
    const replies = heard.split('\r\n');
    // A reset may cut a line.
    const last = replies.pop();
    if (end !== 'reset') assert.equal(last, '');
    for (const reply of replies) assert.match(reply, /^[2-5][0-9]{2}[ -][\t\x20-\x7e\x80-\xff]*$/);
    const untroubled = troubles.size === 0;
    assertGranted(peer, taken(replies, said, untroubled), untroubled);
    for (const { content } of peer.stored) {
      assert.ok(
        contentsOf(said + lastWords).some((candidate) => carries(content, candidate, place.exact)),
        `what was stored is not what was sent: ${JSON.stringify(content)}`,
      );
    }
    place.held += 1;
    place.stored += peer.stored.length;
    assertNoMistake(proxy);
  }
}

/** Nothing that the log tells of is a mistake of Postern's own; what it told is let go. */
export function assertNoMistake({ events }: RunningProxy): void {
  for (const { event, fields } of (events as LoggedEvent[]).splice(0)) {
    assert.ok(
      event !== 'internal error' && event !== 'check failed',
      `${event} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? value.stack : value))}`,
    );
  }
}

/** The connections downstream are all in the pool, where nobody uses them. */
async function quiet({ proxy, peer }: Place): Promise<void> {
  await until(() => {
    const [listener] = proxy.status.listeners;
    return listener?.pool.busy === 0 && listener.pool.idle === peer.open;
  }, 'a connection downstream is in use');
}

/** What upstream was told of its messages. */
interface Taken {
  /** Those with a 2yz for somebody. */
  readonly messages: number;
  /** All 2yz. */
  readonly finals: number;
}

/** Promise 1: no 2yz that the downstream did not say. */
function assertGranted(peer: ChaoticPeer, { messages, finals }: Taken, untroubled: boolean): void {
  const stored = peer.stored.reduce(
    (sum, { recipients }) => sum + (peer.protocol === 'lmtp' ? recipients : 1),
    0,
  );
  // In SMTP downstream one reply stands for all recipients.
  const count = peer.protocol === 'lmtp' ? finals : messages;
  assert.ok(count <= peer.grants, `${count} were taken, ${peer.grants} granted`);
  if (untroubled) assert.ok(count <= stored, `${count} were taken, ${stored} stored`);
}

/** Reads it from the replies: a 354, and then one for the message, or in LMTP for each recipient that was accepted. */
function taken(lines: readonly string[], said: string, untroubled: boolean): Taken {
  const replies = lines.filter((line) => line[3] !== '-');
  // Where both were said nobody knows from here which one counts: one reply is due at least.
  const lmtp = /LHLO/i.test(said) && !/EHLO|HELO/i.test(said);
  const finals = replies.flatMap((reply, i) => {
    if (!reply.startsWith('354')) return [];
    const due = lmtp ? Math.max(accepted(replies.slice(0, i), untroubled), 1) : 1;
    return [replies.slice(i + 1, i + 1 + due).filter((final) => final.startsWith('2')).length];
  });
  return {
    messages: finals.filter((count) => count > 0).length,
    finals: finals.reduce((sum, count) => sum + count, 0),
  };
}

/** How many recipients were accepted in the transaction that these replies end in. */
function accepted(replies: readonly string[], untroubled: boolean): number {
  const other = replies.findLastIndex((reply) => /^2(?!50 2\.1\.5)|^354/.test(reply));
  const positive = replies.slice(other + 1).filter((reply) => reply.startsWith('2')).length;
  // Where a reply was lost downstream MAIL is given a recipient's, and looks like one.
  const oneIsOfMail = !untroubled && !replies[other]?.startsWith('250 2.1.0');
  return oneIsOfMail ? positive - 1 : positive;
}

/** What follows each line that may be DATA, as far as the end of a message: perhaps more than were taken for content, never less. */
function contentsOf(said: string): readonly string[] {
  return [...said.matchAll(/^[ \t]*DATA[^\n]*\n/gim)].flatMap(({ index, 0: line }) => {
    const rest = `\r\n${said.slice(index + line.length)}`;
    const end = rest.indexOf('\r\n.\r\n');
    return end < 0 ? [] : [unstuffed(rest.slice(2, end + 2))];
  });
}

/** Fields that may be removed: then the body alone is compared. */
const removable = /^(?:[^\n:]*Authentication-Results|X-Disposition-Quarantine)/im;

/** Whether the message is this content below what was added; `exact`: line ends stay as they were. */
function carries(message: string, content: string, exact: boolean): boolean {
  const known = removable.test(content) ? content.slice(/\n\r?\n|$/.exec(content)?.index) : content;
  const plain = (text: string) => (exact ? text : text.replaceAll(/[\r\n ]/g, ''));
  return plain(message).endsWith(plain(known));
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
  else if (!socket.destroyed) socket.write(lastWords);
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

/** A target whose runs share what is set; nothing is left behind when that has been taken down. */
export function staged<S extends AsyncDisposable>(
  name: string,
  share: number,
  set: () => Promise<S>,
  fuzz: (stage: S) => OpenTarget['fuzz'],
): Target {
  const open = async () => {
    const before = resources();
    const stage = await set();
    return {
      fuzz: fuzz(stage),
      [Symbol.asyncDispose]: async () => {
        await stage[Symbol.asyncDispose]();
        await until(() => resources() <= before, `left behind: ${process.getActiveResourcesInfo()}`);
      },
    };
  };
  return { name, share, open };
}
