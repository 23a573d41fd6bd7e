import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { utf8 } from '../base/index.ts'
import { bodyOf, dataOf, JSON_TYPE } from './stdio-data.ts'

test("text for OpenPond's nodes is not quoted", () => {
  const said = (data: unknown) => Buffer.from(bodyOf(data, 'openpond')).toString()
  assert.deepEqual([said('hi'), said(['hi'])], ['hi', '["hi"]'])
})

test('dataOf() undoes bodyOf()', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const text = JSON.stringify(value)
      fc.pre(!/__proto__|constructor|prototype/.test(text))
      const data = JSON.parse(text) as unknown
      assert.deepEqual(dataOf(bodyOf(data), JSON_TYPE), { data })
    }),
  )
})

test('dataOf() takes a stranger at his bytes, not at his word', () => {
  assert.deepEqual(dataOf(utf8('{"a":'), JSON_TYPE), { data: '{"a":' })
  assert.deepEqual(dataOf(utf8('{"__proto__":1}'), JSON_TYPE), { data: '{"__proto__":1}' })
  assert.deepEqual(dataOf(utf8('1'), undefined), { data: '1' })
  assert.deepEqual(dataOf(utf8('[1]'), 'Application/JSON; charset=utf-8'), { data: [1] })
  const bytes = Uint8Array.of(0xff, 0)
  assert.deepEqual(dataOf(bytes, JSON_TYPE), { data: '/wA=', encoding: 'base64' })
})
