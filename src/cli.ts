#!/usr/bin/env node
// The program `postern`; its commands are in cli/.
import { postern } from './cli/program.ts';

// A reader of our output who goes away is no reason to stop passing mail.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
await postern().parseAsync();
