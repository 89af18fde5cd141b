// The status page at `/`: a few files of ours, read once.
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { HttpAnswer, Route } from './route.ts';

/** By the end of their names; other files are none of the page's. */
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * The route of the page and its files: those that are there now, and nothing else is ever read.
 *
 * @throws {Error} of node:fs when the installation lacks them
 */
export function statusPage(): Route {
  const directory = new URL('./page/', import.meta.url);
  const answers = new Map<string, HttpAnswer>();
  for (const file of readdirSync(directory)) {
    const type = types[extname(file)];
    if (type === undefined) continue;
    const body = readFileSync(new URL(file, directory));
    answers.set(file === 'index.html' ? '/' : `/${file}`, { status: 200, type, body });
  }
  return async (_request, url) => answers.get(url.pathname);
}
