// The sink: an SMTP or LMTP server that reads at full speed, stores nothing and keeps a ledger of what it has read.
//
//   node bench/sink.ts '{"protocol": "smtp", "ledger": "/tmp/stored"}'
//
// Says where it listens in its first line on stdout. Every line on stdin is a command that is answered by a
// line: `totals`, `reset` (totals begin again at zero), `ledger FILE` (what is stored from now on is written there),
// `away` (all connections are cut off, and none is taken) and `back` (on the same port), or a JSON object that changes
// its behaviour.
// It ends with its stdin.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { LedgerFile } from './ledger.ts';
import { heard, say } from './lines.ts';
import { type House, serve } from './sink/connection.ts';
import { type Behaviour, behaviourSchema, sinkSchema } from './sink/plan.ts';

const { port, ledger: path, protocol, ...rest } = sinkSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
let behaviour: Behaviour = rest;
let turns = new Map<object, number>();
let ledger = path === undefined ? undefined : new LedgerFile(path);
const sockets = new Set<Socket>();

function zero() {
  return {
    messages: 0,
    bytes: 0,
    refused: 0,
    connections: 0,
    mostAtOnce: sockets.size,
    above: '',
    lacking: 0,
  };
}
let totals = zero();

const house: House = {
  protocol,
  get behaviour() {
    return behaviour;
  },
  refusal(at) {
    for (const rule of behaviour.refuse) {
      if (rule.at !== at) continue;
      const turn = (turns.get(rule) ?? 0) + 1;
      turns.set(rule, turn);
      if (turn % rule.every !== 0) continue;
      totals.refused++;
      return rule.reply;
    }
    return undefined;
  },
  store({ id, digest, bytes, above }, accepted) {
    totals.messages++;
    totals.bytes += bytes;
    totals.above = above;
    if (!behaviour.above.every((words) => above.includes(words))) totals.lacking++;
    ledger?.add({ id, digest, outcome: `${bytes},${accepted}` });
  },
};

const server = createServer((socket) => {
  sockets.add(socket);
  totals.connections++;
  totals.mostAtOnce = Math.max(totals.mostAtOnce, sockets.size);
  socket.on('close', () => sockets.delete(socket));
  serve(socket, house);
});
async function listen(at: number): Promise<number> {
  server.listen({ host: '127.0.0.1', port: at, backlog: 16_384 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
const listening = await listen(port);
say({ listening, pid: process.pid });

for await (const line of heard()) {
  if (line === 'totals') {
    await ledger?.flushed();
    const { user, system } = process.cpuUsage();
    say({ ...totals, open: sockets.size, cpuMs: (user + system) / 1000 });
  } else if (line === 'reset') {
    totals = zero();
    say({});
  } else if (line.startsWith('ledger ')) {
    const before = ledger;
    ledger = new LedgerFile(line.slice('ledger '.length));
    await before?.close();
    say({});
  } else if (line === 'away') {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
    say({});
  } else if (line === 'back') {
    await listen(listening);
    say({});
  } else {
    behaviour = behaviourSchema.parse(JSON.parse(line));
    turns = new Map();
    say({});
  }
}
server.close();
for (const socket of sockets) socket.destroy();
await ledger?.close();
