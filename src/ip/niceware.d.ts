/** niceware ships no types. Its list is an array of 65,536 lower-case words, sorted, none twice. */
declare module 'niceware/lib/wordlist.js' {
  const words: readonly string[]
  export = words
}
