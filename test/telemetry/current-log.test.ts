// A log that changes: what is told goes to the new one, and the old one is closed.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CurrentLog } from '../../src/telemetry/current-log.ts';

function isOpen(path: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      // That of this listing itself is gone.
      return false;
    }
  });
}

async function untilClosed(path: string): Promise<void> {
  for (let i = 0; i < 100 && isOpen(path); i += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!isOpen(path), `${path} is open`);
}

const eventsIn = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { readonly event: string }).event);

test('lines go to the one that is in use; those that are not are closed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-log-'));
  const [one, two] = [join(directory, 'one.log'), join(directory, 'two.log')];
  const options = (path: string) =>
    ({ level: 'info', format: 'json', output: { kind: 'file', path } }) as const;
  const log = new CurrentLog(options(one));
  log.info('first');
  const cancelled = log.prepare(options(two));
  log.warn('second');
  cancelled.cancel();
  await untilClosed(two);
  log.info('third');
  log.prepare(options(two)).commit();
  log.error('fourth');
  await untilClosed(one);
  // The same again: a file may have been renamed.
  renameSync(two, `${two}.1`);
  log.prepare(options(two)).commit();
  log.info('fifth');
  log.debug('too little');
  await untilClosed(`${two}.1`);
  assert.deepEqual(
    [one, `${two}.1`, two].map((path) => eventsIn(path)),
    [['first', 'second', 'third'], ['fourth'], ['fifth']],
  );
  log.prepare({ level: 'info', format: 'json', output: { kind: 'stderr' } }).commit();
  await untilClosed(two);
  rmSync(directory, { recursive: true });
});
