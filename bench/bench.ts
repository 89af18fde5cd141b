// The benchmark: what Postern costs beside what the same work costs without it. `npm run bench -- --help`
import { loadavg } from 'node:os';
import { type Options, readOptions, usage } from './options.ts';
import { chosenOptions, writeResults } from './program.ts';
import { writeDocument } from './report/document.ts';
import { toMarkdown } from './report/markdown.ts';
import { plot } from './report/plot.ts';
import { circumstances, type Results } from './report/results.ts';
import { costOfSizes, manyIdle, manyLarge, type SizeCost } from './series/burden.ts';
import { runDns } from './series/dns.ts';
import type { Goal } from './series/goal.ts';
import { runMatrix } from './series/matrix.ts';
import { speedGoals } from './series/speed.ts';
import { Site } from './site/site.ts';
import { warmYardsticks } from './site/warm.ts';

async function run(options: Options): Promise<Results> {
  const [load = 0] = loadavg();
  const { series, seconds, rounds, warmUp } = options;
  const progress = (text: string) => process.stderr.write(`${text}\n`);
  await using site = await Site.start();
  if (warmUp === 'settled' && series.some((each) => each !== 'memory')) await warmYardsticks(site);
  const goals: Goal[] = [];
  let sizes: readonly SizeCost[] = [];
  if (series.includes('goals'))
    goals.push(...(await speedGoals(site, { seconds, rounds, warmUp, progress })));
  if (series.includes('memory')) goals.push(...(await manyLarge(site)), await manyIdle(site));
  if (series.includes('sizes')) {
    const { costs, goal } = await costOfSizes(site, { seconds, rounds, warmUp });
    goals.push(goal);
    sizes = costs;
  }
  const dns = series.includes('dns')
    ? await runDns(site, { connections: [1, 32], seconds, rounds, warmUp })
    : [];
  const matrix = series.includes('matrix') ? await runMatrix(site, { ...options, progress }) : [];
  return { circumstances: circumstances(load), goals, matrix, dns, sizes };
}

const chosen = chosenOptions(readOptions, usage);
if (chosen) {
  const results = await run(chosen);
  const markdown = toMarkdown(results);
  console.log(markdown);
  writeResults(chosen.output, results);
  if (chosen.write) writeDocument(markdown, plot(results.matrix));
}
