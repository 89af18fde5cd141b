// A few inputs for each target, the same ones each time; `npm run fuzz` takes as many as there is time for.
import { test } from 'node:test';
import { targets } from './targets.ts';

for (const { name, share, open } of targets) {
  test(`${name}: whatever comes, what should hold holds`, async () => {
    await using target = await open();
    await target.fuzz({ seed: 5321, inputs: 10 * share });
  });
}
