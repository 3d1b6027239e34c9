// Finding by words: every word must occur; names weigh more than help.

export interface Ranked {
  name: string;
  group: string;
  help: string;
  more: string;
  why: string | null;
}

function score(item: Ranked, words: readonly string[]): number | null {
  const name = item.name.toLowerCase();
  const near = `${item.group} ${item.help}`.toLowerCase();
  const far = item.more.toLowerCase();
  let sum = 0;
  for (const word of words) {
    if (name.startsWith(word)) sum += 8;
    else if (name.includes(word)) sum += 6;
    else if (near.includes(word)) sum += 3;
    else if (far.includes(word)) sum += 1;
    else return null;
  }
  return sum - (item.why === null ? 0 : 0.5);
}

/** Items that have all words of the query, best first; the given order where they are equal. */
export function rank<T extends Ranked>(items: readonly T[], query: string): T[] {
  const words = query.toLowerCase().replaceAll("_", " ").split(/\s+/).filter(Boolean);
  const scored = items.flatMap((item, i) => {
    const s = score(item, words);
    return s === null ? [] : [{ item, s, i }];
  });
  return scored.sort((a, b) => b.s - a.s || a.i - b.i).map(({ item }) => item);
}
