// The benchmark: what Postern costs beside what the same work costs without it. `npm run bench -- --help`
import { loadavg } from 'node:os';
import { type Options, readOptions, usage } from './options.ts';
import { chosenOptions, writeResults } from './program.ts';
import { writeDocument } from './report/document.ts';
import { toMarkdown } from './report/markdown.ts';
import { plot } from './report/plot.ts';
import { circumstances, type Results } from './report/results.ts';
import { costOfSizes, manyIdle, manyLarge } from './series/burden.ts';
import { runDns } from './series/dns.ts';
import { runMatrix } from './series/matrix.ts';
import { speedGoals } from './series/speed.ts';
import { Site } from './site/site.ts';
import { warmYardsticks } from './site/warm.ts';

/** @param report is told of all that has been found so far, after each series */
async function run(options: Options, report: (results: Results) => void): Promise<Results> {
  const [load = 0] = loadavg();
  const { series, seconds, rounds, warmUp } = options;
  const progress = (text: string) => process.stderr.write(`${text}\n`);
  await using site = await Site.start();
  if (warmUp === 'settled' && series.some((each) => each !== 'memory')) await warmYardsticks(site);
  let results: Results = { circumstances: circumstances(load), goals: [], matrix: [], dns: [], sizes: [] };
  const found = (more: Partial<Results>) => {
    results = { ...results, ...more };
    report(results);
  };
  if (series.includes('goals'))
    found({ goals: await speedGoals(site, { seconds, rounds, warmUp, progress }) });
  if (series.includes('memory'))
    found({ goals: [...results.goals, ...(await manyLarge(site)), await manyIdle(site)] });
  if (series.includes('sizes')) {
    const { costs, goal } = await costOfSizes(site, { seconds, rounds, warmUp });
    found({ goals: [...results.goals, goal], sizes: costs });
  }
  if (series.includes('dns'))
    found({ dns: await runDns(site, { connections: [1, 32], seconds, rounds, warmUp }) });
  if (series.includes('matrix')) found({ matrix: await runMatrix(site, { ...options, progress }) });
  return results;
}

const chosen = chosenOptions(readOptions, usage);
if (chosen) {
  const results = await run(chosen, (soFar) => {
    writeResults(chosen.output, soFar);
    if (chosen.write) writeDocument(toMarkdown(soFar), plot(soFar.matrix));
  });
  console.log(toMarkdown(results));
}
