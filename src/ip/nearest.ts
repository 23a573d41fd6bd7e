/** The words of a list that were probably meant: fewest typing errors apart (Damerau, 1964). */

const DISTANCE_MAX = 2
const SUGGESTIONS_MAX = 3

/** At most three words within two typing errors of `word`, the nearest first. */
export function nearest(word: string, words: readonly string[]): readonly string[] {
  return words
    .filter((other) => Math.abs(other.length - word.length) <= DISTANCE_MAX)
    .map((other) => ({ other, errors: distance(word, other) }))
    .filter(({ errors }) => errors <= DISTANCE_MAX)
    .sort((a, b) => a.errors - b.errors)
    .slice(0, SUGGESTIONS_MAX)
    .map(({ other }) => other)
}

/** Insertions, deletions, changes and swaps of neighbours; stops counting above the limit. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const change = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const shorter = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(change, shorter, swap))
    }
    if (Math.min(...row) > DISTANCE_MAX) return DISTANCE_MAX + 1
    before = above
    above = row
  }
  return above[b.length] ?? 0
}
