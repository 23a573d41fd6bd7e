import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError, secureRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { type Cbor, encodeCbor } from '../wire/index.ts'
import {
  answerFromCbor,
  answerToCbor,
  COUNTED_BYTES_MAX,
  COUNTS_MAX,
  decodeCounted,
  encodeCounted,
  HEADS_MAX,
  headsFromCbor,
  headsQuestionFromCbor,
  headsQuestionToCbor,
  headsToCbor,
  questionFromCbor,
  questionToCbor,
} from './repair-protocol.ts'

const author = generateKeys(secureRandom).signer.peer
const whole = (min: number) => fc.integer({ min, max: Number.MAX_SAFE_INTEGER })
const part = fc.uint8Array({ maxLength: 200 })

test('a counted message is read as it was written, and is little longer', () => {
  const counted = fc.record(
    { run: whole(0), count: whole(1), bytes: part },
    { noNullPrototype: true },
  )
  const property = fc.property(counted, (one) => {
    const data = encodeCounted(one)
    assert.deepEqual(decodeCounted(data), one)
    assert.ok(data.length <= one.bytes.length + COUNTED_BYTES_MAX)
  })
  fc.assert(property)
})

test('decodeCounted() refuses all that is not counted', () => {
  const bytes = Uint8Array.of(1)
  const wrong: Cbor[] = [
    bytes,
    [1, 1],
    [1, 1, bytes, 1],
    [-1, 1, bytes],
    [1, 0, bytes],
    [1, '1', bytes],
    [1, 1, 'text'],
    new Map(),
  ]
  for (const one of wrong) assert.throws(() => decodeCounted(encodeCbor(one)), CodedError)
  assert.throws(() => decodeCounted(bytes.subarray(1)), CodedError)
})

test('a question is read as it was asked', () => {
  const counts = fc.array(whole(1), { minLength: 1, maxLength: COUNTS_MAX })
  const fields = { wire: fc.string(), author: fc.constant(author), run: whole(0), counts }
  const question = fc.record(fields, { noNullPrototype: true })
  fc.assert(
    fc.property(question, (one) => assert.deepEqual(questionFromCbor(questionToCbor(one)), one)),
  )
})

test('questionFromCbor() refuses what is none, and more counts than one answer could give', () => {
  const wrong: Cbor[] = [
    null,
    ['t', author, 1],
    [1, author, 1, [1]],
    ['x'.repeat(257), author, 1, [1]],
    ['t', 'nobody', 1, [1]],
    ['t', author, -1, [1]],
    ['t', author, 1, []],
    ['t', author, 1, [0]],
    ['t', author, 1, Array.from({ length: COUNTS_MAX + 1 }, () => 1)],
    ['t', author, 1, 1],
  ]
  for (const one of wrong) assert.throws(() => questionFromCbor(one), CodedError)
})

test('an answer is read as it was given, each message of the topic that was asked for', () => {
  const message = fc.record(
    { from: part, data: part, seqno: part, signature: part, key: part, topic: fc.constant('t') },
    { noNullPrototype: true, requiredKeys: ['from', 'data', 'seqno', 'signature', 'topic'] },
  )
  const property = fc.property(fc.array(message, { maxLength: 5 }), (list) => {
    assert.deepEqual(answerFromCbor(answerToCbor(list), 't'), list)
  })
  fc.assert(property)
})

test('answerFromCbor() refuses what is none', () => {
  const b = Uint8Array.of(1)
  const wrong: Cbor[] = [
    null,
    [b],
    [[b, b, b, b]],
    [[b, null, b, b, b]],
    [[b, b, b, b, 1]],
    [[new Uint8Array(1_025), b, b, b, null]],
    Array.from({ length: COUNTS_MAX + 1 }, () => [b, b, b, b, null]),
  ]
  for (const one of wrong) assert.throws(() => answerFromCbor(one, 't'), CodedError)
})

test('a question for heads and its answer are read as they were written', () => {
  const asked = fc.record({ wire: fc.string(), spanMs: whole(0) }, { noNullPrototype: true })
  const read = fc.property(asked, (one) => {
    assert.deepEqual(headsQuestionFromCbor(headsQuestionToCbor(one)), one)
  })
  fc.assert(read)
  const counts = fc.tuple(whole(1), whole(1)).map(([one, other]) => {
    return { first: Math.min(one, other), last: Math.max(one, other) }
  })
  const heads = fc.array(fc.tuple(whole(0), counts), { maxLength: 5 })
  const answered = fc.property(heads, (list) => {
    const given = list.map(([run, { first, last }]) => ({ author, run, first, last }))
    assert.deepEqual(headsFromCbor(headsToCbor(given)), given)
  })
  fc.assert(answered)
  const many = Array.from({ length: HEADS_MAX + 1 }, () => ({ author, run: 1, first: 1, last: 1 }))
  assert.equal(headsFromCbor(headsToCbor(many)).length, HEADS_MAX)
})

test('headsQuestionFromCbor() and headsFromCbor() refuse what is none', () => {
  assert.equal(headsQuestionFromCbor(['t', author, 1, [1]]), undefined)
  for (const one of [
    [1, 1],
    ['x'.repeat(257), 1],
    ['t', -1],
    ['t', '1'],
  ] as Cbor[]) {
    assert.throws(() => headsQuestionFromCbor(one), CodedError)
  }
  const wrong: Cbor[] = [
    null,
    [author],
    [[author, 1, 1]],
    [[1, 1, 1, 1]],
    [['nobody', 1, 1, 1]],
    [[author, -1, 1, 1]],
    [[author, 1, 0, 1]],
    [[author, 1, 2, 1]],
    Array.from({ length: HEADS_MAX + 1 }, () => [author, 1, 1, 1]),
  ]
  for (const one of wrong) assert.throws(() => headsFromCbor(one), CodedError)
})
