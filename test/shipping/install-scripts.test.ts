// Scripts that packages run when they are installed: npm runs those of a list, and the list is what is needed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const read = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../..', name), 'utf8')) as Record<string, unknown>;

test('the packages that are installed with scripts of theirs are those whose scripts npm may run', () => {
  const { packages } = read('package-lock.json') as {
    packages: Record<string, { hasInstallScript?: true }>;
  };
  const scripted = Object.keys(packages).filter((path) => packages[path]?.hasInstallScript);
  assert.deepEqual(
    scripted.map((path) => path.replace(/^.*node_modules\//, '')),
    Object.keys(read('package.json').allowScripts ?? {}),
  );
});
