// Completion for fish.
import type { CompletedCommand, Value } from './tree.ts';

/** @returns a script for ~/.config/fish/completions/postern.fish */
export function fishCompletion(tree: readonly CompletedCommand[]): string {
  return `# Completion of postern for fish: postern completion fish | source
function __postern_at
    set -l at
    for word in (commandline -opc)[2..]
        if contains -- (string join -- ' ' $at $word) ${tree
          .filter(({ path }) => path.length > 0)
          .map(place)
          .join(' ')}
            set -a at $word
        end
    end
    test "$at" = "$argv"
end
complete -c postern -f
${tree.flatMap(lines).join('\n')}
`;
}

function lines(command: CompletedCommand): string[] {
  const begin = `complete -c postern -n ${quote(`__postern_at ${command.path.join(' ')}`.trimEnd())}`;
  return [
    ...command.commands.map(({ name, description }) => `${begin} -a ${name} -d ${quote(description)}`),
    ...command.options.map(({ flags, description, value }) => {
      const names = flags.map((flag) =>
        flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      );
      return `${begin} ${names.join(' ')}${value ? ` -r ${complete(value)}` : ''} -d ${quote(description)}`;
    }),
    ...command.values.filter(({ kind }) => kind !== 'text').map((value) => `${begin} ${complete(value)}`),
  ];
}

function complete(value: Value): string {
  if (value.kind === 'file') return '-F';
  return value.kind === 'choice' ? `-f -a ${quote(value.choices.join(' '))}` : '-f';
}

function place({ path }: CompletedCommand): string {
  return quote(path.join(' '));
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
