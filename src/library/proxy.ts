// What the package exports as `postern/proxy`: the proxy within another program.
export type { Configuration } from '../config/configuration.ts';
export { Proxy } from '../proxy.ts';
export { createLog, type Log, type LogFields, silentLog } from '../telemetry/log.ts';
