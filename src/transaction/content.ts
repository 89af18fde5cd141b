// What upstream sends after a 354: kept within its limits, its newlines mended, its header section found, all of it spooled.
import { HeaderCollector, type HeaderField, type HeaderSection } from '../message/header-section.ts';
import { Spool, type SpoolOptions } from '../message/spool.ts';
import { type BareNewlines, Newlines } from '../smtp/newlines.ts';
import type { Reply } from '../smtp/reply.ts';
import type { FailureStage } from './record.ts';
import { bareNewline, headerTooLarge, internalError, messageTooLarge, notStored } from './replies.ts';

export interface ContentSettings {
  readonly bareNewlines: BareNewlines;
  readonly limits: { readonly messageBytes: number; readonly headerBytes: number };
  readonly spool: SpoolOptions;
}

/** Who is told of the message while it arrives. */
export interface ContentEvents {
  /** The header section is complete: its fields from the top. */
  header(fields: readonly HeaderField[]): void;
  /** The next bytes of the body. */
  body(chunk: Buffer): void;
  /** It is refused; nothing more will be told. */
  refused(): void;
  /** What upstream is not told in full, for the log. */
  failure(stage: Extract<FailureStage, 'spool' | 'internal'>, error: unknown): void;
}

/** The content of one message. Once it is refused, the rest is read and thrown away, as is what came before. */
export class Content {
  /** The message as it will be judged and relayed. */
  readonly spool: Spool;
  readonly #settings: ContentSettings;
  readonly #events: ContentEvents;
  readonly #header: HeaderCollector;
  readonly #newlines: Newlines;
  #sizeBytes = 0;
  #refusal: Reply | undefined;

  constructor(settings: ContentSettings, events: ContentEvents) {
    this.spool = new Spool(settings.spool);
    this.#settings = settings;
    this.#events = events;
    this.#header = new HeaderCollector(settings.limits.headerBytes);
    this.#newlines = new Newlines(settings.bareNewlines);
  }

  /** What upstream has sent, dots un-stuffed. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Why the message is not taken; undefined as long as it is. */
  get refusal(): Reply | undefined {
    return this.#refusal;
  }

  /** The header section; of a message that has ended. */
  get section(): HeaderSection {
    return this.#header.section();
  }

  /**
   * So many bytes are announced (RFC 1870).
   *
   * @returns why they would not be taken
   */
  expect(bytes: number): Reply | undefined {
    const { messageBytes } = this.#settings.limits;
    if (bytes > messageBytes) return messageTooLarge(messageBytes);
    this.spool.expect(bytes);
    return undefined;
  }

  /**
   * Takes the next piece, dots un-stuffed.
   *
   * @returns a promise where the next one should wait for it
   */
  write(chunk: Buffer): Promise<void> | undefined {
    if (this.#refusal) return undefined;
    try {
      return this.#take(chunk);
    } catch (error) {
      this.#events.failure('internal', error);
      return this.#refuse(internalError);
    }
  }

  /** The message has ended. Without an empty line all of it is header. */
  async end(): Promise<void> {
    if (!this.#refusal) await this.#store(this.#newlines.end());
    if (!this.#refusal && !this.#header.complete) this.#events.header(this.section.fields);
  }

  /** Gives memory and file back; may be called again. */
  dispose(): void {
    this.spool.dispose().catch((error: unknown) => this.#events.failure('spool', error));
  }

  #take(chunk: Buffer): Promise<void> | undefined {
    const { bareNewlines, limits } = this.#settings;
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes > limits.messageBytes) return this.#refuse(messageTooLarge(limits.messageBytes));
    const piece = this.#newlines.push(chunk);
    const { found, smuggling } = this.#newlines;
    if ((found && bareNewlines === 'reject') || smuggling) return this.#refuse(bareNewline);
    return this.#store(piece);
  }

  /** The next bytes of the message as it will be judged and relayed. */
  #store(piece: Buffer): Promise<void> | undefined {
    if (piece.length === 0) return undefined;
    const known = this.#header.complete;
    const headerBytes = this.#header.push(piece);
    if (this.#header.overLimit) return this.#refuse(headerTooLarge(this.#header.overLimit));
    if (!known && this.#header.complete) this.#events.header(this.section.fields);
    const body = piece.subarray(headerBytes);
    if (body.length > 0) this.#events.body(body);
    return this.spool.append(piece)?.catch((error: unknown) => this.#spoolFailed(error));
  }

  #spoolFailed(error: unknown): void {
    this.#events.failure('spool', error);
    this.#refuse(notStored);
  }

  #refuse(reply: Reply): undefined {
    this.#refusal ??= reply;
    this.#events.refused();
    this.dispose();
    return undefined;
  }
}
