// Writes config/examples/*.cf from the blocks of docs/after-queue.md and the like, which real servers try: npm run generate
import { readFileSync, writeFileSync } from 'node:fs';
import { type Use, uses } from '../src/config/init.ts';

/** A use with a page of its own, where its lines are. */
type Page = Exclude<Use, 'sidecar'>;

/** A block of that page, by the words behind its language, and the comment above it. */
type Block = readonly [label: `${Page} ${string}`, comment: string];

const main = '/etc/postfix/main.cf';
const master = '/etc/postfix/master.cf';

const afterQueue: readonly Block[] = [
  ['after-queue main.cf', main],
  ['after-queue master.cf upstream', `${master}: the way to Postern`],
  ['after-queue master.cf downstream', `${master}: the way back`],
];

const blocks: Readonly<Record<Use, readonly Block[]>> = {
  'after-queue': afterQueue,
  'before-queue': [
    ['before-queue master.cf upstream', `${master}: in place of the service smtp inet that is there`],
    ['before-queue master.cf downstream', `${master}: the way back`],
  ],
  lmtp: [
    ['lmtp main.cf', main],
    ['lmtp master.cf upstream', `${master}: the way to Postern`],
  ],
  sidecar: afterQueue,
};

const notes: Readonly<Partial<Record<Use, readonly string[]>>> = {
  sidecar: [
    'These lines are for a pod, whose containers share loopback. In a compose file, write the name of',
    'Postern’s service in main.cf, 0.0.0.0 in place of 127.0.0.1 before :10026, and the network of the',
    'containers in smtpd_authorized_xforward_hosts and mynetworks there.',
  ],
};

/** The file with the lines of one use. */
export function postfixFile(use: Use): URL {
  return new URL(`../config/examples/${use}.cf`, import.meta.url);
}

/** Its text. */
export function postfixText(use: Use): string {
  const note = (notes[use] ?? []).map((line) => `# ${line}\n`).join('');
  const parts = blocks[use].map(([label, comment]) => `# ${comment}\n${blockOf(label)}`);
  return [
    ...(note === '' ? [] : [note]),
    ...parts,
    `# Then: postfix reload. ${page(use)} explains each line.\n`,
  ].join('\n');
}

/** The document of a use; in a sidecar the lines are those of another one. */
function page(use: Use): string {
  return use === 'sidecar' ? 'docs/after-queue.md' : `docs/${use}.md`;
}

function blockOf(label: string): string {
  const [use] = label.split(' ', 1);
  const name = `docs/${use}.md`;
  const text = readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
  const [, rest] = text.split(`\`\`\`cf ${label}\n`, 2);
  if (rest === undefined) throw new Error(`${name} has no block "${label}"`);
  return rest.slice(0, rest.indexOf('```'));
}

/** Writes the files. */
export function writePostfixLines(): void {
  for (const use of uses) writeFileSync(postfixFile(use), postfixText(use));
}

if (import.meta.main) writePostfixLines();
