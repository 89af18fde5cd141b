// `npm run test:faults`: many runs, each from its seed, in as many processes as there are cores.
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { heldBytes } from '../support/garbage.ts';
import { catalogue } from './catalogue.ts';
import { type Figures, noFigures } from './ledger.ts';
import { entryOf, type Report, run } from './run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    first: { type: 'string', default: '1' },
    runs: { type: 'string' },
    messages: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
  },
});
/** Where nothing else is said: every entry twice, with so many messages. */
const usualRuns = 2 * catalogue.length;
const usualMessages = 75;
/** What all runs come to at least: where less was tried, nothing is proved. */
const leastRuns = 500;
const leastMessages = 50_000;
/** What a process may hold more after many runs than after the first ones, which compile what all have in common. */
const mostGrowthBytes = 24 * 1024 * 1024;
const warmUpRuns = 15;
/**
 * What it may hold more after a run than before it, again and again: less than 130 kB were measured, and more only
 * where something was done for the first time.
 */
const mostKeptBytes = 128 * 1024;
const repetitions = 2;
/** A run that takes longer hangs. */
const longestRunMs = 5 * 60_000;

const messages = Number(values.messages ?? usualMessages);
const all = values.seed === undefined && values.runs === undefined && values.messages === undefined;
const total = noFigures();
const failed: Failed[] = [];
let done = 0;
let slowest: Report | undefined;

interface Failed {
  readonly seed: number;
  readonly title: string;
  readonly claim: string;
  /** How it is seen again; undefined: by its seed alone. */
  readonly repeat?: string;
}

/** What a process has to say of a run. */
interface Answer {
  readonly report: Report;
  readonly heldBytes: number;
}

interface Examined extends Answer {
  /** How much more was held after it, each time that it was too much. */
  readonly keptBytes: readonly number[];
}

if (process.send) obey();
else {
  try {
    if (values.seed !== undefined) await runAll(Number(values.seed), 1, 1);
    else await runAll(Number(values.first), Number(values.runs ?? usualRuns), Number(values.jobs));
  } finally {
    conclude();
  }
}

/** A process that runs what it is told, and says how much it holds. */
function obey(): void {
  process.on('message', async (seed: number) => {
    const report = await run(seed, messages);
    process.send?.({ report, heldBytes: await held() } satisfies Answer);
  });
  // Whoever asked may be gone in the middle of a run: what that has started goes too.
  process.on('disconnect', () => process.kill(-process.pid, 'SIGKILL'));
}

