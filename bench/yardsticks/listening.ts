// How a yardstick that listens runs: it says on which port, and ends with its stdin.
import type { AddressInfo, Server } from 'node:net';
import { heard, say } from '../lines.ts';

export async function serve(server: Server): Promise<never> {
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () =>
    say({ listening: (server.address() as AddressInfo).port }),
  );
  for await (const _ of heard());
  process.exit();
}
