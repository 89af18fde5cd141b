// The benchmark: what Postern costs beside what the same work costs without it. `npm run bench -- --help`
import { loadavg } from 'node:os';
import { type Options, readOptions, usage } from './options.ts';
import { chosenOptions, endOnSignals, writeResults } from './program.ts';
import { writeReport, writeSections } from './report/document.ts';
import { toMarkdown } from './report/markdown.ts';
import {
  circumstances,
  type Found,
  type Results,
  readResults,
  type SeriesName,
  seriesNames,
} from './report/results.ts';
import { costOfSizes, manyIdle, manyLarge } from './series/burden.ts';
import { runDns } from './series/dns.ts';
import { runMatrix } from './series/matrix.ts';
import { speedGoals } from './series/speed.ts';
import { Site } from './site/site.ts';
import { warmYardsticks } from './site/warm.ts';

/** @param report is told what each series has found as soon as it is over */
async function run(options: Options, report: (results: Results) => void): Promise<void> {
  const [load = 0] = loadavg();
  const on = circumstances(load);
  const { series, seconds, rounds, warmUp } = options;
  const measuring = { seconds, rounds, warmUp };
  const progress = (text: string) => process.stderr.write(`${text}\n`);
  await using site = await Site.start();
  if (warmUp === 'settled' && series.some((each) => each !== 'memory')) await warmYardsticks(site);
  const perform: { readonly [Name in SeriesName]: () => Promise<Found[Name]> } = {
    goals: () => speedGoals(site, { ...measuring, progress }),
    memory: async () => [...(await manyLarge(site)), await manyIdle(site)],
    sizes: () => costOfSizes(site, measuring),
    dns: () => runDns(site, { ...measuring, connections: [1, 32] }),
    matrix: () => runMatrix(site, { ...options, progress }),
  };
  for (const name of seriesNames) {
    if (series.includes(name)) report({ [name]: { circumstances: on, found: await perform[name]() } });
  }
}

endOnSignals();
const chosen = chosenOptions(readOptions, usage);
if (chosen) {
  const earlier = readResults(chosen.output);
  let results: Results = {};
  await run(chosen, (more) => {
    results = { ...results, ...more };
    const all = { ...earlier, ...results };
    writeResults(chosen.output, all);
    writeReport(chosen.output, all);
    if (chosen.write) writeSections(more);
  });
  console.log(toMarkdown(results));
}
