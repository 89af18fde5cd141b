// Completion for bash.
import type { CompletedCommand, Value } from './tree.ts';

/** @returns a script for ~/.bashrc or bash-completion's directory */
export function bashCompletion(tree: readonly CompletedCommand[]): string {
  return `# Completion of postern for bash: source <(postern completion bash)
_postern() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at='' i
  COMPREPLY=()
  # In "--option=value", bash has three words.
  if [[ $cur == = ]]; then cur=''; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
${patterns(tree)}
    esac
  done
  case "$at:$prev" in
${tree.flatMap(optionValues).join('\n')}
  esac
  case "$at" in
${tree.map(words).join('\n')}
  esac
}
_postern_words() {
  _postern_take < <(compgen -W "$1" -- "$cur")
}
_postern_files() {
  compopt -o filenames 2>/dev/null
  _postern_take < <(compgen -f -- "$cur")
}
_postern_take() {
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done
}
complete -F _postern postern
`;
}

/** Which words lead to which command. */
function patterns(tree: readonly CompletedCommand[]): string {
  return tree
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => `      '${place(path)}') at='${place(path)}' ;;`)
    .join('\n');
}

/** What follows an option that takes a value. */
function optionValues({ path, options }: CompletedCommand): string[] {
  return options.flatMap(({ flags, value }) => {
    if (!value) return [];
    const places = flags.map((flag) => `'${place(path)}:${flag}'`).join(' | ');
    return [`    ${places}) ${complete(value)}; return ;;`];
  });
}

function words({ path, commands, options, values }: CompletedCommand): string {
  const flags = options.flatMap((option) => option.flags).join(' ');
  const names = commands.map(({ name }) => name);
  const choices = values.flatMap((value) => (value.kind === 'choice' ? value.choices : []));
  const otherwise = values.some(({ kind }) => kind === 'file')
    ? '_postern_files'
    : `_postern_words '${[...names, ...choices].join(' ')}'`;
  return `    '${place(path)}') if [[ $cur == -* ]]; then _postern_words '${flags}'; else ${otherwise}; fi ;;`;
}

function complete(value: Value): string {
  if (value.kind === 'file') return '_postern_files';
  return value.kind === 'choice' ? `_postern_words '${value.choices.join(' ')}'` : 'COMPREPLY=()';
}

/** Commands after a blank each; '' for the program. */
function place(path: readonly string[]): string {
  return path.map((name) => ` ${name}`).join('');
}
