/**
 * niceware's list of words. It takes 30 ms and 12 MB to load, so nobody loads it before there is
 * an address to say. A bundle has the list as a text file instead, and keeps none of it.
 */

/** All words, in the order of their numbers. */
export async function loadDictionary(): Promise<readonly string[]> {
  const { default: words } = await import('niceware/lib/wordlist.js')
  return words
}