/** What is held for good, in bytes. What is outside of the heap goes a while after what has held it. */
async function held(): Promise<number> {
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    const now = heldBytes();
    if (now > 0.98 * before) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

async function runAll(first: number, runs: number, jobs: number): Promise<void> {
  let seed = first;
  const next = () => (seed < first + runs ? seed++ : undefined);
  await Promise.all(Array.from({ length: jobs }, () => work(next, runs)));
}

/** One process, and another where it is lost, until there are no more seeds. */
async function work(next: () => number | undefined, runs: number): Promise<void> {
  let child: ChildProcess | undefined;
  let warmBytes: number | undefined;
  let lastBytes = 0;
  let count = 0;
  for (let seed = next(); seed !== undefined; seed = next()) {
    if (!child) {
      child = begin();
      warmBytes = undefined;
      count = 0;
    }
    // What a service leaves behind is not in this process.
    const warm = count >= warmUpRuns && entryOf(seed).kind === 'dialogue';
    const answer = await examine(child, seed, warm ? lastBytes : Number.POSITIVE_INFINITY);
    if (typeof answer === 'string') {
      done += 1;
      const { title } = entryOf(seed);
      console.log(`${done}/${runs} seed ${seed} ${title}\n  BROKEN ${answer}`);
      failed.push({ seed, title, claim: answer });
      end(child);
      child = undefined;
      continue;
    }
    count += 1;
    tell(answer.report, runs);
    lastBytes = answer.heldBytes;
    if (answer.keptBytes.length > repetitions) {
      const first = Math.max(1, seed - warmUpRuns);
      const repeat = `--first ${first} --runs ${seed - first + 1} --jobs 1`;
      const claim = `bytes left behind, each time: ${answer.keptBytes.join(', ')}`;
      console.log(`  BROKEN ${claim}`);
      failed.push({ seed, title: answer.report.title, claim, repeat });
    }
    if (count === warmUpRuns) warmBytes = answer.heldBytes;
    if (warmBytes !== undefined && answer.heldBytes - warmBytes > mostGrowthBytes) {
      const claim = `a process has grown from ${warmBytes} to ${answer.heldBytes} bytes in ${count} runs`;
      failed.push({ seed, title: answer.report.title, claim });
      warmBytes = answer.heldBytes;
    }
  }
  child?.disconnect();
}

/**
 * Asks for a run, and again as long as more is held after it: what is done for the first time is done once.
 *
 * @param beforeBytes what is held without it
 * @returns in place of an answer, why there is none
 */
async function examine(child: ChildProcess, seed: number, beforeBytes: number): Promise<Examined | string> {
  const first = await ask(child, seed);
  if (typeof first === 'string') return first;
  const { report } = first;
  const keptBytes: number[] = [];
  let { heldBytes } = first;
  for (let before = beforeBytes; heldBytes - before > mostKeptBytes; ) {
    keptBytes.push(heldBytes - before);
    if (keptBytes.length > repetitions) break;
    const again = await ask(child, seed);
    if (typeof again === 'string') return again;
    before = heldBytes;
    heldBytes = again.heldBytes;
  }
  return { report, heldBytes, keptBytes };
}

/** A process of a group of its own: so does whatever a run starts belong to it. */
function begin(): ChildProcess {
  const child = fork(import.meta.filename, ['--messages', String(messages)], {
    detached: true,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  // That it could not be started is seen when it is asked.
  return child.on('error', () => undefined);
}

/** Ends it with all that it has started. */
function end({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone, and so are all others.
  }
}

/** @returns in place of an answer, why there is none */
async function ask(child: ChildProcess, seed: number): Promise<Answer | string> {
  const { promise, resolve } = Promise.withResolvers<Answer | string>();
  const died = (code: number | null, signal: NodeJS.Signals | null) =>
    resolve(`the process died in the run (${signal ?? code})`);
  const timer = setTimeout(() => resolve(`the run was not over in ${longestRunMs / 1000} s`), longestRunMs);
  child.once('message', resolve).once('exit', died);
  child.send(seed, (error) => {
    if (error) resolve(`the process could not be asked: ${error.message}`);
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    child.off('message', resolve).off('exit', died);
  }
}

function tell(report: Report, runs: number): void {
  done += 1;
  for (const key of Object.keys(total) as (keyof Figures)[]) total[key] += report.figures[key];
  if (!slowest || report.milliseconds > slowest.milliseconds) slowest = report;
  const { seed, title, milliseconds, figures, ambiguous, failures } = report;
  if (ambiguous.length > 0 || failures.length > 0 || done % 20 === 0 || runs === 1) {
    const time = `${(milliseconds / 1000).toFixed(1)} s`;
    console.log(
      `${done}/${runs} seed ${seed} ${title}: ${figures.ended} messages, ${ambiguous.length} ambiguous, ${time}`,
    );
  }
  for (const each of ambiguous) console.log(`  stored without upstream's knowing: ${each}`);
  const [first] = failures;
  if (first) failed.push({ seed, title, claim: first.claim });
  for (const { claim, dialogue } of failures)
    console.log(`  BROKEN ${claim}\n${dialogue.replace(/^/gm, '    ')}`);
}

function conclude(): void {
  const {
    messages: begun,
    ended,
    acknowledged,
    refused,
    unanswered,
    ambiguousDownstream,
    ambiguousUpstream,
  } = total;
  console.log(
    `${done} runs, ${ended} messages (${begun - ended} given up before their end) in ${(performance.now() / 1000).toFixed(0)} s; recipients: ${acknowledged} acknowledged, ${refused} refused, ${unanswered} unanswered;` +
      ` stored without upstream's knowing: ${ambiguousDownstream} because downstream's reply was lost, ${ambiguousUpstream} because upstream or Postern was gone`,
  );
  if (slowest)
    console.log(
      `slowest: seed ${slowest.seed} ${slowest.title}, ${(slowest.milliseconds / 1000).toFixed(1)} s`,
    );
  const how = messages === usualMessages ? '' : ` --messages ${messages}`;
  for (const { seed, title, claim, repeat = `--seed ${seed}` } of failed) {
    console.log(`failed: seed ${seed} ${title}: ${claim}; repeat: npm run test:faults -- ${repeat}${how}`);
  }
  const enough = !all || (done >= leastRuns && ended >= leastMessages);
  if (!enough)
    console.log(`failed: there must be ${leastRuns} runs and ${leastMessages} messages, less proves nothing`);
  process.exitCode = failed.length > 0 || !enough ? 1 : 0;
}
