// One upstream connection: smtp-server's, with the dialogue, the parser and the timing of ours.
import type { Socket } from 'node:net';
import type { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { describeReply, formatReply, makeReply, type Reply } from '../smtp/reply.ts';
import { tlsFailure } from '../smtp/tls-failure.ts';
import { atTurnEnd } from '../smtp/turn-end.ts';
import { mistake, type WriteEvent } from '../telemetry/log.ts';
import { internalError } from '../transaction/replies.ts';
import { ConnectionRecord } from './connection-record.ts';
import { type Answer, Dialogue, type DialogueSettings } from './dialogue.ts';
import { Parser } from './parser.ts';
import type { Peer } from './start.ts';

/** What is known of a connection that another process has accepted. */
export interface Arrival {
  /** Above the limit of connections, which nobody here can count: it is told so. */
  readonly surplus: boolean;
  /** It takes no more commands, so that its place is free; may be called more than once. */
  left(): void;
}

/** What a connection needs of its listener. */
export interface ConnectionSettings extends DialogueSettings {
  readonly limits: {
    readonly commandBytes: number;
    readonly idleMs: number;
    readonly transactionMs: number;
  };
  /** Why the connection is refused, or whom it comes from. */
  admit(connection: {
    readonly socket: Socket;
    readonly address: string;
    readonly port: number;
    readonly surplus: boolean;
  }): Peer | Reply;
  /** Its socket is gone: that of before STARTTLS does not say so, smtp-server takes all listeners away from it. */
  closed(connection: Connection): void;
  readonly log: WriteEvent;
}

/** smtp-server's server, with what its connections need. */
export interface ConnectionServer extends SMTPServer {
  readonly connectionSettings: ConnectionSettings;
}

/** Replies to pipelined commands leave together, unless the first has waited so long or they are so many. */
const longestHoldMs = 100;
const mostHeldCharacters = 4096;

/** A client that has been silent for so long is not just about to say something. */
const quietMs = 1000;

/**
 * A connection. What is smtp-server's: TLS, the idle timeout, the half-close, the end. What is not:
 * its 100 ms before the greeting, its parser, its replies, and all it knows of verbs.
 */
export class Connection extends SMTPConnection {
  declare readonly _server: ConnectionServer;
  declare _parser: Parser | false;
  /** Set before `init` where another process has accepted it. */
  arrival: Arrival | undefined;
  #dialogue: Dialogue | undefined;
  /** Undefined until it is admitted. */
  #record: ConnectionRecord | undefined;
  #held = '';
  #holdTimer: NodeJS.Timeout | undefined;
  #transactionTimer: NodeJS.Timeout | undefined;
  #quietTimer: NodeJS.Timeout | undefined;
  #lineTimer: NodeJS.Timeout | undefined;
  #draining = false;
  #retiring = false;
  /** Whether a transaction has ended. */
  #served = false;

  /** Admits or refuses the connection, and greets at once. */
  override init(): void {
    this._setListeners(() => {
      const { _server, remoteAddress, remotePort } = this;
      const { connectionSettings: settings } = _server;
      const admitted = settings.admit({
        socket: this._socket,
        address: remoteAddress,
        port: remotePort,
        surplus: this.arrival?.surplus ?? false,
      });
      if ('code' in admitted) {
        settings.log('warn', 'connection refused', {
          connection: this.id,
          client: remoteAddress,
          reply: describeReply(admitted),
        });
        this.#write(formatReply(admitted));
        this.close();
        return;
      }
      this._resetSession();
      this._ready = true;
      const { id } = this;
      const record = new ConnectionRecord(settings.log, { connection: id, client: remoteAddress });
      record.secured(this._socket);
      this.#record = record;
      const beginTransaction: DialogueSettings['beginTransaction'] = (start) => {
        record.transaction();
        return settings.beginTransaction({ ...start, connection: id });
      };
      this.#dialogue = new Dialogue({ ...settings, beginTransaction }, admitted, this.secure);
      this.#hearEnd();
      this.#write(formatReply(makeReply(220, '', `${settings.hostname} ESMTP Postern`)));
    });
  }

  /** No new transaction: 421 now, or as soon as the running one has ended. */
  drain(): void {
    this.#draining = true;
    if (!this.#dialogue?.inTransaction && !this._handlerPending) this.#goodbye();
  }

  /**
   * Ends in a quiet moment: when nothing was said for a while after a transaction. Until then it is served, so
   * that nobody gets 421 in place of the answer to a command that was on its way.
   */
  retire(): void {
    this.#retiring = true;
    this.#waitForQuiet();
  }

  /** The time is over: 421, whatever is going on. */
  cutOff(): void {
    this.#dialogue?.end('the service is shutting down');
    this.#goodbye();
  }

  // The super constructor calls this before our fields are there: they are touched only inside the events.
  override _createParser(): Parser {
    const parser: Parser = new Parser(
      {
        command: (line) => this.#command(parser, line),
        commandTooLong: () => {
          this.#answer(makeReply(500, '5.5.2', 'command line too long'));
          return this.#taken();
        },
        content: (chunk) => this.#dialogue?.write(chunk),
        endOfData: () => this.#endOfData(),
        idle: () => {
          this.#flushSoon();
          this.#watchLine(parser.inCommand);
        },
      },
      this._server.connectionSettings.limits.commandBytes,
    );
    parser.on('error', (error) => {
      this.#record?.ends('internal error', error);
      const { log } = this._server.connectionSettings;
      log('error', 'internal error', { connection: this.id, ...mistake(error) });
      this.send(421, 'internal error, try again later');
    });
    return parser;
  }

  override _onClose(): void {
    super._onClose();
    clearTimeout(this.#transactionTimer);
    clearTimeout(this.#holdTimer);
    clearTimeout(this.#quietTimer);
    clearTimeout(this.#lineTimer);
    if (this.#dialogue?.inTransaction) this.#record?.ends('closed inside a transaction');
    this.#dialogue?.end('upstream closed the connection');
    this.#record?.write(this.#dialogue?.helo);
    this._server.connectionSettings.closed(this);
    this.arrival?.left();
  }

  /** smtp-server's 421: what was said before comes before it. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    this.#flush();
    super.send(code, data, context);
  }

  /** Nothing more is read: the downstream session must not wait until the peer has closed its side as well. */
  override close(): void {
    this.#flush();
    super.close();
    this.#dialogue?.end('connection closed');
    this.arrival?.left();
  }

  /** smtp-server would make this an event of the server; what it means here is that the socket is gone. */
  override _onError(error: Error & { code?: string | undefined }): void {
    if (this._upgrading) {
      const reason = tlsFailure(error);
      const { log } = this._server.connectionSettings;
      if (this.#record?.ends('tls failed', reason))
        log('warn', 'tls failed', { connection: this.id, client: this.remoteAddress, error: reason });
    } else this.#record?.ends('error', error);
    this.#dialogue?.end(`upstream connection failed: ${error.message}`);
    this._socket.destroy();
    this.close();
  }

  /** smtp-server's, which ends the connection unless a command is at work still. */
  override _onTimeout(): void {
    if (!this._closing && !this._handlerPending) this.#record?.ends('idle timeout');
    super._onTimeout();
  }

  #command(parser: Parser, line: string): Promise<void> | undefined {
    const dialogue = this.#dialogue;
    // Bytes of before a TLS handshake, or after the end, are nobody's commands (RFC 3207 §5).
    if (!dialogue || this._upgrading || this._closing) return undefined;
    clearTimeout(this.#quietTimer);
    try {
      const answer = dialogue.command(line, parser.following());
      if (answer instanceof Promise) return this.#answerLater(parser, dialogue, answer);
      this.#carryOut(parser, answer);
    } catch (error) {
      this.#failed(error);
    }
    this.#watchTransaction(dialogue);
    return this.#taken();
  }

  async #answerLater(parser: Parser, dialogue: Dialogue, answer: Promise<Answer>): Promise<void> {
    this.#watchHeld();
    this._handlerPending = true;
    try {
      this.#carryOut(parser, await answer);
    } catch (error) {
      this.#failed(error);
    } finally {
      this._handlerPending = false;
    }
    this.#watchTransaction(dialogue);
    await this.#taken();
  }

  #carryOut(parser: Parser, { reply, next }: Answer): void {
    if (next === 'content') parser.beginContent();
    this.#answer(reply);
    if (next === 'starttls') this.#startTls();
    if (next === 'close') {
      this.#record?.ends('quit');
      this.close();
    }
  }

  async #endOfData(): Promise<void> {
    const dialogue = this.#dialogue;
    if (!dialogue) return;
    // Whether the message is stored is not known now; how long that may take is bounded by the transaction.
    clearTimeout(this.#transactionTimer);
    this.#watchHeld();
    this._handlerPending = true;
    try {
      for (const reply of await dialogue.finish()) this.#answer(reply);
      // Held back while pipelined commands run, it could be lost with the connection, and the message come again.
      this.#flushSoon();
    } catch (error) {
      this.#failed(error);
    } finally {
      this._handlerPending = false;
    }
    this.#watchTransaction(dialogue);
  }

  /** One transaction has so long from MAIL to the end of its data; afterwards the connection ends. */
  #watchTransaction(dialogue: Dialogue): void {
    if (this._upgrading) return;
    if (!dialogue.inTransaction) {
      this.#served ||= this.#transactionTimer !== undefined;
      clearTimeout(this.#transactionTimer);
      this.#transactionTimer = undefined;
      if (this.#draining) this.#goodbye();
      else this.#waitForQuiet();
      return;
    }
    this.#transactionTimer ??= setTimeout(() => {
      this.#record?.ends('transaction timeout');
      dialogue.end('transaction took too long');
      this.send(421, 'transaction took too long');
    }, this._server.connectionSettings.limits.transactionMs).unref();
  }

  /** A command line has so long from its first byte to its last: silence alone would let it trickle for ever. */
  #watchLine(begun: boolean): void {
    if (!begun) {
      clearTimeout(this.#lineTimer);
      this.#lineTimer = undefined;
      return;
    }
    this.#lineTimer ??= setTimeout(() => {
      this.#record?.ends('idle timeout');
      this.send(421, 'command took too long');
    }, this._server.connectionSettings.limits.idleMs).unref();
  }

  #waitForQuiet(): void {
    clearTimeout(this.#quietTimer);
    if (!this.#retiring || !this.#served || this.#dialogue?.inTransaction) return;
    this.#quietTimer = setTimeout(() => {
      if (!this.#dialogue?.inTransaction && !this._handlerPending) this.#goodbye();
    }, quietMs);
  }

  #startTls(): void {
    this.#flush();
    this.#watchLine(false);
    // In the middle of a handshake nobody says goodbye.
    this._socket.allowHalfOpen = false;
    this.upgrade(
      () => undefined,
      () => {
        this.#record?.secured(this._socket);
        this.#dialogue?.secured();
        this.#hearEnd();
      },
    );
  }

  /**
   * Upstream may close its side behind QUIT, and wait for the replies that are due (RFC 9293 §3.6): Exim does. Without
   * QUIT it is gone, and its transaction is void (RFC 5321 §4.1.1.10).
   */
  #hearEnd(): void {
    const { _socket: socket, _parser: parser } = this;
    socket.allowHalfOpen = true;
    socket.once('end', () => {
      if (parser !== false && parser.saidGoodbye) parser.once('finish', () => socket.end());
      else socket.end();
    });
  }

  #failed(error: unknown): void {
    const transaction = this.#dialogue?.transactionId;
    this._server.connectionSettings.log('error', 'internal error', {
      connection: this.id,
      transaction,
      ...mistake(error),
    });
    this.#record?.ends('internal error');
    this.#dialogue?.end('internal error');
    this.#answer(internalError);
  }

  #goodbye(): void {
    this.#record?.ends('shutdown');
    this.send(421, 'service is shutting down');
  }

  #answer(reply: Reply): void {
    this.#held += formatReply(reply);
    if (this.#held.length >= mostHeldCharacters) this.#flush();
  }

  /** Replies that are held back while another is waited for are not held for long. */
  #watchHeld(): void {
    if (this.#held !== '') this.#holdTimer ??= setTimeout(() => this.#flush(), longestHoldMs);
  }

  /** With what other connections have to say in this turn. */
  #flushSoon(): void {
    if (this.#held !== '') atTurnEnd(() => this.#flush());
  }

  #flush(): void {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
    if (this.#held === '') return;
    const held = this.#held;
    this.#held = '';
    this.#write(held);
  }

  /** Waits for a peer that sends commands and reads no replies: they must not pile up here. */
  #taken(): Promise<void> | undefined {
    const socket = this._socket;
    if (!socket.writableNeedDrain || socket.destroyed || this._upgrading) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once('drain', resolve).once('close', resolve);
    return promise.then(() => {
      socket.off('drain', resolve).off('close', resolve);
    });
  }

  /** Inside a TLS handshake the raw socket must not be written to. */
  #write(text: string): void {
    if (!this._upgrading && !this._socket.destroyed && this._socket.writable)
      this._socket.write(text, 'latin1');
  }
}
