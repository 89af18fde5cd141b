// docs/performance.md: what stands between its two marks is replaced by the latest results.
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../../docs/performance.md', import.meta.url);
const picture = new URL('../../docs/performance.svg', import.meta.url);
const begin = '<!-- results: written by npm run bench -- --write -->';
const end = '<!-- /results -->';

/** @throws {Error} when the document has lost its marks */
export function writeDocument(markdown: string, svg: string | undefined): void {
  const text = readFileSync(file, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/performance.md lacks ${begin} or ${end}`);
  const plot = svg ? '![CPU per message against size](performance.svg)\n\n' : '';
  writeFileSync(file, `${text.slice(0, from + begin.length)}\n\n${plot}${markdown}\n${text.slice(to)}`);
  if (svg) writeFileSync(picture, svg);
}
