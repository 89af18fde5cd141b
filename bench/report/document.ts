// docs/performance.md: what stands between two marks is replaced by the latest results.
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../../docs/performance.md', import.meta.url);

/** The benchmark's part. @throws {Error} when the document has lost its marks */
export function writeDocument(markdown: string, svg: string | undefined): void {
  replace(
    'results',
    'bench',
    markdown,
    svg && { name: 'performance.svg', title: 'CPU per message against size', svg },
  );
}

/** The soak's part. @throws {Error} when the document has lost its marks */
export function writeSoak(markdown: string, svg: string | undefined): void {
  replace('soak', 'soak', markdown, svg && { name: 'soak.svg', title: 'The course of a soak', svg });
}

interface Picture {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

function replace(part: string, script: string, markdown: string, picture: Picture | '' | undefined): void {
  const begin = `<!-- ${part}: written by npm run ${script} -- --write -->`;
  const end = `<!-- /${part} -->`;
  const text = readFileSync(file, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/performance.md lacks ${begin} or ${end}`);
  const plot = picture ? `![${picture.title}](${picture.name})\n\n` : '';
  writeFileSync(file, `${text.slice(0, from + begin.length)}\n\n${plot}${markdown}\n${text.slice(to)}`);
  if (picture) writeFileSync(new URL(picture.name, file), picture.svg);
}
