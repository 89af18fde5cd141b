// Results for readers: tables and plot beside the JSON, and in docs/performance.md between two marks.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { sectionOf, toMarkdown } from './markdown.ts';
import { plot } from './plot.ts';
import { type Results, seriesNames } from './results.ts';

const file = new URL('../../docs/performance.md', import.meta.url);

const plotTitle = 'CPU per message against size';

/**
 * Writes the results as Markdown, and the plot as SVG where there is one, beside their JSON.
 *
 * @param json the JSON's file; the others have its name with `.md` and `.svg`
 */
export function writeReport(json: string, results: Results): void {
  const name = json.replace(/\.json$/, '');
  const svg = plot(results.matrix?.found ?? []);
  if (svg !== undefined) writeFileSync(`${name}.svg`, svg);
  const picture = svg === undefined ? '' : `![${plotTitle}](${basename(name)}.svg)\n\n`;
  writeFileSync(`${name}.md`, picture + toMarkdown(results));
}

/** The parts of those series that were run; the others stay as they are. @throws {Error} when the document has lost its marks */
export function writeSections(results: Results): void {
  for (const series of seriesNames) {
    const section = sectionOf(results, series);
    if (section === undefined) continue;
    const svg = series === 'matrix' ? plot(results.matrix?.found ?? []) : undefined;
    write(series, 'bench', section, svg && { name: 'performance.svg', title: plotTitle, svg });
  }
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
