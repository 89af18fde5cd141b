// Every conversation in this folder: `c` is the client, `d` the downstream, `l` the log (see README.md here).
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { holdDialogue, readDialogue } from '../support/dialogue-file.ts';

const folder = import.meta.dirname;

for (const name of readdirSync(folder).filter((file) => file.endsWith('.txt'))) {
  const file = await readDialogue(join(folder, name));
  test(`${name}: ${file.title}`, () => holdDialogue(file));
}
