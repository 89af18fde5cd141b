// The program's commands as a shell's completion needs them, read from the program itself.
import type { Argument, Command, Option } from 'commander';

/** What a value is: a file's name, one of a few words, or something that nobody can guess. */
export type Value =
  | { readonly kind: 'file' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'text' };

export interface CompletedOption {
  /** Such as `-c` and `--config`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Undefined: it takes none. */
  readonly value: Value | undefined;
}

export interface CompletedCommand {
  /** Empty: the program itself. */
  readonly path: readonly string[];
  readonly description: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  /** In their order. */
  readonly values: readonly Value[];
}

/** @returns the program and all its commands, each before those below it */
export function completionTree(command: Command, path: readonly string[] = []): CompletedCommand[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const self: CompletedCommand = {
    path,
    description: command.description(),
    commands: commands.map((each) => ({ name: each.name(), description: help.subcommandDescription(each) })),
    options: help.visibleOptions(command).map(completedOption),
    values: command.registeredArguments.map(valueOfArgument),
  };
  const below = command.commands.flatMap((each) => completionTree(each, [...path, each.name()]));
  return [self, ...below];
}

function completedOption(option: Option): CompletedOption {
  const { short, long, description, required, optional, argChoices, flags } = option;
  return {
    flags: [short, long].filter((flag) => flag !== undefined),
    description,
    value: required || optional ? readValue(argChoices, /<file>/.test(flags)) : undefined,
  };
}

function valueOfArgument(argument: Argument): Value {
  return readValue(argument.argChoices, argument.name() === 'file');
}

function readValue(choices: readonly string[] | undefined, isFile: boolean): Value {
  if (choices) return { kind: 'choice', choices };
  return { kind: isFile ? 'file' : 'text' };
}
