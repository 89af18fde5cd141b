// Completion for zsh.
import type { CompletedCommand, CompletedOption, Value } from './tree.ts';

/** @returns a script for a file `_postern` in a directory of $fpath, or to be sourced */
export function zshCompletion(tree: readonly CompletedCommand[]): string {
  return `#compdef postern
# Completion of postern for zsh: source <(postern completion zsh)
${tree.map(functionOf).join('\n')}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _postern "$@"; else compdef _postern postern; fi
`;
}

function functionOf(command: CompletedCommand): string {
  const { path, commands, options, values } = command;
  const specs = options.flatMap(optionSpecs);
  if (commands.length === 0) {
    const positions = values.map((value, i) => quote(`${i + 1}:${spec(value)}`));
    return `${name(path)}() {\n  _arguments -s ${[...specs, ...positions].join(' \\\n    ')}\n}`;
  }
  const described = commands.map((each) => quote(`${each.name}:${each.description}`));
  const cases = commands
    .filter(({ name: each }) => each !== 'help')
    .map(({ name: each }) => `      ${each}) ${name([...path, each])} ;;`);
  return `${name(path)}() {
  local curcontext=$curcontext state line
  _arguments -C ${[...specs, "'1: :->command'", "'*:: :->rest'"].join(' \\\n    ')}
  case $state in
    command) local -a commands=(
      ${described.join('\n      ')}
    ); _describe command commands ;;
    rest) case $line[1] in
${cases.join('\n')}
    esac ;;
  esac
}`;
}

/** One for each flag, and each shuts the others out; what may be repeated is not known here, so it may. */
function optionSpecs({ flags, description, value }: CompletedOption): string[] {
  const text = description.replace(/[[\]:\\]/g, '\\$&');
  return flags.map((flag) => quote(`*${flag}[${text}]${value ? `:${spec(value)}` : ''}`));
}

/** Message and action. */
function spec(value: Value): string {
  if (value.kind === 'file') return 'file:_files';
  return value.kind === 'choice' ? `value:(${value.choices.join(' ')})` : 'value: ';
}

function name(path: readonly string[]): string {
  return ['_postern', ...path].join('_');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
