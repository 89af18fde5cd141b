// The program as a shell starts it: with no variable of ours, whatever the tests' own environment has.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

/** A program that runs in a directory. */
export function programIn(directory: string) {
  function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('POSTERN_'));
    return spawn(process.execPath, [cli, ...args], {
      env: { ...Object.fromEntries(kept), ...environment },
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const child = start(args, environment);
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    return { stdout, stderr, status: status as number | null };
  }

  return { start, run };
}
