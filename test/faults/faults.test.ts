// One fault of each kind, from fixed seeds: what `npm run test:faults` does at length.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogue } from './catalogue.ts';
import { entryOf, run } from './run.ts';

/** Long enough for several faults, short enough for every day. */
const messages = 24;

const titles = [
  'downstream: reset at GREETING',
  'downstream: slow at STARTTLS',
  'downstream: crawl at HANDSHAKE',
  'downstream: reset at EHLO-TLS',
  'downstream: 421 at MAIL',
  'downstream: extra at RCPT',
  'downstream: garbage at DATA',
  'downstream: 5xx at CONTENT',
  'downstream: stall at DOT',
  'downstream: missing at DOT',
  'downstream: stall at RSET',
  'downstream: stall at QUIT',
  'upstream: half at CONTENT',
  'upstream: close at END',
  'upstream: garbage at END',
  'upstream: farewell at END',
  'upstream: partial at HANDSHAKE',
  'upstream: slow at MAIL',
  'upstream: stall at RCPT',
  'upstream: missing at RSET',
  'everything on both sides',
  'downstream restarts',
  'clock steps',
  'clock steps while downstream stalls',
  'clock steps while names are slow',
  'names: truncated',
  'names: wrong-id',
  'names: forged',
  'names: servfail, with a cache',
  'spool: unwritable',
  'spool: full',
  'kill -9 of a worker',
  'kill -9 of the service',
  'out of descriptors',
] as const;

for (const title of titles) {
  test(`${title}: nothing is lost, altered or left behind`, async () => {
    const seed = catalogue.findIndex((_, i) => entryOf(i).title === title);
    const { figures, failures } = await run(seed, messages);
    const told = failures.map(({ claim, dialogue }) => `${claim}\n${dialogue}`).join('\n');
    assert.deepEqual(failures, [], `seed ${seed}, --messages ${messages}: ${told}`);
    assert.ok(figures.messages >= messages && figures.acknowledged > 0, JSON.stringify(figures));
  });
}
