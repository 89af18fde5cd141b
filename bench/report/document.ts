// docs/performance.md: what stands between two marks is replaced by the latest results.
import { readFileSync, writeFileSync } from 'node:fs';
import type { SeriesName } from './results.ts';

const file = new URL('../../docs/performance.md', import.meta.url);

/** A series' part; the others stay as they are. @throws {Error} when the document has lost its marks */
export function writeSeries(series: SeriesName, markdown: string, svg: string | undefined): void {
  write(
    series,
    'bench',
    markdown,
    svg && { name: 'performance.svg', title: 'CPU per message against size', svg },
  );
}

/** The soak's part. @throws {Error} when the document has lost its marks */
export function writeSoak(markdown: string, svg: string | undefined): void {
  write('soak', 'soak', markdown, svg && { name: 'soak.svg', title: 'The course of a soak', svg });
}

interface Picture {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

function write(part: string, script: string, markdown: string, picture: Picture | '' | undefined): void {
  const plot = picture ? `![${picture.title}](${picture.name})\n\n` : '';
  writeFileSync(file, withPart(readFileSync(file, 'utf8'), part, script, plot + markdown));
  if (picture) writeFileSync(new URL(picture.name, file), picture.svg);
}

/**
 * A document whose part is replaced, all else unchanged.
 *
 * @param script the npm script that its mark names
 * @throws {Error} when it has no such part
 */
export function withPart(document: string, part: string, script: string, markdown: string): string {
  const begin = `<!-- ${part}: written by npm run ${script} -- --write -->`;
  const end = `<!-- /${part} -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`docs/performance.md lacks ${begin} or ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${markdown}\n${document.slice(to)}`;
}
