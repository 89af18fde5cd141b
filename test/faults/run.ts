// One run, from its seed.
import { catalogue, type Entry, settingOf } from './catalogue.ts';
import { Dialogue } from './dialogue.ts';
import type { Figures } from './ledger.ts';
import { Random } from './random.ts';
import { runDialogue } from './run-dialogue.ts';
import { runService } from './run-service.ts';

/** What a run has shown. */
export interface Report {
  readonly seed: number;
  readonly title: string;
  readonly milliseconds: number;
  readonly figures: Figures;
  /** What is stored without upstream's knowing. */
  readonly ambiguous: readonly string[];
  /** Broken promises, each with the end of the dialogue on the connections that it is about. */
  readonly failures: readonly { readonly claim: string; readonly dialogue: string }[];
}

/** More of them would not tell more. */
const mostFailures = 3;

/** What a seed stands for: the catalogue in an order that mixes long and short runs. */
export function entryOf(seed: number): Entry {
  const step = 149;
  const entry = catalogue[(seed * step) % catalogue.length];
  if (!entry) throw new RangeError(`no run has the seed ${seed}`);
  return entry;
}

/**
 * @param messages how many are sent while things go wrong
 */
export async function run(seed: number, messages: number): Promise<Report> {
  const begun = performance.now();
  const random = new Random(`run ${seed}`);
  const entry = entryOf(seed);
  const setting = settingOf(entry, random.fork('setting'));
  const dialogue = new Dialogue();
  const { figures, ambiguous, violations } =
    entry.kind === 'dialogue'
      ? await runDialogue(entry, setting, random, dialogue, messages)
      : await runService(entry, setting, random, dialogue, messages);
  const { mode, upstream, downstream, envelope, pipelined } = setting;
  return {
    seed,
    title: `${entry.title} (${mode}, ${upstream} to ${downstream}, ${envelope}${pipelined ? ', pipelined' : ''})`,
    milliseconds: performance.now() - begun,
    figures,
    ambiguous,
    failures: violations
      .slice(0, mostFailures)
      .map(({ claim, connections }) => ({ claim, dialogue: dialogue.end(connections) })),
  };
}
