import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { ipFromBytes } from './address.ts'
import { endpointToWords, wordsToEndpoint } from './words.ts'

const endpoint = fc.record(
  {
    ip: fc
      .constantFrom(4, 16)
      .chain((size) => fc.uint8Array({ minLength: size, maxLength: size }))
      .map((bytes) => ipFromBytes(bytes).text),
    port: fc.nat(0xffff),
  },
  { noNullPrototype: true },
)

interface Vector {
  readonly ip: string
  readonly port: number
  readonly words: string
}
const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/ip-words.json', import.meta.url), 'utf8'),
) as readonly Vector[]

test('wordsToEndpoint() returns what endpointToWords() was given, in 3 or 9 words', async () => {
  await fc.assert(
    fc.asyncProperty(endpoint, async (given) => {
      const words = await endpointToWords(given)
      assert.equal(words.split(' ').length, given.ip.includes(':') ? 9 : 3)
      assert.deepEqual(await wordsToEndpoint(words), given)
    }),
  )
})

test('the words of an address are the same for ever', async () => {
  for (const { ip, port, words } of vectors) {
    assert.equal(await endpointToWords({ ip, port }), words)
    assert.deepEqual(await wordsToEndpoint(words), { ip, port })
  }
})

test('wordsToEndpoint() reads any case, and dots and hyphens for spaces', async () => {
  const expected = { ip: '127.0.0.1', port: 9000 }
  for (const text of ['Kernish.aardwolf.cannikins', ' KERNISH - aardwolf  cannikins\n']) {
    assert.deepEqual(await wordsToEndpoint(text), expected)
  }
})

test('wordsToEndpoint() names the word it does not know and the nearest it does', async () => {
  await assert.rejects(wordsToEndpoint('kernish aardwolf canniknis'), (error: Error) => {
    assert.ok(coded('IP_WORD_UNKNOWN')(error))
    assert.match(error.message, /word 3 "canniknis".*cannikins/)
    return true
  })
  await assert.rejects(wordsToEndpoint('kernish aardwolf qqqqqqqqqqq'), (error: Error) => {
    assert.ok(coded('IP_WORD_UNKNOWN')(error))
    assert.doesNotMatch(error.message, /Did you mean/)
    return true
  })
})

test('wordsToEndpoint() refuses any other number of words', async () => {
  for (const count of [0, 1, 2, 4, 8, 10]) {
    const text = Array(count).fill('aardwolf').join(' ')
    await assert.rejects(wordsToEndpoint(text), coded('IP_WORDS_COUNT'), `${count} words`)
  }
})

test('wordsToEndpoint() refuses a long text before it looks at its words', async () => {
  await assert.rejects(wordsToEndpoint('aardwolf '.repeat(1_000)), coded('IP_WORDS_TOO_LONG'))
})

test('endpointToWords() refuses ports and addresses that are none', async () => {
  for (const port of [-1, 65_536, 1.5, Number.NaN]) {
    await assert.rejects(endpointToWords({ ip: '::1', port }), coded('IP_PORT_INVALID'))
  }
  await assert.rejects(endpointToWords({ ip: 'localhost', port: 1 }), coded('IP_ADDRESS_INVALID'))
})
