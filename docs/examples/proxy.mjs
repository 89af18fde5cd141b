// The proxy within a program: reloaded by SIGHUP, stopped by SIGTERM; see ../custom-checks.md.
import { ConfigurationError, loadConfiguration } from 'postern/configuration';
import { createLog, Proxy as MailProxy } from 'postern/proxy';

const [, , file = '/etc/postern/postern.yaml'] = process.argv;
const read = () => loadConfiguration({ file, environment: process.env });
const first = read();
const log = createLog(first.log);

/** @param {import('postern/configuration').Configuration} configuration */
async function start(configuration) {
  const proxy = new MailProxy(configuration, log);
  // Each message's line in the log, as an object.
  proxy.follow(({ id, disposition }) => console.error(`${id}: ${disposition}`));
  await proxy.start();
  return proxy;
}

/**
 * Until the open transactions of the old proxy are over, nobody listens, and upstream tries again.
 *
 * @param {MailProxy} proxy
 */
async function reload(proxy) {
  try {
    const configuration = read();
    await proxy.stop();
    return await start(configuration);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const mistake of error.mistakes) console.error(mistake);
    return proxy;
  }
}

let running = start(first);
process.on('SIGHUP', () => {
  running = running.then(reload);
});
process.once('SIGTERM', async () => (await running).stop());
