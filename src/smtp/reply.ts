// A reply: code and text lines, as one side sends it and the other passes it on (RFC 5321 §4.2).

/**
 * One SMTP or LMTP reply. `lines` are the texts after the code and its separator, enhanced status
 * code included, as latin1 strings: one character per byte, so that what is read is what is written.
 */
export interface Reply {
  readonly code: number;
  readonly lines: readonly [string, ...string[]];
}

/**
 * A reply of our own.
 *
 * @param code three digits
 * @param enhanced enhanced status code (RFC 3463) such as `5.7.1`; '' for none (greeting, EHLO, 354)
 * @param text one text for each line
 */
export function makeReply(code: number, enhanced: string, ...text: [string, ...string[]]): Reply {
  const prefix = enhanced === '' ? '' : `${enhanced} `;
  const [first, ...rest] = text;
  return { code, lines: [prefix + printable(first), ...rest.map((line) => prefix + printable(line))] };
}

/** Text of ours must not end a line or start another reply, wherever its parts came from. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\x80-\xff]/g, ' ');
}

/**
 * The reply as it goes on the wire.
 *
 * @returns latin1 string that ends with CRLF
 */
export function formatReply(reply: Reply): string {
  const last = reply.lines.length - 1;
  return reply.lines.map((line, i) => `${reply.code}${i === last ? ' ' : '-'}${line}\r\n`).join('');
}

/** The reply in one line, for a log or an error's text. */
export function describeReply(reply: Reply): string {
  return `${reply.code} ${reply.lines.join(' / ')}`.trim();
}

/** 2yz: the command was carried out (RFC 5321 §4.2.1). */
export function isPositive(reply: Reply): boolean {
  return reply.code >= 200 && reply.code < 300;
}

/** 5yz: repeating the same command is of no use. */
export function isPermanent(reply: Reply): boolean {
  return reply.code >= 500 && reply.code < 600;
}

/** A reply line that no client could make sense of, or one that never ends. */
export class ReplySyntaxError extends Error {
  override readonly name = 'ReplySyntaxError';
}

/** No reply needs more; what a peer sends beyond these is an error, not memory. */
const maxLineOctets = 4096;
const maxLines = 256;

/**
 * What RFC 5321 §4.2 has in no text of a reply. A bare CR would begin another reply for some reader upstream,
 * and a downstream may repeat what a stranger wrote.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const controls = /[\x00-\x08\x0a-\x1f\x7f]/g;

/**
 * Reads replies from the bytes of a connection, however they are cut.
 *
 * RFC 5321 §4.2: each line is three digits, then `-` (more follow), space or the end of the line.
 * A bare LF ends a line too: there are servers that send it, and nothing is misread by it. Other control
 * characters than the tab become spaces.
 */
export class ReplyReader {
  #rest = '';
  #code = 0;
  #lines: string[] = [];

  /**
   * Takes bytes as they arrived.
   *
   * @returns the replies that are complete with them, in order
   * @throws {ReplySyntaxError} for garbage, a code that changes inside a reply, a line over 4096
   *   octets or a reply over 256 lines; the connection is of no use afterwards
   */
  push(chunk: Buffer): Reply[] {
    const replies: Reply[] = [];
    let text = this.#rest + chunk.toString('latin1');
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, text[end - 1] === '\r' ? end - 1 : end);
      text = text.slice(end + 1);
      const reply = this.#line(line);
      if (reply) replies.push(reply);
    }
    // One more may be the CR of a line that is cut before its LF.
    if (text.length > maxLineOctets + 1)
      throw new ReplySyntaxError(`reply line over ${maxLineOctets} octets`);
    this.#rest = text;
    return replies;
  }

  #line(line: string): Reply | undefined {
    if (line.length > maxLineOctets) throw new ReplySyntaxError(`reply line over ${maxLineOctets} octets`);
    if (!/^[2-5][0-9][0-9](?:$|[ -])/.test(line))
      throw new ReplySyntaxError(`not a reply: ${JSON.stringify(line.slice(0, 80))}`);
    const code = Number(line.slice(0, 3));
    if (this.#lines.length > 0 && code !== this.#code) {
      throw new ReplySyntaxError(`code changes from ${this.#code} to ${code} inside a reply`);
    }
    if (this.#lines.length >= maxLines) throw new ReplySyntaxError(`reply over ${maxLines} lines`);
    this.#code = code;
    this.#lines.push(line.slice(4).replace(controls, ' '));
    if (line[3] === '-') return undefined;
    const [first = '', ...rest] = this.#lines;
    this.#lines = [];
    return { code, lines: [first, ...rest] };
  }

  /** Whether part of a reply has been read. */
  get partial(): boolean {
    return this.#rest !== '' || this.#lines.length > 0;
  }
}
