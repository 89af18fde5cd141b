// The soak: mixed traffic and troubles for an hour, and whether anything is lost or grows. `npm run soak -- --help`
import { loadavg } from 'node:os';
import { chosenOptions, endOnSignals, writeResults } from './program.ts';
import { writeSoak } from './report/document.ts';
import { circumstances } from './report/results.ts';
import { judgeAll } from './soak/criteria.ts';
import { readOptions, usage } from './soak/options.ts';
import { plotSoak } from './soak/plot.ts';
import { statusOf, toMarkdown } from './soak/report.ts';
import { soak } from './soak/soak.ts';

endOnSignals();
const chosen = chosenOptions(readOptions, usage);
if (chosen) {
  const [load = 0] = loadavg();
  const course = await soak(chosen, (line) => process.stderr.write(`${line}\n`));
  const judged = judgeAll(course.samples, course.seconds);
  const results = { circumstances: circumstances(load), ...course, judged };
  const markdown = toMarkdown(results);
  console.log(markdown);
  writeResults(chosen.output, results);
  if (chosen.write) writeSoak(markdown, plotSoak(course.samples));
  process.exitCode = statusOf(results);
}
