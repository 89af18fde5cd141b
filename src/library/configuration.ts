// What the package exports as `postern/configuration`: a file and the environment, read and checked.
export type { Configuration, ListenerConfiguration } from '../config/configuration.ts';
export { loadConfiguration } from '../config/load.ts';
export { ConfigurationError } from '../config/mistakes.ts';
