import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { acceptsArgs, isArgument, shapeOf } from './tool-shape.ts'

const add = ['a:number!', 'b:number!', 'note:string']

test('acceptsArgs() wants every argument known, its type taken, and none missing', () => {
  for (const [wanted, isTaken] of [
    [{ a: 'number', b: 'number' }, true],
    [{ a: 'integer', b: 'any' }, true],
    [{ a: 'number', b: 'number', note: 'string' }, true],
    [{ a: 'number' }, false],
    [{ a: 'string', b: 'number' }, false],
    [{ a: 'number', b: 'number', c: 'any' }, false],
    [{}, false],
  ] as const) {
    assert.equal(acceptsArgs(add, wanted), isTaken, JSON.stringify(wanted))
  }
  assert.ok(!acceptsArgs(['n:integer'], { n: 'number' }), 'a number need not be an integer')
  assert.ok(acceptsArgs(['x:any'], { x: 'object' }))
  assert.ok(acceptsArgs([], {}))
})

test('shapeOf() says nothing of what it cannot tell', () => {
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`a${i}`, {}]))
  for (const schema of [
    { anyOf: [] },
    { properties: { 'two words': {} } },
    { properties: [] },
    { required: 'a' },
    { properties: many },
  ]) {
    assert.equal(shapeOf(schema), null, JSON.stringify(schema))
  }
  assert.deepEqual(shapeOf({}), [])
  assert.deepEqual(shapeOf({ required: ['x'] }), ['x:any!'])
  assert.deepEqual(shapeOf({ properties: { x: { type: ['string', 'null'] } } }), ['x:any'])
})

test('whatever the schema, its shape is one that a descriptor may hold, and takes itself', () => {
  const schema = fc.record({
    properties: fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 1 })),
    required: fc.array(fc.string({ maxLength: 8 }), { maxLength: 4 }),
  })
  fc.assert(
    fc.property(schema, (each) => {
      const shape = shapeOf(each as never)
      if (shape === null) return
      assert.ok(shape.every(isArgument))
      const all = shape.map((argument) => argument.replace('!', '').split(':'))
      assert.ok(acceptsArgs(shape, Object.fromEntries(all) as Record<string, string>))
    }),
  )
})
