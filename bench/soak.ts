// The soak: mixed traffic and troubles for an hour, and whether anything is lost or grows. `npm run soak -- --help`
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname } from 'node:path';
import { writeSoak } from './report/document.ts';
import { circumstances } from './report/results.ts';
import { judgeAll } from './soak/criteria.ts';
import { type Options, readOptions, usage } from './soak/options.ts';
import { plotSoak } from './soak/plot.ts';
import { statusOf, toMarkdown } from './soak/report.ts';
import { soak } from './soak/soak.ts';

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
if (chosen !== undefined) {
  const [load = 0] = loadavg();
  const course = await soak(chosen, (line) => process.stderr.write(`${line}\n`));
  const judged = judgeAll(course.samples, course.seconds);
  const results = { circumstances: circumstances(load), ...course, judged };
  const markdown = toMarkdown(results);
  console.log(markdown);
  mkdirSync(dirname(chosen.output), { recursive: true });
  writeFileSync(chosen.output, `${JSON.stringify(results, undefined, 2)}\n`);
  if (chosen.write) writeSoak(markdown, plotSoak(course.samples));
  process.exitCode = statusOf(results);
} else if (process.exitCode === undefined) console.log(usage);
