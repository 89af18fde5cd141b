// A downstream server that does what a test tells it, and remembers what it was told.
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';

/** A certificate for localhost, 127.0.0.1 and ::1 that signs itself: `ca` for those who shall trust it. */
export const testCertificate: { readonly key: string; readonly cert: string } = {
  key: readFileSync(new URL('tls/localhost.key', import.meta.url), 'utf8'),
  cert: readFileSync(new URL('tls/localhost.crt', import.meta.url), 'utf8'),
};

/**
 * One reply line, or several, without CRLF and as they go on the wire (`250-first`, `250 last`); or:
 * end the connection; reset it; never answer; undefined = the polite answer. After a 421 the connection ends.
 */
export type ScriptedAnswer = string | readonly string[] | 'close' | 'reset' | 'stall' | undefined;

export interface ScriptState {
  /** 1 for the first connection, and so on. */
  readonly connection: number;
  /** Transactions that have ended on this connection. */
  readonly transactions: number;
  readonly tls: boolean;
  /** MAIL command, as it came; undefined outside a transaction. */
  readonly mail: string | undefined;
  /** RCPT commands that were accepted, as they came. */
  readonly recipients: readonly string[];
}

type Script = (line: string, state: ScriptState) => ScriptedAnswer | Promise<ScriptedAnswer>;

/**
 * GREETING: line is ''. CONTENT: the answer to the final dot, line is ''; in LMTP one for each accepted
 * recipient, line is its RCPT command. DURING: after each piece of the content before the final dot, line
 * is the number of its bytes so far; undefined = say nothing yet. OTHER: verbs that are not named here.
 */
export type ScriptedVerb =
  | 'GREETING'
  | 'EHLO'
  | 'LHLO'
  | 'HELO'
  | 'STARTTLS'
  | 'XFORWARD'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'DURING'
  | 'CONTENT'
  | 'RSET'
  | 'NOOP'
  | 'QUIT'
  | 'OTHER';

export interface ScriptedDownstreamOptions {
  /** Default: smtp. */
  readonly protocol?: 'smtp' | 'lmtp';
  /** On a UNIX socket instead of 127.0.0.1. */
  readonly path?: string;
  /** Default: any free one. */
  readonly port?: number;
  /** EHLO or LHLO lines after the first; default: `defaultExtensions`. */
  readonly extensions?: readonly string[];
  readonly tls?: 'starttls' | 'implicit';
  readonly answers?: Partial<Record<ScriptedVerb, Script>>;
}

export interface RecordedMessage {
  readonly connection: number;
  readonly mail: string;
  readonly recipients: readonly string[];
  /** XFORWARD commands of its transaction. */
  readonly xforward: readonly string[];
  /** Exact bytes, dots un-stuffed; what came so far, when it is incomplete. */
  readonly data: Buffer;
  /** In how many pieces the content arrived. */
  readonly reads: number;
}

export const defaultExtensions: readonly string[] = [
  'PIPELINING',
  'SIZE 104857600',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE',
];

/**
 * @example
 * await using downstream = await ScriptedDownstream.start({
 *   answers: { RCPT: (line) => (line.includes('<nobody@') ? '550 5.1.1 No such user' : undefined) },
 * });
 * parseDestination(downstream.destination);
 */
export class ScriptedDownstream implements AsyncDisposable {
  /** Connections that were accepted. */
  connections = 0;
  /** Every command line as it came, latin1, over all connections. */
  readonly commands: string[] = [];
  /** The same, in groups that arrived together. */
  readonly batches: string[][] = [];
  readonly messages: RecordedMessage[] = [];
  /** Those whose connection ended before their final dot. */
  readonly incomplete: RecordedMessage[] = [];
  readonly options: ScriptedDownstreamOptions;

  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Over TLS from the beginning other ones than `#sockets`. */
  readonly #readers = new Set<Socket>();
  readonly #watchers = new Set<() => void>();

