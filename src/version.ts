// Postern's own version, as its package says it.
import { readFileSync } from 'node:fs';

/** Such as `1.2.3`. */
export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
