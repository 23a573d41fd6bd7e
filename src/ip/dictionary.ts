/**
 * Our list of words, one in a line of `words.txt`. Reading it takes some milliseconds and 5 MB, so
 * nobody does before there is an address to say. How it was made, and the rules that it keeps, are
 * in `docs/words.md`; a list in use never changes, or words that were written down lead elsewhere.
 */

import { readFile } from 'node:fs/promises'

const FILE = new URL('./words.txt', import.meta.url)

/** All words, in the order of their numbers. */
export async function loadDictionary(): Promise<readonly string[]> {
  return (await readFile(FILE, 'latin1')).trimEnd().split('\n')
}
