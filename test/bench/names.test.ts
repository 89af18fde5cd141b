// The series of names: a cache that is said to be warm asks nothing, and one that is said to be cold asks for every message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Asked, measureAsked, noCache, proveNames } from '../../bench/series/dns.ts';
import { Child } from '../../bench/site/child.ts';
import { Postern } from '../../bench/site/postern.ts';
import { Site } from '../../bench/site/site.ts';
import { wayThrough } from '../../bench/site/warm.ts';

const cold: Asked = { names: 'name server, cold', connections: 1, messages: 100, questions: 600 };
const warm: Asked = { ...cold, names: 'name server, warm', questions: 0 };

test('a cold cache asks for each message at least, unless messages at the same time share the answers', () => {
  proveNames(cold);
  assert.throws(() => proveNames({ ...cold, questions: 99 }), /cold, 1 connections: 99 questions for 100/);
  proveNames({ ...cold, connections: 32, questions: 99 });
  assert.throws(() => proveNames({ ...cold, connections: 32, questions: 0 }), /cold, 32 connections: 0/);
});

test('a warm cache asks nothing, and neither does a zone file', () => {
  proveNames(warm);
  assert.throws(() => proveNames({ ...warm, questions: 1 }), /warm, 1 connections: 1 questions/);
  assert.throws(
    () => proveNames({ ...warm, names: 'zone file', questions: 1 }),
    /zone file, .*: 1 questions/,
  );
});

test('what a name server was asked is counted, and a cold cache does not pass for a warm one', async () => {
  await using site = await Site.start();
  const { material, sinkPort: downstream } = site;
  await using server = new Child('yardsticks/name-server.ts', material.zoneFile);
  const { address } = await server.hear<{ address: string }>();
  const dns = { servers: [address], cache: noCache };
  await using postern = await Postern.start({ material, downstream, checks: 'all', dns });
  const measure = (names: Asked['names']) =>
    measureAsked(site, server, wayThrough(postern), { names, connections: 1 }, { seconds: 0.1 });
  const { questions, messages } = await measure('name server, cold');
  assert.ok(questions >= messages);
  await assert.rejects(measure('name server, warm'), /warm, 1 connections: \d+ questions/);
});
