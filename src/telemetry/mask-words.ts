// Finds whole words of a transaction in a text and puts others in their place: without a regular expression of
// its own for each transaction, which takes longer to compile than most texts to search.

/** What a text must not hold, in the spelling of {@link folded}, with what stands instead. */
export type Words = ReadonlyMap<string, string>;

/** One place in a text. */
interface Found {
  readonly start: number;
  readonly end: number;
  readonly instead: string;
}

/** One spelling for all cases of a text, as long as the text itself: places in one are places in the other. */
export function folded(text: string): string {
  return isAscii.test(text) ? text.toLowerCase() : Array.from(text, foldedCharacter).join('');
}

/** Whole words only, of several that begin at the same place the longest, in any case. */
export function replaceWords(text: string, words: Words): string {
  const searched = folded(text);
  const found = [...words].flatMap(([word, instead]) => placesOf(word, searched, instead));
  if (found.length === 0) return text;
  found.sort((one, other) => one.start - other.start || other.end - one.end);
  let replaced = '';
  let done = 0;
  for (const { start, end, instead } of found) {
    if (start < done) continue;
    replaced += text.slice(done, start) + instead;
    done = end;
  }
  return replaced + text.slice(done);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them.
const isAscii = /^[\x00-\x7f]*$/;
const endsInWord = /[\p{L}\p{N}]$/u;
const beginsInWord = /^[\p{L}\p{N}]/u;

/** By way of the upper case, since some letters have two lower ones; where the length would change, itself. */
function foldedCharacter(character: string): string {
  const lower = character.toUpperCase().toLowerCase();
  return lower.length === character.length ? lower : character;
}

function placesOf(word: string, searched: string, instead: string): Found[] {
  const places: Found[] = [];
  let start = searched.indexOf(word);
  while (start >= 0) {
    const end = start + word.length;
    const isWhole = !endsWithLetter(searched, start) && !beginsWithLetter(searched, end);
    if (isWhole) places.push({ start, end, instead });
    start = searched.indexOf(word, isWhole ? end : start + 1);
  }
  return places;
}

/** A character has two units at most. */
function endsWithLetter(text: string, end: number): boolean {
  return endsInWord.test(text.slice(Math.max(0, end - 2), end));
}

function beginsWithLetter(text: string, start: number): boolean {
  return beginsInWord.test(text.slice(start, start + 2));
}
