// The process that serves HTTP: what strangers may ask is read by nobody who has more rights than this needs.
import { type HttpServer, startHttp } from '../http/server.ts';
import { createLog } from '../telemetry/log.ts';
import { keepSmall } from './heap.ts';
import type { BindFailure, FromHttp, ToHttp } from './http-messages.ts';
import { obeyPrimaryAlone, tellPrimary } from './orders.ts';
import { RemoteObservatory } from './remote-observatory.ts';
import { surviveMistakes } from './survive.ts';

keepSmall();

const tell: (message: FromHttp, told?: () => void) => void = tellPrimary;

let server: HttpServer | undefined;
const observatory = new RemoteObservatory(tell);

/** The primary binds on behalf of this process (node:cluster), so that any port can be had. */
async function start({ http, log: options }: Extract<ToHttp, { kind: 'start' }>): Promise<void> {
  const log = createLog(options);
  surviveMistakes(log);
  try {
    server = await startHttp({ address: http, token: http.token, observatory, log });
    tell({ kind: 'ready', address: server.address });
  } catch (error) {
    tell({ kind: 'failed', failure: failureOf(error) }, () => process.exit(1));
  }
}

/** An error that passes to another process keeps its message only. */
function failureOf(error: unknown): BindFailure {
  if (!(error instanceof Error)) return { message: String(error) };
  const { message, code, syscall, address, port } = error as NodeJS.ErrnoException & BindFailure;
  return {
    message,
    ...(code !== undefined && { code }),
    ...(syscall !== undefined && { syscall }),
    ...(address !== undefined && { address }),
    ...(port !== undefined && { port }),
  };
}

async function end(): Promise<never> {
  await server?.close();
  process.exit(0);
}

// When the primary is gone, node:cluster ends this process.
obeyPrimaryAlone();
process.on('message', (message: ToHttp) => {
  if (message.kind === 'start') void start(message);
  else if (message.kind === 'end') void end();
  else if (message.kind === 'alive') tell({ kind: 'alive' });
  else observatory.hear(message);
});
tell({ kind: 'hello' });
