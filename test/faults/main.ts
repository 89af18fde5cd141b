// `npm run test:faults`: many runs, each from its seed, in as many processes as there are cores.
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { catalogue } from './catalogue.ts';
import { type Figures, noFigures } from './ledger.ts';
import { type Report, run } from './run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    first: { type: 'string', default: '1' },
    runs: { type: 'string', default: String(2 * catalogue.length) },
    messages: { type: 'string', default: '75' },
    jobs: { type: 'string', default: String(availableParallelism()) },
  },
});
/** What a process may hold more after many runs than after the first ones. */
const mostGrowthBytes = 24 * 1024 * 1024;
const warmUpRuns = 15;

const messages = Number(values.messages);
const total = noFigures();
const failed: Report[] = [];
let done = 0;
let slowest: Report | undefined;

if (process.send) obey();
else if (values.seed !== undefined) tell(await run(Number(values.seed), messages), 1);
else await runAll(Number(values.first), Number(values.runs), Number(values.jobs));
if (!process.send) conclude();

/** A process that runs what it is told, and says how much it holds. */
function obey(): void {
  process.on('message', async (seed: number) => {
    const report = await run(seed, messages);
    globalThis.gc?.();
    process.send?.({ report, heapBytes: process.memoryUsage().heapUsed });
  });
  process.on('disconnect', () => process.exit());
}

async function runAll(first: number, runs: number, jobs: number): Promise<void> {
  let seed = first;
  const next = () => (seed < first + runs ? seed++ : undefined);
  await Promise.all(Array.from({ length: jobs }, () => work(next, runs)));
}

/** One process, until there are no more seeds. */
async function work(next: () => number | undefined, runs: number): Promise<void> {
  const child: ChildProcess = fork(import.meta.filename, ['--messages', String(messages)], {
    execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
  });
  let heapBytes: number | undefined;
  for (let seed = next(), count = 1; seed !== undefined; seed = next(), count += 1) {
    const { promise, resolve, reject } = Promise.withResolvers<{ report: Report; heapBytes: number }>();
    const died = () => reject(new Error(`the process died in the run of seed ${seed}`));
    child.once('message', resolve).once('exit', died);
    child.send(seed);
    const answer = await promise;
    child.off('exit', died);
    tell(answer.report, runs);
    if (count === warmUpRuns) heapBytes = answer.heapBytes;
    if (heapBytes !== undefined && answer.heapBytes - heapBytes > mostGrowthBytes) {
      const claim = `the heap has grown from ${heapBytes} to ${answer.heapBytes} bytes in ${count} runs`;
      failed.push({ ...answer.report, failures: [{ claim, dialogue: '' }] });
      heapBytes = answer.heapBytes;
    }
  }
  child.disconnect();
}

function tell(report: Report, runs: number): void {
  done += 1;
  for (const key of Object.keys(total) as (keyof Figures)[]) total[key] += report.figures[key];
  if (!slowest || report.milliseconds > slowest.milliseconds) slowest = report;
  const { seed, title, milliseconds, figures, ambiguous, failures } = report;
  if (ambiguous.length > 0 || failures.length > 0 || done % 20 === 0 || runs === 1) {
    const time = `${(milliseconds / 1000).toFixed(1)} s`;
    console.log(
      `${done}/${runs} seed ${seed} ${title}: ${figures.messages} messages, ${ambiguous.length} ambiguous, ${time}`,
    );
  }
  for (const each of ambiguous) console.log(`  stored without upstream's knowing: ${each}`);
  if (failures.length === 0) return;
  failed.push(report);
  for (const { claim, dialogue } of failures)
    console.log(`  BROKEN ${claim}\n${dialogue.replace(/^/gm, '    ')}`);
}

function conclude(): void {
  const {
    messages: count,
    acknowledged,
    refused,
    unanswered,
    ambiguousDownstream,
    ambiguousUpstream,
  } = total;
  console.log(
    `${done} runs, ${count} messages in ${(performance.now() / 1000).toFixed(0)} s; recipients: ${acknowledged} acknowledged, ${refused} refused, ${unanswered} unanswered;` +
      ` stored without upstream's knowing: ${ambiguousDownstream} because downstream's reply was lost, ${ambiguousUpstream} because upstream or Postern was gone`,
  );
  if (slowest)
    console.log(
      `slowest: seed ${slowest.seed} ${slowest.title}, ${(slowest.milliseconds / 1000).toFixed(1)} s`,
    );
  for (const { seed, title, failures } of failed) {
    console.log(
      `failed: seed ${seed} ${title}: ${failures[0]?.claim}; repeat: npm run test:faults -- --seed ${seed}`,
    );
  }
  process.exitCode = failed.length > 0 ? 1 : 0;
}
