// `npm run fuzz`: all targets for as many inputs as are asked for, in two processes, with a seed that repeats it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { flood } from './flood.ts';
import { Growth } from './growth.ts';
import type { Target } from './target.ts';
import { targets } from './targets.ts';
import { Watchdog } from './watchdog.ts';

const usage = `npm run fuzz -- [--inputs N] [--seed N] [--only NAME] [--processes N]

  --inputs     how many in total (1000000)
  --seed       of all inputs; a run that failed prints it (a new one each time)
  --only       one target of: ${targets.map(({ name }) => name).join(', ')}; or flood: ten thousand connections, which come last without --only
  --processes  that share the work (the number of processors)
`;

/** So many inputs at a time: each batch has a seed of its own, so that it can be repeated alone. */
const batches = 20;

interface Plan {
  readonly inputs: number;
  readonly seed: number;
  readonly only: string | undefined;
  readonly processes: number;
  /** Which of them this is; undefined: the one that starts them. */
  readonly part: number | undefined;
}

function readPlan(): Plan {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      only: { type: 'string' },
      processes: { type: 'string', default: String(availableParallelism()) },
      part: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const number = (text: string) => {
    if (!/^[0-9]{1,10}$/.test(text)) throw new Error(`${JSON.stringify(text)} is no number\n\n${usage}`);
    return Number(text);
  };
  return {
    inputs: number(values.inputs),
    seed: number(values.seed),
    only: values.only,
    processes: Math.max(1, number(values.processes)),
    part: values.part === undefined ? undefined : number(values.part),
  };
}

/** Inputs of each target in this process. */
function shared(plan: Plan, part: number): { readonly target: Target; readonly inputs: number }[] {
  const chosen = targets.filter(({ name }) => plan.only === undefined || name === plan.only);
  if (chosen.length === 0) throw new Error(`no target is called ${plan.only}\n\n${usage}`);
  const total = chosen.reduce((sum, { share }) => sum + share, 0);
  return chosen.map((target) => {
    const all = Math.ceil((plan.inputs * target.share) / total);
    return { target, inputs: Math.floor(all / plan.processes) + (part < all % plan.processes ? 1 : 0) };
  });
}

async function work(plan: Plan, part: number): Promise<void> {
  const begun = performance.now();
  const say = (text: string) =>
    process.stdout.write(`[${part}] ${Math.round((performance.now() - begun) / 1000)} s: ${text}\n`);
  const watchdog = new Watchdog(String(part));
  let done = 0;
  for (const { target, inputs } of shared(plan, part)) {
    const before = performance.now();
    const growth = new Growth();
    {
      await using opened = await target.open();
      for (let batch = 0; batch < batches; batch++) {
        const count = Math.floor(inputs / batches) + (batch < inputs % batches ? 1 : 0);
        if (count === 0) continue;
        const seed = (plan.seed + part * 1000 + batch) % 2 ** 31;
        const again = `npm run fuzz -- --processes 1 --only '${target.name}' --seed ${seed} --inputs ${count * batches}`;
        watchdog.begins(`${target.name}; again: ${again}`);
        try {
          await opened.fuzz({ seed, inputs: count });
        } catch (error) {
          say(`${target.name} FAILED; again: ${again}`);
          throw error;
        }
        growth.measure();
      }
      // What runs all the time is measured while it runs, and again when it has been taken down.
      await growth.assertNone();
    }
    await growth.assertReleased();
    done += inputs;
    const took = (performance.now() - before) / 1000;
    const memory = Math.round(process.memoryUsage.rss() / 1024 / 1024);
    say(`${target.name}: ${inputs} inputs in ${took.toFixed(1)} s, ${done} so far, ${memory} MiB resident`);
  }
}

async function start(plan: Plan): Promise<void> {
  process.stdout.write(`seed ${plan.seed}, ${plan.inputs} inputs, ${plan.processes} processes\n`);
  const ended = Array.from({ length: plan.processes }, async (_, part) => {
    const only = plan.only === undefined ? [] : ['--only', plan.only];
    const options = [
      '--inputs',
      plan.inputs,
      '--seed',
      plan.seed,
      '--processes',
      plan.processes,
      '--part',
      part,
    ].map(String);
    const child = spawn(process.execPath, [import.meta.filename, ...options, ...only], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const [status] = await once(child, 'exit');
    return status === 0;
  });
  const well = (await Promise.all(ended)).every(Boolean);
  process.stdout.write(
    well ? `all ${plan.inputs} inputs: no property was broken\n` : `failed; seed ${plan.seed}\n`,
  );
  process.exitCode = well ? 0 : 1;
}

const plan = readPlan();
// Nothing may fail unnoticed: what nobody waited for ends the program with its error.
process.on('unhandledRejection', (error) => {
  throw error;
});
const floodOf10k = () => flood(10_000, 30_000, (text) => process.stdout.write(`${text}\n`));
if (plan.only === 'flood') await floodOf10k();
else if (plan.part !== undefined) await work(plan, plan.part);
else {
  await start(plan);
  if (plan.only === undefined) await floodOf10k();
}
