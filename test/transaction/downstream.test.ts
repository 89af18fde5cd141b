// What upstream is told of a downstream's reply, and in place of one that never came.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DownstreamError } from '../../src/relay/error.ts';
import { describeReply, type Reply } from '../../src/smtp/reply.ts';
import { failureReply, temporary, upstreamReply } from '../../src/transaction/downstream.ts';

const reply = (code: number, ...lines: [string, ...string[]]): Reply => ({ code, lines });

test('replies that end a command are passed on as they are', () => {
  for (const code of [200, 250, 299, 400, 451, 550, 599]) {
    const given = reply(code, '2.0.0 one', 'two');
    assert.equal(upstreamReply(given), given);
  }
});

test('a reply that asks for more than was said is 451: upstream must not read it as one that does', () => {
  for (const code of [300, 334, 354, 399]) {
    const told = describeReply(upstreamReply(reply(code, 'Go on')));
    assert.equal(told, `451 4.4.2 downstream answered ${code} out of order, try again later`);
  }
});

test('421 is 451, which ends no connection, and every line of it says so', () => {
  const told = upstreamReply(
    reply(421, '4.3.2 Shutting down', '5.3.2 for long', '2.0.0 Bye', '5.3.2no code'),
  );
  assert.deepEqual(told, reply(451, '4.3.2 Shutting down', '4.3.2 for long', '4.0.0 Bye', '5.3.2no code'));
  assert.deepEqual(
    temporary(reply(555, '5.5.4', '5.5.4 Unsupported')),
    reply(451, '4.5.4', '4.5.4 Unsupported'),
  );
});

test('where no connection could be had upstream reads what the downstream refused it with, and nothing else of it', () => {
  const failed = (given: Reply) =>
    describeReply(
      failureReply(new DownstreamError('connect', 'no connection to smtp://192.0.2.1:25', { reply: given })),
    );
  assert.equal(failed(reply(554, '5.7.1 Go away')), '451 4.7.1 Go away');
  assert.equal(failed(reply(400, 'Later')), '451 Later');
  for (const code of [250, 354, 399])
    assert.equal(failed(reply(code, 'odd')), '451 4.4.1 downstream cannot be reached, try again later');
});
