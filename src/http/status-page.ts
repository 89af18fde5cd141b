// The status page at `/`: a few files of ours, read once.
import { readFileSync } from 'node:fs';
import type { HttpAnswer, Route } from './route.ts';

/** All there is, by path: nothing else is ever read. */
const files: Readonly<Record<string, { readonly file: string; readonly type: string }>> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  '/icon.svg': { file: 'icon.svg', type: 'image/svg+xml' },
  ...Object.fromEntries(
    ['page.js', 'charts.js', 'dom.js', 'overview.js', 'story.js', 'transactions.js'].map((file) => [
      `/${file}`,
      { file, type: 'text/javascript; charset=utf-8' },
    ]),
  ),
};

/**
 * The route of the page and its files.
 *
 * @throws {Error} of node:fs when the installation lacks one of the files
 */
export function statusPage(): Route {
  const answers = new Map<string, HttpAnswer>();
  for (const [path, { file, type }] of Object.entries(files)) {
    const body = readFileSync(new URL(`./page/${file}`, import.meta.url), 'utf8');
    answers.set(path, { status: 200, type, body });
  }
  return async (_request, url) => answers.get(url.pathname);
}
