// A downstream that hangs where nothing is at stake: its place in the pool is free again within the back-off.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { ScriptedDownstream } from '../support/scripted-downstream.ts';

for (const verb of ['RSET', 'QUIT'] as const) {
  test(`a downstream that never answers ${verb} keeps no later message waiting`, async () => {
    await using downstream = await ScriptedDownstream.start({ answers: { [verb]: () => 'stall' } });
    await using proxy = await RunningProxy.start({
      listener: {
        destinations: [downstream.destination],
        // With one transaction for each connection, QUIT follows at once.
        pool: {
          size: 1,
          transactions: verb === 'QUIT' ? 1 : 100,
          wait: '900ms',
          backoff: '100ms',
          backoffMax: '200ms',
        },
      },
    });
    using client = await RawClient.connect(proxy.address);
    await client.line();
    await client.ask('EHLO upstream.example');
    for (let i = 0; i < 3; i += 1) {
      assert.match(String(await client.ask('MAIL FROM:<a@example.com>')), /^250 /);
      assert.match(String(await client.ask('RSET')), /^250 /);
    }
    assert.equal(downstream.connections, 3);
  });
}
