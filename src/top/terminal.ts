// The whole screen of a terminal, borrowed and given back as it was.
import type { ScreenLine } from './screen.ts';

/** Where the screen is, as process.stdout is. */
export interface Screen {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** Where keys come from, as process.stdin is. */
export interface Keys {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data', listener: (keys: Buffer) => void): unknown;
  off(event: 'data', listener: (keys: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

const styles = { title: '\x1b[1m', head: '\x1b[2m', bad: '\x1b[31m', warn: '\x1b[33m' } as const;

// Alternate buffer, no cursor, no lines that go on in the next one; and back.
const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l';

/** Ctrl-C and Ctrl-D are keys like others while the terminal is ours. */
const quitKeys: ReadonlySet<string> = new Set(['q', 'Q', '\x03', '\x04']);

/** A terminal in full-screen mode; `close` gives it back. */
export class Terminal {
  readonly #screen: Screen;
  readonly #keys: Keys;
  readonly #colours: boolean;
  readonly #resized: () => void;
  readonly #pressed: (keys: Buffer) => void;
  readonly #close = () => this.close();
  #open = true;

  /** @param on.quit is told when q, Ctrl-C or Ctrl-D is pressed */
  constructor(
    screen: Screen,
    keys: Keys,
    on: { readonly colours: boolean; readonly resize: () => void; readonly quit: () => void },
  ) {
    this.#screen = screen;
    this.#keys = keys;
    this.#colours = on.colours;
    this.#resized = on.resize;
    const pressed = (key: Buffer) => {
      if (quitKeys.has(key.toString('latin1', 0, 1))) on.quit();
    };
    this.#pressed = pressed;
    screen.write(enter);
    screen.on('resize', this.#resized);
    if (keys.isTTY) {
      keys.setRawMode?.(true);
      keys.on('data', this.#pressed);
      keys.resume();
    }
    // However the program ends, the shell gets its terminal back.
    process.on('exit', this.#close);
  }

  get columns(): number {
    return this.#screen.columns ?? 80;
  }

  get lines(): number {
    return this.#screen.rows ?? 24;
  }

  /** Shows lines from the top; what was there goes. */
  show(lines: readonly ScreenLine[]): void {
    if (!this.#open) return;
    const shown = lines.slice(0, this.lines).map((line) => `${this.#styled(line)}\x1b[K`);
    this.#screen.write(`\x1b[H${shown.join('\r\n')}\x1b[J`);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    process.off('exit', this.#close);
    this.#screen.off('resize', this.#resized);
    if (this.#keys.isTTY) {
      this.#keys.off('data', this.#pressed);
      this.#keys.setRawMode?.(false);
      this.#keys.pause();
    }
    this.#screen.write(leave);
  }

  #styled({ text, style }: ScreenLine): string {
    return this.#colours && style !== undefined ? `${styles[style]}${text}\x1b[0m` : text;
  }
}
