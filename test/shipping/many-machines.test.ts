// “Many machines” of docs/operations.md, with its own lines: Postfix's lists of servers, and HAProxy, before two Posterns.
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithout } from '../mta/support/requires.ts';
import { runAlone } from './support/network.ts';

/** The reason why it cannot be tried here; where everything is proven, that is a failure. */
function lacking(): string | false {
  const skip = skipWithout('postfix');
  if (skip !== false) return skip;
  try {
    accessSync('/usr/sbin/haproxy', constants.X_OK);
    return false;
  } catch {
    if (process.env.CI) throw new Error('needs HAProxy: apt-get install haproxy');
    return 'needs HAProxy: apt-get install haproxy';
  }
}

test(
  'mail passes through two Posterns on machines of their own, and through one of them when the other stops',
  {
    skip: lacking(),
    // Others may be at work on this machine.
    timeout: 300_000,
  },
  () => runAlone(join(import.meta.dirname, 'many-machines/machines.ts'), 290_000),
);
