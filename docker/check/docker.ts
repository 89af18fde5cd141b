// Stands for the program `docker` in a check: hands its parameters to the engine of the check, and ends as that says.
import { once } from 'node:events';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import type { Outcome } from './engine.ts';

const asked = request({ socketPath: process.env.POSTERN_ENGINE, method: 'POST' });
asked.end(JSON.stringify({ parameters: process.argv.slice(2), cwd: process.cwd() }));
const [answer] = await once(asked, 'response');
const { status, stdout, stderr } = (await json(answer)) as Outcome;
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = status;
