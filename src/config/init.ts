// First files for those who begin: a configuration for each use, and what Postfix needs to know.
import { readFileSync } from 'node:fs';

/** Where Postern may stand. Each has an example in config/examples/. */
export const uses = ['after-queue', 'before-queue', 'lmtp', 'sidecar'] as const;

export type Use = (typeof uses)[number];

/** What is needed to begin. */
export interface Beginning {
  /** A commented configuration (YAML). */
  readonly configuration: string;
  /** The lines for Postfix's main.cf and master.cf. */
  readonly postfix: string;
}

/** Both are parts of the package, and tested with real servers. */
export function beginning(use: Use): Beginning {
  return {
    configuration: withSchemaFrom(read(`examples/${use}.yaml`)),
    postfix: read(`examples/${use}.cf`),
  };
}

/** The schema beside the examples is not beside the file that is written now. */
function withSchemaFrom(text: string): string {
  return text.replace(
    '$schema=../postern.schema.json',
    // An address: editors take a space in a path for its end.
    () => `$schema=${shipped('postern.schema.json')}`,
  );
}

function read(name: string): string {
  return readFileSync(shipped(name), 'utf8');
}

function shipped(name: string): URL {
  return new URL(`../../config/${name}`, import.meta.url);
}
