import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cleanText } from './clean-text.ts'

test('cleanText() takes out what a reader cannot see', () => {
  const hidden = [0x00, 0x1b, 0x7f, 0x9b, 0xad, 0x200b, 0x200f, 0x202e, 0x2066, 0xfeff, 0xe0041]
  for (const code of hidden) {
    assert.equal(cleanText(`a${String.fromCodePoint(code)}b`, 10), 'ab', code.toString(16))
  }
})

test('cleanText() leaves text in any script, line feeds and tabs as they are', () => {
  for (const text of ['naïve\n\tzwei', '日本語', 'עברית', '👍 ok']) {
    assert.equal(cleanText(text, 100), text)
  }
})

test('cleanText() stays within the limit, never splits a character, and is stable', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 20 }), (text, max) => {
      const cleaned = cleanText(text, max)
      assert.ok(cleaned.length <= max)
      assert.ok(cleaned.isWellFormed())
      assert.equal(cleanText(cleaned, max), cleaned)
    }),
  )
})

test('cleanText() shows that something was cut', () => {
  assert.equal(cleanText('abcdef', 4), 'abc…')
  assert.equal(cleanText('abcd', 4), 'abcd')
})
