import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isMachineryKey, type Json } from '../wire/index.ts'
import { readSchema } from './schema-text.ts'

const hidden = String.fromCodePoint(0x202e, 0x200b, 0xe0041, 0x1b)

test('readSchema() takes hidden characters out of every text, key and value', () => {
  const schema = {
    type: 'object',
    title: `a${hidden}b`,
    properties: { [`na${hidden}me`]: { enum: [`x${hidden}y`], description: hidden } },
    examples: [{ deep: [hidden] }],
  }
  assert.deepEqual(readSchema(schema), {
    type: 'object',
    title: 'ab',
    properties: { name: { enum: ['xy'], description: '' } },
    examples: [{ deep: [''] }],
  })
})

test('readSchema() keeps a schema without hidden text as it is', () => {
  const texts = fc.string({ unit: 'grapheme-ascii', maxLength: 8 })
  const json = fc.object({
    key: texts.filter((key) => !isMachineryKey(key)),
    values: [texts, fc.nat(), fc.boolean()],
    maxDepth: 4,
  })
  fc.assert(
    fc.property(json, (schema) => {
      const given = JSON.parse(JSON.stringify(schema)) as Json
      assert.deepEqual(readSchema(given), given)
    }),
  )
})

test('readSchema() refuses what is too deep, too much, too long or no object', () => {
  let deep: Json = {}
  for (let i = 0; i < 40; i += 1) deep = { items: deep }
  assert.equal(readSchema(deep), undefined)
  assert.equal(readSchema({ enum: Array.from({ length: 5_000 }, (_, i) => i) }), undefined)
  assert.equal(readSchema({ pattern: 'x'.repeat(70_000) }), undefined)
  assert.equal(readSchema([]), undefined)
  assert.equal(readSchema(undefined), undefined)
})

test('readSchema() refuses names of the machinery of objects that hid a character', () => {
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    const key = `${name.slice(0, 4)}\u200b${name.slice(4)}`
    assert.equal(readSchema({ type: 'object', properties: { [key]: { a: 1 } } }), undefined, name)
  }
  assert.notEqual(readSchema({ enum: ['constructor'] }), undefined)
})

test('readSchema() cuts sentences', () => {
  const schema = readSchema({ description: 'x'.repeat(10_000) })
  assert.equal(JSON.stringify(schema?.description).length, 4_096 + 2)
})
