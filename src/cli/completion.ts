// `postern completion`: a script that lets a shell complete what is typed.
import { Argument, type Command } from 'commander';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { completionTree } from '../completion/tree.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { exits } from '../exits.ts';
import { endWith } from './output.ts';

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** Adds the command. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('write a script that lets a shell complete commands, options and files')
    .addArgument(new Argument('<shell>', 'whose script').choices(Object.keys(shells)))
    .action((shell: keyof typeof shells) => endWith(exits.ok, shells[shell](completionTree(program))));
}
