// A thousand connections at once; `npm run fuzz` has ten thousand.
import { test } from 'node:test';
import { flood } from './flood.ts';

test('a thousand idle connections cost little memory, keep nobody waiting, and end when they only trickle', (t) =>
  flood(1000, 3000, (text) => t.diagnostic(text)));
