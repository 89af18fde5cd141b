// `postern demo` and `postern start`: the proxy to be looked at, on loopback.
import type { Command } from 'commander';
import { exits } from '../exits.ts';
import { end } from './output.ts';

/** Adds the commands. */
export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('send a few messages through a proxy on loopback, and show what becomes of them')
    .action(async () => {
      const { runDemo } = await import('../demo/demo.ts');
      end(await runDemo());
    });
  program
    .command('start')
    .description('keep the set-up of the demo running, and say how to talk to it')
    .action(async () => {
      const { keepDemo } = await import('../demo/demo.ts');
      await keepDemo();
      end(exits.ok);
    });
}
