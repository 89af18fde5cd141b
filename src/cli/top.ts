// `postern top`: what is going through a running Postern.
import { type Command, Option } from 'commander';
import { exits } from '../exits.ts';
import { printable } from '../printable.ts';
import { parseTime, timeForm } from '../units.ts';
import { end, endWith, note } from './output.ts';

/** Why there is nothing to see, as an exit status. */
const statuses = {
  unreachable: exits.unavailable,
  permission: exits.permission,
  protocol: exits.protocol,
} as const;

interface TopCommandOptions {
  readonly url: string;
  readonly token?: string;
  readonly interval: string;
  readonly once?: boolean;
}

/** Adds the command. */
export function addTop(program: Command): void {
  program
    .command('top')
    .description('watch what goes through a running Postern: rates, verdicts, pools, the last messages')
    .option('--url <url>', 'its HTTP address, as in `http` of its configuration', 'http://127.0.0.1:8025')
    .addOption(new Option('--token <token>', 'what it wants to be shown').env('POSTERN_HTTP_TOKEN'))
    .option('--interval <time>', 'how often to look', '2s')
    .option('--once', 'look once')
    .action(top);
}

async function top(this: Command, options: TopCommandOptions): Promise<never> {
  const intervalMs = parseTime(options.interval);
  if (intervalMs === undefined || intervalMs < 100) {
    this.error(`error: --interval: expected ${timeForm}, and at least 100ms`);
  }
  const url = readUrl(options.url);
  if (!url) this.error('error: --url: expected such as http://127.0.0.1:8025');
  const { AskError } = await import('../top/ask.ts');
  const { followInLines, followOnScreen, lookOnce } = await import('../top/command.ts');
  const colours = (process.env.NO_COLOR ?? '') === '';
  const site = { url, token: options.token, intervalMs, colours };
  const { stdout, stdin } = process;
  const signal = untilEnded();
  try {
    if (options.once) return await endWith(exits.ok, await lookOnce(site, stdout.columns ?? 80, signal));
    if (stdout.isTTY) await followOnScreen(site, stdout, stdin, signal);
    else await followInLines(site, (text) => stdout.write(text), signal);
    end(exits.ok);
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    note(printable(error.message));
    process.exit(statuses[error.kind]);
  }
}

/** A signal, or a reader who goes away, ends it. */
function untilEnded(): AbortSignal {
  const ending = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => ending.abort());
  process.stdout.once('error', () => ending.abort());
  return ending.signal;
}

function readUrl(text: string): URL | undefined {
  const url = URL.parse(text.endsWith('/') ? text : `${text}/`);
  return url && /^https?:$/.test(url.protocol) && url.host !== '' ? url : undefined;
}
