/** The list of words keeps the rules of `docs/words.md`: it is made once and read for ever. */

import assert from 'node:assert/strict'
import { hash as digest } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { loadDictionary } from './dictionary.ts'

const words = await loadDictionary()
const known = new Set(words)

/** What `docs/words.md` publishes: the members of a pair look alike in print or sound alike. */
const CONFUSABLES: readonly (readonly [RegExp, string])[] = readFileSync(
  new URL('../../docs/words.md', import.meta.url),
  'utf8',
)
  .split('\n')
  .flatMap((line) => {
    const [, from, to] = /^ *\| `\/(.+)\/` +\| `(.*?)` +\|/.exec(line) ?? []
    return from === undefined || to === undefined ? [] : [[new RegExp(from, 'g'), to] as const]
  })

const ENDINGS = ['s', 'es', 'ed', 'er', 'ers', 'ing', 'y', 'ish', 'ly', 'ism', 'ist', 'ists']

function folded(word: string): string {
  return CONFUSABLES.reduce((text, [from, to]) => text.replace(from, to), word)
}

const without = (word: string, i: number) => word.slice(0, i) + word.slice(i + 1)

/** One letter put in, left out, changed, or swapped with its neighbour; or none. */
function isOneEdit(a: string, b: string): boolean {
  if (a.length > b.length) return isOneEdit(b, a)
  let i = 0
  while (i < a.length && a[i] === b[i]) i += 1
  if (a.length < b.length) return a.length + 1 === b.length && a.slice(i) === b.slice(i + 1)
  const isSwap = a[i] === b[i + 1] && a[i + 1] === b[i] && a.slice(i + 2) === b.slice(i + 2)
  return a.slice(i + 1) === b.slice(i + 1) || isSwap
}

/** Pairs within one edit: such words share a form with a letter left out, or are one of it. */
function pairsWithinOneEdit(texts: readonly string[]): string[] {
  const byForm = new Map<string, string[]>()
  const found: string[] = []
  for (const text of texts) {
    const forms = new Set([text, ...Array.from(text, (_, i) => without(text, i))])
    for (const form of forms) {
      const others = byForm.get(form) ?? []
      found.push(...others.filter((one) => isOneEdit(one, text)).map((one) => `${one} ${text}`))
      byForm.set(form, [...others, text])
    }
  }
  return found
}

test('there are 65,536 different words of 3 to 12 letters from a to z, in order', () => {
  assert.equal(words.length, 65_536)
  assert.equal(known.size, words.length)
  assert.deepEqual(words, [...words].sort())
  assert.deepEqual(
    words.filter((word) => !/^[a-z]{3,12}$/.test(word)),
    [],
  )
})

test('no two words are within one edit of each other', () => {
  assert.deepEqual(pairsWithinOneEdit(words), [])
})

test('nor are they once all that looks or sounds alike is folded', () => {
  assert.equal(CONFUSABLES.length, 16)
  assert.equal(folded('knuckle'), 'nukle')
  assert.deepEqual(pairsWithinOneEdit(words.map(folded)), [])
})

test('no word is refused, is derived from a refused one, or has one inside', () => {
  const file = new URL('../../test/vectors/words-refused.txt', import.meta.url)
  const lines = readFileSync(file, 'utf8').split('\n')
  const rows = lines.filter((line) => /^[0-9a-f]{16} /.test(line)).map((line) => line.split(' '))
  const whole = new Set(rows.map(([hash]) => hash))
  const inside = new Set(rows.filter(([, where]) => where === 'inside').map(([hash]) => hash))
  assert.ok(whole.size > 3_000 && inside.size > 1_000)
  const hash = (text: string) => digest('sha256', text).slice(0, 16)
  const isIn = (word: string) => {
    for (let from = 0; from < word.length; from += 1) {
      for (let to = from + 4; to <= word.length; to += 1) {
        if (inside.has(hash(word.slice(from, to)))) return true
      }
    }
    return false
  }
  const isDerived = (word: string) => {
    return ENDINGS.some((ending) => {
      const stem = word.endsWith(ending) ? word.slice(0, -ending.length) : ''
      return stem !== '' && (whole.has(hash(stem)) || whole.has(hash(`${stem}e`)))
    })
  }
  const found = words.filter((word) => whole.has(hash(word)) || isIn(word) || isDerived(word))
  assert.deepEqual(found, [])
})

test('the list is the one that was published, for words lead somewhere', () => {
  const list = digest('sha256', words.join('\n'))
  assert.equal(list, 'dbebd2ae62dcf9b03e57d12ecb13f20ca79d7945f2280cafa52f72716ddaefa3')
})
