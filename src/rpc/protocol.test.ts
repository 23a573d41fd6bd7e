import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { type Cbor, encodeCbor } from '../wire/index.ts'
import {
  type Answer,
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  FRAME_BYTES_MAX,
  ID_MAX,
  peekRequestId,
  rpcProtocol,
  toFailure,
} from './protocol.ts'

const id = fc.integer({ min: 1, max: ID_MAX })
const method = fc.stringMatching(/^[a-z][a-z0-9._-]{0,63}$/)
const payload: fc.Arbitrary<Cbor> = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .uniqueArray(fc.tuple(fc.string(), tie('value')), { selector: ([key]) => key, maxLength: 4 })
      .map((entries) => new Map<Cbor, Cbor>(entries)),
  ),
})).value
const plain = { noNullPrototype: true }
const failure = fc.record(
  {
    code: fc.constantFrom('RPC_BUSY', 'STORAGE_NOT_FOUND', 'ACCESS_QUOTA'),
    message: fc.string({ maxLength: 1_024 }),
    retryable: fc.boolean(),
  },
  plain,
)
const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ id, ok: fc.constant(true as const), payload }, plain),
  fc.record({ id, ok: fc.constant(false as const), failure }, plain),
)

test('decodeRequest() reads what encodeRequest() wrote, and peekRequestId() its id', () => {
  fc.assert(
    fc.property(fc.record({ id, method, payload }, plain), (request) => {
      const frame = encodeRequest(request)
      assert.deepEqual(decodeRequest(frame), request)
      assert.equal(peekRequestId(frame), request.id)
    }),
  )
})

test('decodeAnswer() reads what encodeAnswer() wrote', () => {
  fc.assert(fc.property(answer, (one) => assert.deepEqual(decodeAnswer(encodeAnswer(one)), one)))
})

test('any bytes are read, or refused with a code', () => {
  const mutated = fc
    .tuple(fc.record({ id, method, payload }).map(encodeRequest), fc.nat(), fc.nat(255))
    .map(([frame, at, byte]) => frame.with(at % frame.length, byte))
  const refused = (error: unknown) => coded('WIRE_MALFORMED')(error)
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated), (frame) => {
      peekRequestId(frame)
      for (const decode of [decodeRequest, decodeAnswer]) {
        try {
          decode(frame)
        } catch (error) {
          assert.ok(refused(error), String(error))
        }
      }
    }),
  )
})

const requests: readonly (readonly [string, Cbor])[] = [
  ['no list', 'hello'],
  ['two items', [1, 'echo']],
  ['four items', [1, 'echo', null, null]],
  ['the id 0', [0, 'echo', null]],
  ['a negative id', [-1, 'echo', null]],
  ['an id beyond 32 bits', [ID_MAX + 1, 'echo', null]],
  ['an id that is text', ['1', 'echo', null]],
  ['no method', [1, '', null]],
  ['a method in capitals', [1, 'Echo', null]],
  ['a method too long', [1, 'a'.repeat(65), null]],
  ['a method that is a number', [1, 2, null]],
]
for (const [what, value] of requests) {
  test(`decodeRequest() refuses ${what}`, () => {
    assert.throws(() => decodeRequest(encodeCbor(value)), coded('WIRE_MALFORMED'))
  })
}

const fields = (entries: readonly (readonly [string, Cbor])[]) => new Map<Cbor, Cbor>(entries)
const good = [
  ['code', 'RPC_BUSY'],
  ['message', 'x'],
  ['retryable', true],
] as const
const answers: readonly (readonly [string, Cbor])[] = [
  ['neither yes nor no', [1, null, null]],
  ['an error that is text', [1, false, 'no']],
  ['an error with a field more', [1, false, fields([...good, ['stack', 'x']])]],
  ['an error with a field less', [1, false, fields(good.slice(1))]],
  ['a code that is none', [1, false, fields([['code', 'nope'], good[1], good[2]])]],
  ['a code too long', [1, false, fields([['code', `A_${'B'.repeat(63)}`], good[1], good[2]])]],
  ['a message too long', [1, false, fields([good[0], ['message', 'x'.repeat(1_025)], good[2]])]],
  ['no word on retrying', [1, false, fields([good[0], good[1], ['retryable', 1]])]],
]
for (const [what, value] of answers) {
  test(`decodeAnswer() refuses ${what}`, () => {
    assert.throws(() => decodeAnswer(encodeCbor(value)), coded('WIRE_MALFORMED'))
  })
}

test('a frame above the limit is refused before it is decoded', () => {
  const frame = new Uint8Array(FRAME_BYTES_MAX + 1)
  assert.throws(() => decodeRequest(frame), coded('WIRE_TOO_LONG'))
  assert.throws(() => decodeAnswer(frame), coded('WIRE_TOO_LONG'))
})

test('what the other side would refuse is refused on this side', () => {
  for (const wrong of [0.5, [1, [Number.NaN]], new Map([['a', 2 ** 60]])]) {
    const request = { id: 1, method: 'echo', payload: wrong }
    assert.throws(() => encodeRequest(request), coded('WIRE_MALFORMED'))
    assert.throws(() => encodeAnswer({ id: 1, ok: true, payload: wrong }), coded('WIRE_MALFORMED'))
  }
})

test('toFailure() cuts a message that is too long for the wire', () => {
  const cut = toFailure({ code: 'RPC_BUSY', message: 'x'.repeat(5_000), retryable: false })
  assert.equal(cut.message.length, 1_024)
  decodeAnswer(encodeAnswer({ id: 1, ok: false, failure: cut }))
})

test('rpcProtocol() names the network, and bounds frames and streams', () => {
  assert.equal(rpcProtocol('main').id, '/p2p-foundation/rpc/1.0.0')
  assert.equal(rpcProtocol('test').id, '/p2p-foundation/test/rpc/1.0.0')
  assert.equal(rpcProtocol('main').frameBytesMax, 4 * 1_024 * 1_024)
})
