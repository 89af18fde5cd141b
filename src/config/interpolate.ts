// References to the environment inside a file's values: ${NAME} and ${NAME:-default}.
import { type Document, isMap, isPair, isScalar, isSeq, Scalar, visit } from 'yaml';
import { type Mistake, show } from './mistakes.ts';

/** What a reference looks like, for the text of a mistake. */
const referenceForm = `\${NAME} or \${NAME:-default}, and $$ for the character $`;

/** A `$$`, a reference, or the beginning of something that should have been one. */
const reference = /\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|\{[^}]*\}?)/g;

/**
 * Puts the environment's values into a document, in place. Keys and the document's structure stay as they are.
 * What is written without quotes has then the type that YAML gives to the text that comes out; in quotes it
 * stays a text.
 *
 * @param environment an empty variable counts as absent
 * @returns mistakes: variables that are not set and have no default, and what is no reference; such values stay
 *   as they were
 */
export function interpolate(document: Document, environment: NodeJS.ProcessEnv): Mistake[] {
  const mistakes: Mistake[] = [];
  visit(document, {
    Scalar: (key, node, ancestors) => {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('$')) return;
      const { text, wrong } = replaced(node.value, environment);
      const path = pathOf([...ancestors, node]);
      mistakes.push(...wrong.map((what) => ({ path, text: what })));
      if (wrong.length === 0) node.value = isPlain(node) ? typed(document, text) : text;
    },
  });
  return mistakes;
}

function replaced(
  value: string,
  environment: NodeJS.ProcessEnv,
): { readonly text: string; readonly wrong: readonly string[] } {
  const wrong: string[] = [];
  const text = value.replace(reference, (whole: string, name?: string, fallback?: string) => {
    if (whole === '$$') return '$';
    if (name === undefined) {
      wrong.push(`${show(whole)} is no reference to a variable; expected ${referenceForm}`);
      return whole;
    }
    // Compose files and unit files cannot leave a variable out.
    const found = environment[name] || fallback;
    if (found === undefined) {
      wrong.push(`the variable ${name} is not set; expected a value, or a default: \${${name}:-default}`);
    }
    return found ?? whole;
  });
  return { text, wrong };
}

/** Whether it is written without quotes and without a tag of its own. */
function isPlain(node: Scalar): boolean {
  return node.type === Scalar.PLAIN && node.tag === undefined;
}

/** What YAML makes of a text without quotes. */
function typed(document: Document, text: string): unknown {
  const plain = text.trim();
  for (const tag of document.schema?.tags ?? []) {
    if (tag.collection !== undefined || tag.default !== true || !tag.test?.test(plain)) continue;
    const value = tag.resolve(plain, () => {}, {});
    return isScalar(value) ? value.value : value;
  }
  return plain;
}

/** The keys and positions that lead to the last of these nodes. */
function pathOf(nodes: readonly unknown[]): PropertyKey[] {
  return nodes.flatMap((node, i): PropertyKey[] => {
    const next = nodes[i + 1];
    if (isMap(node) && isPair(next)) return [isScalar(next.key) ? String(next.key.value) : ''];
    return isSeq(node) ? [node.items.indexOf(next)] : [];
  });
}
