// What `--help` says besides descriptions and options: groups of commands, examples, and what the exit status means.
import type { Command } from 'commander';

interface Help {
  /** In the list of commands. */
  readonly group?: string;
  /** Command lines without the program's name; one that ends with another status than 0 says so in a comment. */
  readonly examples: readonly string[];
  /** What 0 and others mean, where that is not the same as everywhere. */
  readonly statuses?: string;
}

const run = 'Run:';
const ask = 'Ask and try:';
const configure = 'Configure:';
const look = 'See it work:';

/** By command. */
const helps: Readonly<Record<string, Help>> = {
  serve: {
    group: run,
    examples: ['serve --config /etc/postern/postern.yaml', 'serve'],
  },
  top: {
    group: run,
    examples: ['top', 'top --once', 'top --url http://127.0.0.1:8025 --interval 5s'],
    statuses: '69 nobody answers, 76 not a Postern, 77 a token is wanted',
  },
  verify: {
    group: ask,
    examples: [
      'verify message.eml --ip 203.0.113.66 --helo mail.bank.example --from service@bank.example # exit status 1',
      'verify --explain --zone zone.yaml < message.eml',
    ],
    statuses: '0 pass, 1 fail, 2 not known',
  },
  send: {
    group: ask,
    examples: [
      'send --server 127.0.0.1:10025 --from alice@example.com --to bob@example.net',
      'send message.eml --server 127.0.0.1:10025 --from alice@example.com --to bob@example.net --xforward-addr 192.0.2.10 --xforward-helo client.example.com',
      'send --lmtp --server unix:/run/dovecot/lmtp --from "<>" --to bob@example.net --subject hello',
    ],
    statuses: '0 accepted by all, 68 no connection, 69 refused, 75 put off, 76 the conversation broke off',
  },
  dns: {
    group: ask,
    examples: ['dns example.com TXT', 'dns 192.0.2.10', 'dns _dmarc.example.com TXT --zone zone.yaml --json'],
    statuses: '0 found, 1 no such name or record, 2 not known',
  },
  config: {
    group: configure,
    examples: ['config check /etc/postern/postern.yaml', 'config init --use after-queue'],
  },
  'config check': { examples: ['config check /etc/postern/postern.yaml'] },
  'config show': { examples: ['config show', 'config show postern.yaml --json'] },
  'config init': {
    examples: ['config init --use before-queue', 'config init --use after-queue --output postern.yaml'],
  },
  completion: {
    group: configure,
    examples: ['completion bash > /etc/bash_completion.d/postern', 'completion zsh', 'completion fish'],
  },
  demo: { group: look, examples: ['demo'] },
  start: { group: look, examples: ['start'] },
};

/** Adds it to a program that has all its commands. */
export function addHelp(program: Command): void {
  program.addHelpText(
    'after',
    '\nExit statuses are those of sysexits(3); “postern COMMAND --help” has examples.',
  );
  addBelow(program, []);
}

function addBelow(command: Command, above: readonly string[]): void {
  for (const each of command.commands) {
    const path = [...above, each.name()];
    const help = helps[path.join(' ')];
    if (help?.group !== undefined) each.helpGroup(help.group);
    if (help) each.addHelpText('after', describe(help));
    addBelow(each, path);
  }
}

function describe({ examples, statuses }: Help): string {
  const lines = examples.map((example) => `  postern ${example}`);
  const status = statuses === undefined ? [] : ['', `Exit status: ${statuses}`];
  return ['', examples.length > 1 ? 'Examples:' : 'Example:', ...lines, ...status].join('\n');
}
