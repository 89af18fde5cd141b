// The program that tests start: this checkout's, or a copy that everybody can read where only root can read this one.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How it is started: `node cli …`. */
export interface Program {
  readonly node: string;
  readonly cli: string;
}

/** Somebody who owns nothing. */
export const nobody = 65_432;

const checkout = fileURLToPath(new URL('../../', import.meta.url));
/** What it runs from. */
const parts = ['src', 'config', 'package.json', 'node_modules'];

/** Of this checkout. */
export const program: Program = { node: process.execPath, cli: join(checkout, 'src/cli.ts') };

let readable: Program | undefined;

/** One that processes can run that are not root's, or not any more. */
export function programForAll(): Program {
  readable ??= canRun(program) ? program : copied();
  return readable;
}

function canRun({ node, cli }: Program): boolean {
  if (process.getuid?.() !== 0) return true;
  return spawnSync(node, [cli, '--version'], { uid: nobody, gid: nobody }).status === 0;
}

/** @throws {Error} when it cannot be made */
function copied(): Program {
  const directory = mkdtempSync(join(tmpdir(), 'postern-for-all-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  chmodSync(directory, 0o755);
  const from = parts.map((part) => join(checkout, part));
  const node = join(directory, 'node');
  for (const [command, ...words] of [
    ['cp', '-a', ...from, directory],
    ['cp', process.execPath, node],
    ['chmod', '-R', 'a+rX', directory],
  ] as const) {
    const { status, stderr } = spawnSync(command, words, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} failed: ${stderr}`);
  }
  return { node, cli: join(directory, 'src/cli.ts') };
}
