import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LongAnswer } from './long-answer.ts'

/** What is read of a message that comes in pieces of these sizes. */
function read(message: string, sizes: readonly number[] = []) {
  const bytes = Buffer.from(message)
  const answer = new LongAnswer()
  const result: Uint8Array[] = []
  let at = 0
  for (const size of sizes) {
    result.push(...answer.push(bytes.subarray(at, at + size)))
    at += size
  }
  result.push(...answer.push(bytes.subarray(at)))
  const { id, isAnswer } = answer
  return { id, isAnswer, result: Buffer.concat(result).toString() }
}

test('id and result are found, in whichever order and pieces they come', () => {
  const member = fc.constantFrom('id', 'jsonrpc', 'result', 'extra')
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 })
  const id = fc.oneof(fc.integer(), fc.string({ maxLength: 20 }))
  fc.assert(
    fc.property(
      fc.jsonValue(),
      id,
      sizes,
      fc.shuffledSubarray(['id', 'jsonrpc', 'result', 'x'], { minLength: 4 }),
      (result, name, cuts, order) => {
        const whole: Record<string, unknown> = {
          id: name,
          jsonrpc: '2.0',
          result,
          x: { result: [1], id: 2 },
        }
        const message = JSON.stringify(Object.fromEntries(order.map((key) => [key, whole[key]])))
        const found = read(message, cuts)
        assert.equal(found.result, JSON.stringify(result))
        assert.deepEqual([found.isAnswer, found.id], [true, JSON.stringify(name)])
      },
    ),
  )
  assert.ok(member)
})

test('spaces, brackets in texts and names within the result mislead nobody', () => {
  const message = ' { "id" : "a,}" , "result" : {"result":"}\\"]","id":[{}]} , "jsonrpc":"2.0" } '
  const { id, isAnswer, result } = read(message)
  assert.equal(id, '"a,}"')
  assert.equal(isAnswer, true)
  assert.deepEqual(JSON.parse(result), { result: '}"]', id: [{}] })
})

test('a request, a part of a message and what is none are no answers', () => {
  for (const message of [
    '{"id":1,"method":"m","result":1}',
    '{"id":1,"result":{',
    '[1,2]',
    '"x"',
    '',
  ]) {
    assert.equal(read(message).isAnswer, false, message)
  }
})

test('no bytes mislead it into taking more than it was given', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const taken = new LongAnswer().push(bytes).reduce((sum, { length }) => sum + length, 0)
      assert.ok(taken <= bytes.length)
    }),
  )
})