  private constructor(options: ScriptedDownstreamOptions) {
    this.options = options;
    const accept = (socket: Socket) => {
      this.connections += 1;
      this.#readers.add(socket);
      socket.on('close', () => this.#readers.delete(socket));
      new Conversation(this, socket, this.connections).begin();
    };
    this.#server =
      options.tls === 'implicit'
        ? createTlsServer({ ...testCertificate, noDelay: true }, accept)
        : createServer({ noDelay: true }, accept);
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          this.#sockets.delete(socket);
          this.changed();
        });
      this.changed();
    });
    // A handshake that a test makes fail.
    this.#server.on('tlsClientError', () => this.changed());
  }

  static async start(options: ScriptedDownstreamOptions = {}): Promise<ScriptedDownstream> {
    const downstream = new ScriptedDownstream(options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    downstream.#server.once('error', reject);
    const listening = () => resolve();
    if (options.path !== undefined) downstream.#server.listen(options.path, listening);
    else downstream.#server.listen(options.port ?? 0, '127.0.0.1', listening);
    await promise;
    return downstream;
  }

  get protocol(): 'smtp' | 'lmtp' {
    return this.options.protocol ?? 'smtp';
  }

  /** 0 on a UNIX socket. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** How a configuration names it. */
  get destination(): string {
    if (this.options.path !== undefined) return `${this.protocol}+unix:${this.options.path}`;
    if (this.options.tls === 'implicit') return `smtps://127.0.0.1:${this.port}`;
    return `${this.protocol}://127.0.0.1:${this.port}${this.options.tls === 'starttls' ? '?starttls=yes' : ''}`;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Waits until `condition` holds; it is asked again whenever something happened here. */
  async until(condition: () => boolean, timeoutMs = 5000): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const watcher = () => {
      if (condition()) resolve();
    };
    const timer = setTimeout(
      () => reject(new Error(`did not come to pass: ${condition}; commands: ${this.commands.join(' | ')}`)),
      timeoutMs,
    );
    this.#watchers.add(watcher);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    }
  }

  /** Says something unasked on all connections; include CRLF. */
  say(text: string): void {
    for (const socket of this.#sockets) socket.write(text, 'latin1');
  }

  /** Stops reading from all connections. */
  pause(): void {
    for (const socket of this.#readers) socket.pause();
  }

  /** Reads again. */
  resume(): void {
    for (const socket of this.#readers) socket.resume();
  }

  /** Ends all connections, and goes on listening. */
  disconnect(how: 'end' | 'reset' = 'end'): void {
    for (const socket of this.#sockets) how === 'end' ? socket.end() : reset(socket);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** For conversations: something happened. */
  changed(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

/** UNIX sockets and TLS know no RST; they just end. */
function reset(socket: Socket): void {
  if (socket.remotePort === undefined || socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

/** One connection. */
class Conversation {
  readonly #downstream: ScriptedDownstream;
  readonly #connection: number;
  #socket: Socket;
  /** Bytes that are not understood yet. */
  #buffer = Buffer.alloc(0);
  #content: { parts: Buffer[]; size: number; reads: number } | undefined;
  #answered = false;
  #stalled = false;
  #tls: boolean;
  #transactions = 0;
  #mail: string | undefined;
  #recipients: string[] = [];
  #xforward: string[] = [];
  /** Pieces are understood one after the other, since scripts may take their time. */
  #turn: Promise<void> = Promise.resolve();

  constructor(downstream: ScriptedDownstream, socket: Socket, connection: number) {
    this.#downstream = downstream;
    this.#socket = socket;
    this.#connection = connection;
    this.#tls = socket instanceof TLSSocket;
  }

  begin(): void {
    this.#queue(async () => {
      await this.#answer('GREETING', '', '220 scripted.example ESMTP');
    });
    this.#listen(this.#socket);
  }

  #listen(socket: Socket): void {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#queue(() => this.#take(chunk)));
    socket.on('close', () => this.#queue(async () => this.#recordIncomplete()));
  }

  #queue(work: () => Promise<void>): void {
    this.#turn = this.#turn
      .then(work)
      .catch((error: unknown) => {
        // A mistake in a test's script must be seen, not waited for.
        this.#downstream.commands.push(`script failed: ${error}`);
        this.#socket.destroy();
      })
      .then(() => this.#downstream.changed());
  }

  async #take(chunk: Buffer): Promise<void> {
    if (this.#stalled && !this.#content) return;
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#buffer, chunk]);
    if (this.#content) await this.#takeContent();
    if (this.#content || this.#stalled) return;
    const batch: string[] = [];
    // Groups are recorded before they are answered.
    const lines = this.#buffer.toString('latin1').split('\r\n');
    for (const line of lines.slice(0, -1)) {
      batch.push(line);
      if (/^(?:DATA|STARTTLS|QUIT)$/i.test(line)) break;
    }
    if (batch.length === 0) return;
    this.#buffer = this.#buffer.subarray(batch.reduce((size, line) => size + line.length + 2, 0));
    this.#downstream.batches.push(batch);
    for (const line of batch) {
      this.#downstream.commands.push(line);
      this.#downstream.changed();
      await this.#command(line);
      if (this.#stalled) return;
    }
    if (this.#buffer.length > 0) await this.#take(Buffer.alloc(0));
  }

  async #command(line: string): Promise<void> {
    const verb = line.split(' ', 1)[0]?.toUpperCase() ?? '';
    switch (verb) {
      case 'EHLO':
      case 'LHLO':
        await this.#answer(verb, line, this.#offer());
        return;
      case 'HELO':
      case 'NOOP':
        await this.#answer(verb, line, '250 2.0.0 Ok');
        return;
      case 'XFORWARD':
        if (await this.#answer(verb, line, '250 2.0.0 Ok')) this.#xforward.push(line);
        return;
      case 'MAIL':
        if (
          await this.#answer(verb, line, this.#mail === undefined ? '250 2.1.0 Ok' : '503 5.5.1 Nested MAIL')
        ) {
          this.#mail = line;
        }
        return;
      case 'RCPT':
        if (
          await this.#answer(verb, line, this.#mail === undefined ? '503 5.5.1 MAIL first' : '250 2.1.5 Ok')
        ) {
          this.#recipients.push(line);
        }
        return;
      case 'DATA': {
        const polite = this.#recipients.length > 0 ? '354 Go ahead' : '554 5.5.1 No valid recipients';
        if (await this.#answer(verb, line, polite)) {
          this.#content = { parts: [], size: 0, reads: 0 };
          this.#answered = false;
          if (this.#buffer.length > 0) await this.#takeContent();
        }
        return;
      }
      case 'RSET':
        if (await this.#answer(verb, line, '250 2.0.0 Ok')) this.#forget();
        return;
      case 'QUIT':
        await this.#answer(verb, line, '221 2.0.0 Bye');
        if (!this.#stalled) this.#socket.end();
        return;
      case 'STARTTLS':
        if (await this.#answer(verb, line, '220 2.0.0 Ready')) this.#startTls();
        return;
      default:
        await this.#answer('OTHER', line, '500 5.5.2 Unknown command');
    }
  }

  #offer(): readonly string[] {
    const { extensions = defaultExtensions, tls } = this.#downstream.options;
    const offered = [
      'scripted.example',
      ...extensions,
      ...(tls === 'starttls' && !this.#tls ? ['STARTTLS'] : []),
    ];
    return offered.map((text, i) => `250${i === offered.length - 1 ? ' ' : '-'}${text}`);
  }

  #startTls(): void {
    this.#socket.removeAllListeners('data');
    const secured = new TLSSocket(this.#socket, { isServer: true, ...testCertificate });
    this.#socket = secured;
    this.#tls = true;
    this.#listen(secured);
  }

  /** Content goes on to CRLF.CRLF; the bytes in the buffer begin at the start of a line or are kept together. */
  async #takeContent(): Promise<void> {
    const content = this.#content;
    if (!content) return;
    content.reads += 1;
    content.parts.push(this.#buffer);
    content.size += this.#buffer.length;
    this.#buffer = Buffer.alloc(0);
    // The end may be cut: look at the last bytes of what was there together with what is new.
    const tail = Buffer.concat(content.parts.slice(-6));
    const whole = content.parts.length <= 6;
    if (!tail.includes('\r\n.\r\n') && !(whole && tail.subarray(0, 3).equals(Buffer.from('.\r\n')))) {
      if (!this.#answered) await this.#during(content.size);
      return;
    }
    const all = Buffer.concat([Buffer.from('\r\n'), ...content.parts]);
    const end = all.indexOf('\r\n.\r\n');
    this.#buffer = all.subarray(end + 5);
    this.#content = undefined;
    if (this.#answered) {
      this.#forget();
      return;
    }
    this.#record(this.#downstream.messages, all.subarray(2, end + 2), content.reads);
    const dots = this.#downstream.protocol === 'lmtp' ? this.#recipients : [''];
    for (const line of dots) await this.#answer('CONTENT', line, '250 2.0.0 Ok: queued');
    this.#forget();
    this.#transactions += 1;
  }

  async #during(size: number): Promise<void> {
    const answer = await this.#downstream.options.answers?.DURING?.(String(size), this.#state());
    if (answer === undefined) return;
    this.#answered = true;
    this.#say(answer);
  }

  #recordIncomplete(): void {
    if (!this.#content) return;
    const all = Buffer.concat([Buffer.from('\r\n'), ...this.#content.parts]);
    this.#record(this.#downstream.incomplete, all.subarray(2), this.#content.reads);
    this.#content = undefined;
  }

  #record(to: RecordedMessage[], stuffed: Buffer, reads: number): void {
    const text = `\r\n${stuffed.toString('latin1')}`.replaceAll('\r\n.', '\r\n').slice(2);
    to.push({
      connection: this.#connection,
      mail: this.#mail ?? '',
      recipients: this.#recipients,
      xforward: this.#xforward,
      data: Buffer.from(text, 'latin1'),
      reads,
    });
    this.#downstream.changed();
  }

  #forget(): void {
    this.#mail = undefined;
    this.#recipients = [];
    this.#xforward = [];
  }

  #state(): ScriptState {
    return {
      connection: this.#connection,
      transactions: this.#transactions,
      tls: this.#tls,
      mail: this.#mail,
      recipients: this.#recipients,
    };
  }

  /** @returns whether the answer was 2yz or 3yz */
  async #answer(verb: ScriptedVerb, line: string, polite: string | readonly string[]): Promise<boolean> {
    if (this.#stalled) return false;
    const answer = (await this.#downstream.options.answers?.[verb]?.(line, this.#state())) ?? polite;
    return this.#say(answer);
  }

  #say(answer: string | readonly string[]): boolean {
    if (answer === 'close' || answer === 'reset' || answer === 'stall') {
      this.#stalled = true;
      if (answer === 'close') this.#socket.end();
      if (answer === 'reset') reset(this.#socket);
      return false;
    }
    const lines = typeof answer === 'string' ? [answer] : answer;
    this.#socket.write(lines.map((text) => `${text}\r\n`).join(''), 'latin1');
    if (lines[0]?.startsWith('421')) {
      this.#stalled = true;
      this.#socket.end();
    }
    return /^[23]/.test(lines[0] ?? '');
  }
}
