// The benchmark: what Postern costs beside what the same work costs without it. `npm run bench -- --help`
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname } from 'node:path';
import { type Options, readOptions, usage } from './options.ts';
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

async function run(options: Options): Promise<Results> {
  const [load = 0] = loadavg();
  const { series, seconds, rounds } = options;
  const progress = (text: string) => process.stderr.write(`${text}\n`);
  await using site = await Site.start();
  const goals: Goal[] = [];
  let sizes: readonly SizeCost[] = [];
  if (series.includes('goals')) goals.push(...(await speedGoals(site, { seconds, rounds, progress })));
  if (series.includes('memory')) goals.push(...(await manyLarge(site)), await manyIdle(site));
  if (series.includes('sizes')) {
    const { costs, goal } = await costOfSizes(site, { seconds, rounds });
    goals.push(goal);
    sizes = costs;
  }
  const dns = series.includes('dns') ? await runDns(site, { connections: [1, 32], seconds, rounds }) : [];
  const matrix = series.includes('matrix') ? await runMatrix(site, { ...options, progress }) : [];
  return { circumstances: circumstances(load), goals, matrix, dns, sizes };
}

function options(): Options | undefined {
  const args = process.argv.slice(2);
  if (args.includes('--help')) return undefined;
  try {
    return readOptions(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 64;
    return undefined;
  }
}

const chosen = options();
if (chosen === undefined) console.log(usage);
else {
  const results = await run(chosen);
  const markdown = toMarkdown(results);
  console.log(markdown);
  mkdirSync(dirname(chosen.output), { recursive: true });
  writeFileSync(chosen.output, `${JSON.stringify(results, undefined, 2)}\n`);
  if (chosen.write) writeDocument(markdown, plot(results.matrix));
}
