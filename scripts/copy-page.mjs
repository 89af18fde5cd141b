// Puts the status page, which needs no compiler, into dist/.
import { cpSync } from 'node:fs';

const source = new URL('../src/http/page/', import.meta.url);
const target = new URL('../dist/http/page/', import.meta.url);
cpSync(source, target, { recursive: true, filter: (path) => !path.endsWith('tsconfig.json') });
