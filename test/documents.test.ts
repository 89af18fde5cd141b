// The documents: every link between them leads somewhere, none of them is an orphan, and README.md stays one page.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const documents = ['README.md', ...globSync('docs/*.md', { cwd: root })];

/** What stands in code is no link. */
function prose(name: string): string {
  return readFileSync(join(root, name), 'utf8').replaceAll(/^```.*?^```$/gms, '');
}

/** Where a document points to: a path from the root, and a heading. */
function links(name: string): { readonly link: string; readonly path: string; readonly heading: string }[] {
  const targets = [...prose(name).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [file = '', heading = ''] = link.split('#');
      return { link, path: file === '' ? name : join(dirname(name), file), heading };
    });
}

/** The names of headings as GitHub and others make them. */
function headings(name: string): Set<string> {
  const texts = [...prose(name).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => text);
  return new Set(
    texts.map((text) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test('every link in the documents leads to a file that is there, and to a heading in it', () => {
  const all = documents.flatMap((name) => links(name).map((each) => ({ name, ...each })));
  const broken = all.filter(
    ({ path, heading }) => !existsSync(join(root, path)) || (heading !== '' && !headings(path).has(heading)),
  );
  assert.deepEqual(
    broken.map(({ name, link }) => `${name}: ${link}`),
    [],
  );
  assert.ok(all.length > 80, `${all.length} links`);
});

test('README.md is one page, and names every document', () => {
  assert.ok(readFileSync(join(root, 'README.md'), 'utf8').trimEnd().split('\n').length <= 130);
  const named = new Set(links('README.md').map(({ path }) => path));
  assert.deepEqual(
    documents.filter((name) => name !== 'README.md' && !named.has(name)),
    [],
  );
});

test('every use has a page with a picture of the flow, its configuration and its pitfalls', () => {
  for (const use of ['after-queue', 'before-queue', 'lmtp', 'sidecar', 'several-listeners']) {
    const page = readFileSync(join(root, `docs/${use}.md`), 'utf8');
    assert.match(page, /^```\n(?=[^`]*Postern)[^`]*[▶◀][^`]*^```$/m, `${use}: picture`);
    if (use === 'sidecar') continue;
    assert.match(page, /^```yaml/m, `${use}: configuration`);
    assert.match(page, /^```cf /m, `${use}: Postfix`);
    assert.match(page, /^## Pitfalls$/m, `${use}: pitfalls`);
  }
});
