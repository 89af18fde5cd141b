// What the log says of connections downstream: opened, closed, failed once, recovered, and where mail goes instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDestination } from '../../src/relay/destination.ts';
import { Pool } from '../../src/relay/pool.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

type Told = [level: string, event: string, destination: unknown];

function poolTo(texts: readonly string[], told: Told[]): Pool {
  const destinations = texts.map((text) => {
    const destination = parseDestination(text);
    assert.ok(typeof destination !== 'string');
    return destination;
  });
  return new Pool({
    destinations,
    session: { helloName: 'postern.example' },
    size: 2,
    idleMs: 60_000,
    ageMs: 60_000,
    transactions: 100,
    waitMs: 5000,
    waiting: 10,
    backoffMs: 1,
    backoffMaxMs: 1,
    checkAfterMs: 60_000,
    log: (level, event, { destination }) => told.push([level, event, destination]),
  });
}

test('a connection is told at debug when it is opened and when it is closed', async () => {
  await using downstream = await ScriptedDownstream.start();
  const told: Told[] = [];
  const pool = poolTo([downstream.destination], told);
  pool.release(await pool.acquire());
  await pool.close();
  assert.deepEqual(told, [
    ['debug', 'downstream opened', downstream.destination],
    ['debug', 'downstream closed', downstream.destination],
  ]);
});

test('a dead destination is a warning once; so is that mail goes elsewhere, and its return is told', async () => {
  const first = await ScriptedDownstream.start();
  const best = first.destination;
  const port = Number(/[0-9]+$/.exec(best)?.[0]);
  await using second = await ScriptedDownstream.start();
  const told: Told[] = [];
  const pool = poolTo([best, second.destination], told);
  pool.release(await pool.acquire());
  await first.close();
  for (let attempt = 0; attempt < 2; attempt++) pool.release(await pool.acquire({ fresh: true }));
  const loud = () => told.filter(([level]) => level !== 'debug');
  assert.deepEqual(loud(), [
    ['warn', 'downstream failed', best],
    ['warn', 'downstream changed', second.destination],
  ]);
  await using again = await ScriptedDownstream.start({ port });
  while (again.connections === 0) pool.release(await pool.acquire({ fresh: true }));
  await pool.close();
  assert.deepEqual(loud().slice(2), [
    ['info', 'downstream recovered', best],
    ['info', 'downstream changed', best],
  ]);
});
