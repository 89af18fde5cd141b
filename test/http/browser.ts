// Headless Chromium, driven by its DevTools protocol: opens pages, asks them, takes pictures.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const programs = ['chromium', 'chromium-browser', 'google-chrome'];
const startMs = 30_000;
const callMs = 20_000;

/** The name of a browser that is installed; undefined: there is none. */
export function installedBrowser(): string | undefined {
  return programs.find((program) => {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** A browser with one page; `await using` ends it. */
export class Browser implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #socket: WebSocket;
  readonly #directory: string;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #calls = 0;
  /** What the page's scripts threw, and what its policy forbade. */
  readonly complaints: string[] = [];

  private constructor(process: ChildProcess, socket: WebSocket, directory: string) {
    this.#process = process;
    this.#socket = socket;
    this.#directory = directory;
    socket.addEventListener('message', ({ data }) => this.#hear(JSON.parse(String(data)) as Message));
  }

  static async start(program: string): Promise<Browser> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-browser-'));
    const child = spawn(
      program,
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--no-first-run',
        '--disable-background-networking',
        '--remote-debugging-port=0',
        `--user-data-dir=${directory}`,
        'about:blank',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: directory } },
    );
    try {
      const address = await debuggingAddress(child);
      const pages = (await (await fetch(`http://${address}/json/list`)).json()) as readonly {
        readonly type: string;
        readonly webSocketDebuggerUrl: string;
      }[];
      const page = pages.find(({ type }) => type === 'page');
      if (!page) throw new Error('the browser has no page');
      const socket = new WebSocket(page.webSocketDebuggerUrl);
      await once(socket, 'open');
      const browser = new Browser(child, socket, directory);
      for (const domain of ['Page', 'Runtime', 'Log']) await browser.#call(`${domain}.enable`);
      return browser;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** Sets width and height in pixels of CSS, and what the reader prefers; before `open`. */
  async show(options: {
    readonly width: number;
    readonly height: number;
    readonly scheme: 'light' | 'dark';
  }): Promise<void> {
    const { width, height, scheme } = options;
    const mobile = width < 600;
    await this.#call('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      mobile,
      deviceScaleFactor: mobile ? 2 : 1,
    });
    await this.#call('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: scheme }],
    });
  }

  async open(url: string): Promise<void> {
    const { errorText } = await this.#call('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
  }

  /** The value of an expression in the page; promises are waited for. */
  async ask(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#call('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { readonly value?: unknown }).value;
  }

  /** Until an expression is true: looked at each time that the page draws something. */
  async until(condition: string): Promise<void> {
    const wait = `new Promise((resolve, reject) => {
      const look = () => { if (${condition}) { observer.disconnect(); resolve(true); } };
      const observer = new MutationObserver(look);
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      setTimeout(() => reject(new Error('not in time: ' + document.body?.innerText.slice(0, 3000))), 10000);
      look();
    })`;
    await this.ask(wait);
  }

  /** A PNG of what is seen. */
  async picture(file: string): Promise<void> {
    const { data } = await this.#call('Page.captureScreenshot');
    await writeFile(file, Buffer.from(String(data), 'base64'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#process, 'exit');
    this.#socket.close();
    this.#process.kill('SIGKILL');
    await gone;
    // Its children may be writing still.
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #call(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer`)), callMs);
      this.#waiting.set(id, ({ result, error }) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result ?? {});
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  #hear(message: Message): void {
    if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
    const { entry } = (message.params ?? {}) as { readonly entry?: { readonly level: string } };
    const wrong = message.method === 'Log.entryAdded' && entry?.level === 'error';
    if (message.method === 'Runtime.exceptionThrown' || wrong)
      this.complaints.push(JSON.stringify(message.params));
  }
}

/** What it says on standard error when it can be driven. */
async function debuggingAddress(child: ChildProcess): Promise<string> {
  if (!child.stderr) throw new Error('the browser says nothing');
  const signal = AbortSignal.timeout(startMs);
  const said: string[] = [];
  try {
    for await (const line of createInterface({ input: child.stderr, signal })) {
      const address = /DevTools listening on ws:\/\/([^/]+)\//.exec(line)?.[1];
      if (address !== undefined) return address;
      said.push(line);
    }
  } finally {
    // What it says later is of no interest, and must not stop it.
    child.stderr.resume();
  }
  throw new Error(`the browser did not start: ${said.join('\n')}`);
}
