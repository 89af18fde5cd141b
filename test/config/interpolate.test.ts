// The environment's values inside a file: where they may stand, what type they have, what is a mistake.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment are written so in YAML
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from '../../src/config/source.ts';

/** What a file's text becomes. */
function read(lines: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const { value, unresolved = [], place } = parseYaml('f.yaml', lines.join('\n'), environment);
  return { value, mistakes: unresolved.map(({ path, text }) => `${place(path)}: ${text}`) };
}

/** The value of one key. */
function one(text: string, environment: NodeJS.ProcessEnv = {}): unknown {
  const { value, mistakes } = read([`key: ${text}`], environment);
  assert.deepEqual(mistakes, []);
  return (value as { readonly key: unknown }).key;
}

test('a variable that is set stands for its value, else for its default', () => {
  assert.equal(one('${NAME}', { NAME: 'mx.example.com' }), 'mx.example.com');
  assert.equal(one('${NAME:-mx.example.com}', { NAME: 'other.example' }), 'other.example');
  assert.equal(one('${NAME:-mx.example.com}'), 'mx.example.com');
});

test('an empty variable counts as absent', () => {
  assert.equal(one('${NAME:-a}', { NAME: '' }), 'a');
  assert.match(
    read(['key: ${NAME}'], { NAME: '' }).mistakes.join(),
    /^f\.yaml:1: key: the variable NAME is not/,
  );
});

test('a value may have several references, and text around them', () => {
  assert.equal(one('smtp://${HOST:-127.0.0.1}:${PORT:-25}', { HOST: 'mta' }), 'smtp://mta:25');
  assert.equal(one('smtp://${MTA:-[::1]:25}'), 'smtp://[::1]:25');
});

test('without quotes the text that comes out has the type that YAML gives it', () => {
  const typed = ['5', '0.5', 'true', 'false', 'null', '', 'text', '5s', ' 5 ', '0x10'].map((NAME) =>
    one('${NAME:-}', { NAME }),
  );
  assert.deepEqual(typed, [5, 0.5, true, false, null, null, 'text', '5s', 5, 16]);
  assert.equal(one('1${NAME}', { NAME: '0' }), 10);
});

test('in quotes, and in a block, it stays a text', () => {
  const NAME = '5';
  assert.deepEqual(
    ['"${NAME}"', "'${NAME}'", '!!str ${NAME}', '|-\n  ${NAME}', '>-\n  ${NAME}'].map((text) =>
      one(text, { NAME }),
    ),
    ['5', '5', '5', '5', '5'],
  );
});

test('no value changes the structure of the file', () => {
  for (const NAME of [
    'a: b',
    '- a\n- b',
    '{ a: b }',
    '[a]',
    '# a',
    '*a',
    '&a b',
    '!!int 5',
    '"a"',
    'a\nother: b',
  ]) {
    assert.deepEqual(read(['key: ${NAME}'], { NAME }).value, { key: NAME });
  }
});

test('a value is not looked at again', () => {
  assert.equal(one('${NAME}', { NAME: '${OTHER} $$', OTHER: 'a' }), '${OTHER} $$');
});

test('two dollars are one; one alone stays', () => {
  assert.equal(one('a$$b'), 'a$b');
  assert.equal(one('$${NAME}', { NAME: 'x' }), '${NAME}');
  assert.equal(one('$$${NAME}', { NAME: 'x' }), '$x');
  assert.equal(one('a $NAME costs 5$', { NAME: 'x' }), 'a $NAME costs 5$');
});

test('lists, mappings and aliases have references too, and keys have none', () => {
  const { value } = read(['a: [&x "${NAME}", *x]', 'b: { c: "${NAME}" }', '"${NAME}": 1'], { NAME: 'n' });
  assert.deepEqual(value, { a: ['n', 'n'], b: { c: 'n' }, '${NAME}': 1 });
});

test('all that lead nowhere are told, with line and key', () => {
  const { mistakes } = read([
    'a: ${A} and ${B}',
    'list:',
    '  - good',
    '  - { inside: "${C}" }',
    'odd: ${1}',
    'dash: ${A-b}',
    'open: ${A',
  ]);
  assert.deepEqual(
    mistakes.map((mistake) => mistake.replace(/; expected .*$/, '')),
    [
      'f.yaml:1: a: the variable A is not set',
      'f.yaml:1: a: the variable B is not set',
      'f.yaml:4: list[1].inside: the variable C is not set',
      'f.yaml:5: odd: "${1}" is no reference to a variable',
      'f.yaml:6: dash: "${A-b}" is no reference to a variable',
      'f.yaml:7: open: "${A" is no reference to a variable',
    ],
  );
});

test('a file that is read without an environment stays as it is', () => {
  assert.deepEqual(parseYaml('f.yaml', 'key: ${NAME} $$').value, { key: '${NAME} $$' });
});
