// Installs the locked dependencies when node_modules is absent or older than the lock file.
// Runs on any Node.js >= 20, before the pinned one is there; imports nothing of ours.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Modification time of a file in milliseconds, or -1 when it is not there. */
function changedAt(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? -1;
}

// npm writes node_modules/.package-lock.json last: when it is there, the installation was completed.
const installed = changedAt('node_modules/.package-lock.json');
if (installed < changedAt('package-lock.json') || changedAt('node_modules/.bin/node') < 0) {
  process.stderr.write('Installing what package-lock.json names (npm ci) ...\n');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (npm.status !== 0) {
    process.stderr.write('npm ci failed; the lines above say why.\n');
    process.exit(npm.status ?? 1);
  }
}
