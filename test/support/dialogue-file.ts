// Reads a conversation from a text file and holds it with a proxy between a raw client and a scripted downstream.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { RawClient } from './raw-client.ts';
import { RunningProxy, tlsFiles } from './running-proxy.ts';
import { type ScriptedAnswer, ScriptedDownstream, type ScriptedVerb } from './scripted-downstream.ts';
import { makeKey } from './signing.ts';

/** An answer, or one for each text that the command line may contain. */
type Answers = string | readonly string[] | Readonly<Record<string, string | readonly string[]>>;

interface Setting {
  readonly listener?: Readonly<Record<string, unknown>>;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly zone?: Readonly<Record<string, unknown>>;
  readonly downstream?: {
    readonly protocol?: 'smtp' | 'lmtp';
    readonly extensions?: readonly string[];
    readonly answers?: Partial<Record<ScriptedVerb, Answers>>;
  };
  /** The client begins with this PROXY header. */
  readonly proxy?: string;
}

export interface DialogueFile {
  /** The comment at its top: what it shows. */
  readonly title: string;
  readonly setting: Setting;
  readonly steps: readonly { readonly number: number; readonly text: string }[];
}

/** Reads a file: comment, setting in YAML, `---`, conversation. */
export async function readDialogue(path: string): Promise<DialogueFile> {
  const text = await readFile(path, 'utf8');
  const [head = '', ...body] = text.split(/^---\n/m);
  const title = [...head.matchAll(/^# (.*)$/gm)].map(([, line]) => line).join(' ');
  const before = head.split('\n').length;
  const steps = body
    .join('---\n')
    .split('\n')
    .map((line, i) => ({ number: before + i + 1, text: line }))
    .filter(({ text: line }) => line !== '' && !line.startsWith('#'));
  return { title, setting: (parse(head) ?? {}) as Setting, steps };
}

/** Holds the conversation; throws at the first line that is not as the file says. */
export async function holdDialogue(file: DialogueFile): Promise<void> {
  const { setting } = file;
  const { protocol = 'smtp', extensions, answers = {} } = setting.downstream ?? {};
  const start = (port?: number) =>
    ScriptedDownstream.start({
      protocol,
      ...(port === undefined ? {} : { port }),
      ...(extensions ? { extensions } : {}),
      answers: Object.fromEntries(
        Object.entries(answers).map(([verb, answer]) => [verb, (line: string) => choose(answer, line)]),
      ),
    });
  await using downstream = await start();
  await using proxy = await RunningProxy.start({
    ...(setting.settings ? { settings: setting.settings } : {}),
    zone: setting.zone ?? {},
    listener: { destinations: [downstream.destination], ...setting.listener },
    files: {
      ...tlsFiles,
      'seal.key': makeKey('sealer.example', 's', 'ed25519').privateKey,
    },
  });
  using conversation = new Conversation(await RawClient.connect(proxy.address), downstream, proxy);
  if (setting.proxy !== undefined) conversation.client.send(`${setting.proxy}\r\n`);
  for (const { number, text } of file.steps) {
    try {
      await conversation.step(text);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`line ${number}: ${text}\n${reason}`, { cause: error });
    }
  }
}

function choose(answer: Answers, line: string): ScriptedAnswer {
  if (typeof answer === 'string' || isList(answer)) return answer;
  const [, chosen] = Object.entries(answer).find(([part]) => line.includes(part)) ?? [];
  return chosen;
}

function isList(answer: Answers): answer is readonly string[] {
  return Array.isArray(answer);
}

/** The steps of a conversation; what the client says is gathered until it waits for something. */
class Conversation implements Disposable {
  client: RawClient;
  readonly #downstream: ScriptedDownstream;
  readonly #proxy: RunningProxy;
  readonly #others: RawClient[] = [];
  #gathered = '';
  #seen = 0;

  constructor(client: RawClient, downstream: ScriptedDownstream, proxy: RunningProxy) {
    this.client = client;
    this.#downstream = downstream;
    this.#proxy = proxy;
  }

  [Symbol.dispose](): void {
    for (const client of [...this.#others, this.client]) client[Symbol.dispose]();
  }

  async step(text: string): Promise<void> {
    const [, side = '', action = '', rest = ''] = /^([cdl]) (->|<-|<~|\S+) ?(.*)$/.exec(text) ?? [];
    if (`${side} ${action}` === 'c ->') {
      this.#gathered += spelled(rest);
      return;
    }
    if (this.#gathered !== '') this.client.send(this.#gathered);
    this.#gathered = '';
    switch (`${side} ${action}`) {
      case 'c <-':
        return matches((await this.client.line()) ?? 'connection closed', rest);
      case 'c <~':
        return this.#replyOf(rest);
      case 'c close':
        return this.client.close();
      case 'c closed':
        return assert.equal(await this.client.line(), undefined, 'the connection is still open');
      case 'c again':
        this.client.close();
        this.client = await RawClient.connect(this.#proxy.address);
        return;
      case 'c more':
        this.#others.push(this.client);
        this.client = await RawClient.connect(this.#proxy.address);
        return;
      case 'c secure':
        return this.client.secure();
      case 'd <-':
        return this.#commandOf(rest);
      case 'd drops':
        this.#downstream.disconnect('end');
        return this.#downstream.until(() => this.#downstream.open === 0);
      case 'd stops':
        return this.#downstream.close();
      case 'd messages':
        await this.#downstream.until(() => this.#downstream.messages.length >= Number(rest));
        return assert.equal(this.#downstream.messages.length, Number(rest));
      case 'd incomplete':
        await this.#downstream.until(() => this.#downstream.incomplete.length >= Number(rest));
        return assert.equal(this.#downstream.incomplete.length, Number(rest));
      case 'd connections':
        return assert.equal(this.#downstream.connections, Number(rest));
      case 'd contains':
        return assert.match(this.#lastMessage(), new RegExp(rest, 'ms'));
      case 'd lacks':
        return assert.doesNotMatch(this.#lastMessage(), new RegExp(rest, 'ms'));
      case 'l says':
        return assert.match(JSON.stringify(this.#proxy.events), new RegExp(rest));
      default:
        throw new Error('no such step');
    }
  }

  #lastMessage(): string {
    return this.#downstream.messages.at(-1)?.data.toString('latin1') ?? '';
  }

  /** `250`, or `250 offers X` / `250 lacks X`: a whole reply, of which only this counts. */
  async #replyOf(expected: string): Promise<void> {
    const [code, how, what = ''] = expected.split(' ');
    const lines = await this.client.reply();
    assert.equal(lines[0]?.slice(0, 3), code, lines.join('\n'));
    const keywords = lines.map((line) => line.slice(4).split(' ')[0]);
    if (how === 'offers') assert.ok(keywords.includes(what), `${what} is not in\n${lines.join('\n')}`);
    if (how === 'lacks') assert.ok(!keywords.includes(what), `${what} is in\n${lines.join('\n')}`);
  }

  /** The next command downstream, those of opening and closing a connection left out. */
  async #commandOf(expected: string): Promise<void> {
    const commands = () =>
      this.#downstream.commands.filter((line) => !/^(?:EHLO|LHLO|HELO|QUIT|NOOP)\b/i.test(line));
    await this.#downstream.until(() => commands().length > this.#seen);
    matches(commands()[this.#seen++] ?? '', expected);
  }
}

/** What is said by it: `\r \n \t \0 \xHH \\`; a `\` at the end of the line: no CRLF follows. */
export function spelled(text: string): string {
  const open = /(?<!\\)(?:\\\\)*\\$/.test(text);
  const body = (open ? text.slice(0, -1) : text).replace(/\\(x[0-9a-fA-F]{2}|.)/g, (_, code: string) => {
    if (code.startsWith('x') && code.length === 3)
      return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return { r: '\r', n: '\n', t: '\t', '0': '\0' }[code] ?? code;
  });
  return open ? body : `${body}\r\n`;
}

/** `*` stands for anything. */
function matches(actual: string, expected: string): void {
  const pattern = expected
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  assert.match(actual, new RegExp(`^${pattern}$`, 's'), `came: ${actual}`);
}
