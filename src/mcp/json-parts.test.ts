import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jsonParts } from './json-parts.ts'

test('the pieces are together what JSON says of a value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal([...jsonParts(value)].join(''), JSON.stringify(value))
    }),
  )
})

test('a long text is cut, and never within a character', () => {
  const unit = fc.constantFrom('a', '"', '\\', '\n', 'é', '\u{1f600}', '\ud83d')
  fc.assert(
    fc.property(fc.array(unit, { minLength: 1, maxLength: 7 }), fc.nat(5), (units, more) => {
      const text = 'x'.repeat(more) + units.join('').repeat(50_000)
      const pieces = [...jsonParts({ text, none: undefined })]
      assert.ok(Math.max(...pieces.map(({ length }) => length)) <= 6 * 64 * 1_024 + 6)
      assert.equal(pieces.join(''), JSON.stringify({ text }))
    }),
    { numRuns: 20 },
  )
})

test('half a character before a cut draws no other one apart', () => {
  const text = ['x'.repeat(64 * 1_024 - 1), '\ud83d', '\u{1f600}'].join('')
  assert.equal([...jsonParts({ text })].join(''), JSON.stringify({ text }))
})
