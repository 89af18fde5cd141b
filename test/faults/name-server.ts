// A name server that goes wrong: over UDP and TCP, on one port.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Random } from './random.ts';

/**
 * - `hang`: no answer; `slow`: one in time; `late`: one after the resolver has given up
 * - `wrong-id`: what is wrong, to another question; `forged`: the same, and then the right answer
 * - `truncated`: TC over UDP with no record or a wrong one, and trouble over TCP
 */
export const nameFaults = [
  'hang',
  'servfail',
  'refused',
  'truncated',
  'slow',
  'late',
  'wrong-id',
  'forged',
  'garbage',
] as const;
export type NameFault = (typeof nameFaults)[number];

const delayMs: ReadonlyMap<NameFault | undefined, number> = new Map([
  ['slow', 40],
  ['late', 400],
]);

/** What SPF needs two questions for: the second is about `_spf`. */
const records = {
  first: 'v=spf1 include:_spf.known.example -all',
  second: 'v=spf1 ip4:192.0.2.0/24 -all',
  wrong: 'v=spf1 -all',
};

/** Says of every name that it does not exist, where nothing goes wrong; of TXT, that there is one. */
export class FaultyNameServer implements AsyncDisposable {
  readonly #fault: () => NameFault | undefined;
  readonly #random: Random;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #open = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();

  private constructor(fault: () => NameFault | undefined, random: Random, udp: UdpSocket) {
    this.#fault = fault;
    this.#random = random;
    this.#udp = udp;
    this.#udp.on('message', (query, from) => {
      this.#answer(query, true, (bytes) => this.#udp.send(bytes, from.port, from.address));
    });
    this.#tcp = createServer((socket) => this.#accept(socket));
  }

  /** @param fault is asked for each question */
  static async start(fault: () => NameFault | undefined, random: Random): Promise<FaultyNameServer> {
    for (;;) {
      const udp = createSocket('udp4');
      udp.bind(0, '127.0.0.1');
      await once(udp, 'listening');
      const server = new FaultyNameServer(fault, random, udp);
      server.#tcp.listen(udp.address().port, '127.0.0.1');
      try {
        await once(server.#tcp, 'listening');
        return server;
      } catch {
        // Somebody else has that port over TCP.
        udp.close();
      }
    }
  }

  /** As a resolver wants it. */
  get address(): string {
    return `127.0.0.1:${this.#udp.address().port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of this.#open) socket.destroy();
    const closed = [once(this.#udp, 'close'), once(this.#tcp, 'close')];
    this.#udp.close();
    this.#tcp.close();
    await Promise.all(closed);
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#open.delete(socket));
    const trouble = this.#random.pick(['none', 'hang', 'close', 'partial'] as const);
    if (trouble === 'close') socket.destroy();
    socket.on('data', (bytes: Buffer) => {
      if (trouble === 'hang' || bytes.length < 14) return;
      this.#answer(bytes.subarray(2), false, (answer) => {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        socket.write(Buffer.concat([length, trouble === 'partial' ? answer.subarray(0, 5) : answer]));
      });
    });
  }

  #answer(query: Buffer, udp: boolean, send: (answer: Buffer) => void): void {
    const fault = udp ? this.#fault() : undefined;
    if (fault === 'hang') return;
    if (fault === 'forged') send(encode(query, 'wrong-id'));
    const empty = fault === 'truncated' && this.#random.chance(0.5);
    const answer = fault === 'garbage' ? Buffer.from('not an answer at all') : encode(query, fault, empty);
    const afterMs = delayMs.get(fault);
    if (afterMs === undefined) {
      send(answer);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      send(answer);
    }, afterMs);
    this.#timers.add(timer);
  }
}

/**
 * RFC 1035 §4.1: header, question, and for TXT one record.
 *
 * @param empty without it, as what was truncated may be
 */
function encode(query: Buffer, fault: NameFault | undefined, empty = false): Buffer {
  let end = 12;
  for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) end += length + 1;
  end += 5;
  const header = Buffer.from(query.subarray(0, end));
  const txt = query.readUInt16BE(end - 4) === 16 && fault !== 'servfail' && fault !== 'refused';
  const code = fault === 'servfail' ? 2 : fault === 'refused' ? 5 : txt ? 0 : 3;
  header.writeUInt16BE(0x8180 | code | (fault === 'truncated' ? 0x0200 : 0), 2);
  const wrong = fault === 'wrong-id';
  if (wrong) header.writeUInt16BE(query.readUInt16BE(0) ^ 0x5555, 0);
  const record = txt && !empty;
  header.writeUInt16BE(record ? 1 : 0, 6);
  header.fill(0, 8, 12);
  if (!record) return header;
  // Whoever believes the wrong one says so, and so does who makes do with what was truncated.
  const kind = wrong || fault === 'truncated' ? 'wrong' : isSecond(query) ? 'second' : 'first';
  const text = Buffer.from(records[kind]);
  const fields = Buffer.alloc(13);
  fields.writeUInt16BE(0xc00c, 0);
  fields.writeUInt16BE(16, 2);
  fields.writeUInt16BE(1, 4);
  fields.writeUInt32BE(1, 6);
  fields.writeUInt16BE(text.length + 1, 10);
  fields.writeUInt8(text.length, 12);
  return Buffer.concat([header, fields, text]);
}

/** Whether the first label is that of the name which is included; resolvers may write letters in any case. */
function isSecond(query: Buffer): boolean {
  return query.toString('latin1', 13, 13 + (query[12] ?? 0)).toLowerCase() === '_spf';
}
