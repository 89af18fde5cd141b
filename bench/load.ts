// The load generator: sends messages over SMTP or LMTP, checks every reply and keeps a ledger of what was answered.
//
//   node bench/load.ts '{"to": "127.0.0.1:10025", "messages": ["a.eml"], "connections": 8, "seconds": 5}'
//
// Without an argument every line on stdin is such a run, one after the other, until stdin ends. Each run's figures
// are one line on stdout, `{"event":"result", …}`. While it runs, the lines `go`, `stop` and `rate N`
// are for it.
import { heard, say } from './lines.ts';
import { loadSchema } from './load/plan.ts';
import { Run } from './load/run.ts';

let run: Run | undefined;

async function perform(text: string): Promise<void> {
  run = new Run(loadSchema.parse(JSON.parse(text)), say);
  say({ event: 'result', ...(await run.result()) });
  run = undefined;
}

async function listen(): Promise<void> {
  let running = Promise.resolve();
  for await (const line of heard()) {
    if (line === 'go') run?.go();
    else if (line === 'stop') run?.stop();
    else if (line.startsWith('rate ')) run?.pace(Number(line.slice(5)));
    else {
      await running;
      running = perform(line);
    }
  }
  run?.go();
  await running;
}

const [, , plan] = process.argv;
if (plan === undefined) await listen();
else {
  void listen();
  await perform(plan);
  process.stdin.destroy();
}
