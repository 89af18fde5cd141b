// What a message leaves in memory: all of it goes with the young objects, at little cost, and nothing waits until the old ones are collected.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { collectGarbage, leftBytes } from '../support/garbage.ts';
import { LoopbackServer } from '../support/loopback-server.ts';
import { RunningProxy } from '../support/running-proxy.ts';
import { makeKey, passingZone, sign } from '../support/signing.ts';

const key = makeKey('example.com', 's1');
const zone = passingZone(key);
const envelope = [
  'XFORWARD NAME=client.example.com ADDR=192.0.2.10 HELO=client.example.com',
  'MAIL FROM:<alice@example.com>',
  'RCPT TO:<bob@example.net>',
  'DATA',
  '',
].join('\r\n');

/** A downstream that remembers nothing. */
function forget(socket: Socket): void {
  let inContent = false;
  socket.write('220 sink\r\n');
  socket.on('data', (chunk) => {
    if (inContent) {
      if (chunk.toString('latin1').endsWith('\r\n.\r\n')) socket.write('250 stored\r\n');
      inContent = false;
      return;
    }
    for (const line of chunk.toString('latin1').trimEnd().split('\r\n')) {
      inContent = line === 'DATA';
      const ehlo = line.startsWith('EHLO');
      socket.write(ehlo ? '250-sink\r\n250 PIPELINING\r\n' : inContent ? '354 go on\r\n' : '250 ok\r\n');
    }
  });
}

/** Says something, and hears replies until one begins like that. */
function said(socket: Socket, text: string | Buffer, last: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let heard = '';
  const hear = (chunk: Buffer) => {
    heard += chunk.toString('latin1');
    if (!heard.split('\r\n').some((line) => line.startsWith(last))) return;
    socket.off('data', hear);
    resolve();
  };
  socket.on('data', hear);
  socket.write(text);
  return promise;
}

test('a message leaves next to nothing behind that is taken for old', async () => {
  await using downstream = await LoopbackServer.start(forget);
  const listener = { destinations: [`smtp://${downstream.address}`] };
  await using proxy = await RunningProxy.start({ listener, zone });
  const prose = 'prose\r\n'.repeat(500);
  const content = await sign(`From: alice@example.com\r\nSubject: hello\r\n\r\n${prose}`, key);
  const upstream = connect(proxy.address).setNoDelay(true);
  await said(upstream, '', '220');
  await said(upstream, 'EHLO mx.example.com\r\n', '250 ');
  const send = async (messages: number) => {
    for (let i = 0; i < messages; i++) {
      await said(upstream, envelope, '354');
      await said(upstream, Buffer.concat([content, Buffer.from('.\r\n')]), '250');
    }
  };
  await send(1000);
  const rounds: number[] = [];
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    const before = leftBytes();
    await send(200);
    rounds.push((leftBytes() - before) / 200);
  }
  // V8 learns and compiles at any time, and that stays.
  const left = Math.min(...rounds);
  // The lines of the log, which this test keeps, and what functions in mailauth's SPF hold on to.
  assert.ok(left < 12_000, `${left.toFixed(0)} bytes of each message are left`);
  upstream.destroy();
});
