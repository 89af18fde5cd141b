#!/usr/bin/env node
// The program `postern`; its commands are in cli/.
import inspector from 'node:inspector';
import { exits } from './exits.ts';

/** As in package.json (`engines`), which npm only warns of. */
const oldest = [22, 19] as const;

// SIGUSR1 opens the debugger of Node.js to all who may connect to loopback, with our rights: only who starts us asks for it.
process.on('SIGUSR1', () => undefined);
const options = [...process.execArgv, process.env.NODE_OPTIONS].join(' ');
// The signal may have come before.
if (inspector.url() !== undefined && !options.includes('--inspect')) inspector.close();
// A reader of our output who goes away is no reason to stop passing mail.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  process.stderr.write(
    `postern: needs Node.js ${oldest.join('.')} or newer, and this is ${process.versions.node}\n`,
  );
  process.exit(exits.system);
}
// What it is made of may not even load there.
const { postern } = await import('./cli/program.ts');
await postern().parseAsync();
