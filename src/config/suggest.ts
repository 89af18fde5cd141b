// What somebody meant who wrote a word that there is not.

/** Longer words are no slips of keys that we have. */
const longestWord = 64;

/**
 * The word that was probably meant.
 *
 * @param word as it was written
 * @param candidates what could stand there
 * @returns the nearest of them, when a third of the word or less is wrong
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > longestWord) return undefined;
  const written = plain(word);
  const most = Math.max(1, Math.floor(written.length / 3));
  const [best] = candidates
    .map((candidate) => ({ candidate, distance: distance(written, plain(candidate)) }))
    // Of one letter, one that is wrong is all of it.
    .filter((found) => found.distance <= most && found.distance < plain(found.candidate).length)
    .sort((one, other) => one.distance - other.distance);
  return best?.candidate;
}

/** The end of a mistake's text, with the word that was probably meant; nothing when none is near. */
export function didYouMean(word: unknown, candidates: readonly string[]): string {
  const found = typeof word === 'string' ? nearest(word, candidates) : undefined;
  return found === undefined ? '' : `; did you mean ${found}?`;
}

/** Other programs write their keys in other ways: authserv_id, authserv-id, AuthservID. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_ ]/g, '');
}

/** Damerau and Levenshtein: letters left out, added, changed, or swapped with the next one. */
function distance(one: string, other: string): number {
  let earlier: number[] = [];
  let before = Array.from({ length: other.length + 1 }, (_, k) => k);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let k = 1; k <= other.length; k++) {
      const same = one[i - 1] === other[k - 1];
      const swapped = i > 1 && k > 1 && one[i - 1] === other[k - 2] && one[i - 2] === other[k - 1];
      row[k] = Math.min(
        at(before, k) + 1,
        at(row, k - 1) + 1,
        at(before, k - 1) + (same ? 0 : 1),
        swapped ? at(earlier, k - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [earlier, before] = [before, row];
  }
  return at(before, other.length);
}

function at(row: readonly number[], k: number): number {
  return row[k] ?? Number.POSITIVE_INFINITY;
}
