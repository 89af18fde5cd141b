// A small name server on loopback for tests: answers from a table, over UDP, and counts what it is asked.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import ipaddr from 'ipaddr.js';

const typeNumbers: Readonly<Record<string, number>> = { A: 1, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28 };

/**
 * What is answered for `TYPE name` (lower case): values as in a zone file, a latin1 character for each byte, with a TTL in
 * seconds, or one for each value; or the name that it is an alias of, and nothing about that one; or a response code; or nothing at all
 * (`silent`).
 */
export type Response =
  | { readonly values: readonly string[]; readonly ttl?: number | readonly number[] }
  | { readonly alias: string }
  | { readonly code: 'NOERROR' | 'SERVFAIL' | 'NXDOMAIN' | 'REFUSED' }
  | 'silent';

const responseCodes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** A running server; names that it lacks do not exist. */
export class NameServer implements AsyncDisposable {
  readonly responses = new Map<string, Response>();
  /** Every question as `TYPE name`, in order. */
  readonly questions: string[] = [];
  readonly #socket: Socket;
  #held: (() => void)[] | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (query, from) => this.#answer(query, from));
  }

  /**
   * @param responses keys such as `TXT example.com`
   * @param at default: any free port of loopback
   */
  static async start(
    responses: Readonly<Record<string, Response>> = {},
    at: { readonly address: string; readonly port: number } = { address: '127.0.0.1', port: 0 },
  ): Promise<NameServer> {
    const socket = createSocket('udp4');
    socket.bind(at);
    await once(socket, 'listening');
    const server = new NameServer(socket);
    for (const [question, response] of Object.entries(responses)) server.responses.set(question, response);
    return server;
  }

  /** `ip:port`, as a resolver wants it. */
  get address(): string {
    const { address, port } = this.#socket.address() as AddressInfo;
    return `${address}:${port}`;
  }

  /** Answers are kept back until {@link release}. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const send of held) send();
  }

  /** Resolves when this many questions have come. */
  async asked(count: number): Promise<void> {
    while (this.questions.length < count) await once(this.#socket, 'message');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #answer(query: Buffer, from: RemoteInfo): void {
    const { name, type, end } = readQuestion(query);
    const question = `${type} ${name}`;
    this.questions.push(question);
    const response = this.responses.get(question) ?? { code: 'NXDOMAIN' };
    if (response === 'silent') return;
    const send = () =>
      this.#socket.send(encode(query.subarray(0, end), type, response), from.port, from.address);
    if (this.#held) this.#held.push(send);
    else send();
  }
}

function readQuestion(query: Buffer): { name: string; type: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const number = query.readUInt16BE(at + 1);
  const type = Object.keys(typeNumbers).find((each) => typeNumbers[each] === number) ?? String(number);
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

/** RFC 1035 §4.1: the header and question of the query, then one record for each value. */
function encode(query: Buffer, type: string, response: Exclude<Response, 'silent'>): Buffer {
  if ('alias' in response) return encode(query, 'CNAME', { values: [response.alias] });
  const values = 'values' in response ? response.values : [];
  const header = Buffer.from(query);
  const code = 'code' in response ? responseCodes[response.code] : 0;
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(values.length, 6);
  header.writeUInt16BE(0, 8);
  header.writeUInt16BE(0, 10);
  const ttl = 'values' in response ? (response.ttl ?? 300) : 0;
  const records = values.map((value, i) => {
    const data = encodeValue(type, value);
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0); // the name of the question
    record.writeUInt16BE(typeNumbers[type] ?? 0, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(typeof ttl === 'number' ? ttl : (ttl[i] ?? 0), 6);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([header, ...records]);
}

function encodeValue(type: string, value: string): Buffer {
  if (type === 'A') return Buffer.from(value.split('.').map(Number));
  if (type === 'AAAA') return Buffer.from(ipaddr.parse(value).toByteArray());
  if (type === 'TXT') {
    const strings = value.match(/.{1,255}/gs) ?? [''];
    return Buffer.concat(
      strings.map((text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')])),
    );
  }
  if (type === 'MX') {
    const [preference = '0', exchange = ''] = value.split(' ');
    return Buffer.concat([
      Buffer.from([Number(preference) >> 8, Number(preference) & 255]),
      encodeName(exchange),
    ]);
  }
  if (type === 'PTR' || type === 'CNAME') return encodeName(value);
  throw new Error(`the test name server can't answer ${type}`);
}

function encodeName(name: string): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}
