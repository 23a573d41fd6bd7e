/**
 * What gossip reads of strangers, against noise and against bent truth: the look at a frame finds a
 * fault or none, and what it lets pass the library decodes or refuses with no more entries than the
 * limits; messages with a count, questions and answers decode or throw a coded error.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RPC } from '@libp2p/gossipsub/message'
import fc from 'fast-check'
import { CodedError } from '../../src/base/index.ts'
import { FRAME_LIMITS, faultOf } from '../../src/pubsub/frame-check.ts'
import {
  answerFromCbor,
  answerToCbor,
  decodeCounted,
  encodeCounted,
  questionFromCbor,
  questionToCbor,
} from '../../src/pubsub/repair-protocol.ts'
import { formatReplay, parseReplay } from '../../src/pubsub/replay-file.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../../src/wire/index.ts'
import { signerOf } from '../support/dht-fixture.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const bytes = Uint8Array.of(1, 2, 3)
const author = signerOf(1).peer
const message = { from: bytes, data: bytes, seqno: bytes, topic: 't', signature: bytes }
const control = {
  ihave: [{ topicID: 't', messageIDs: [bytes, bytes] }],
  iwant: [{ messageIDs: [bytes] }],
  graft: [{ topicID: 't' }],
  prune: [{ topicID: 't', peers: [], backoff: 60 }],
  idontwant: [{ messageIDs: [bytes] }],
}
const FRAMES: readonly Uint8Array[] = [
  RPC.encode({ subscriptions: [{ subscribe: true, topic: 't' }], messages: [message] }),
  RPC.encode({ subscriptions: [], messages: [], control }),
]
const PARTS: readonly Uint8Array[] = [
  encodeCounted({ run: 1_700_000_000_000, count: 300, bytes }),
  encodeCbor(questionToCbor({ wire: 't', author, run: 1, counts: [1, 2, 70_000] })),
  encodeCbor(answerToCbor([message, { ...message, key: bytes }])),
]

const bent = (corpus: readonly Uint8Array[]) =>
  fc
    .record({
      from: fc.constantFrom(...corpus),
      into: fc.constantFrom(...corpus),
      at: fc.nat(120),
      cut: fc.nat(120),
      put: fc.uint8Array({ maxLength: 4 }),
      bit: fc.nat(1_000),
    })
    .map(({ from, into, at, cut, put, bit }) => {
      const mixed = [...from.subarray(0, at), ...put, ...into.subarray(cut)]
      return Uint8Array.from(mixed, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    })

const noise = fc.uint8Array({ maxLength: 200 })

test(`a frame is looked at without a fault of ours (seed ${SEED})`, () => {
  const property = fc.property(fc.oneof(noise, bent(FRAMES), bent(FRAMES)), (frame) => {
    if (faultOf(frame) !== undefined) return
    const decoded = decodedOr(() => RPC.decode(frame))
    assert.ok((decoded?.subscriptions.length ?? 0) <= FRAME_LIMITS.subscriptions)
    assert.ok((decoded?.messages.length ?? 0) <= FRAME_LIMITS.messages)
  })
  fc.assert(property, { numRuns: CASES, seed: SEED })
})

/** The library refuses with errors of many kinds; they end at the frame. */
function decodedOr(decode: () => RPC): RPC | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}

function fuzz(what: string, decode: (input: Uint8Array) => void): void {
  test(`${what} decodes or throws a coded error (seed ${SEED})`, () => {
    const property = fc.property(fc.oneof(noise, bent(PARTS), bent(PARTS)), (input) => {
      try {
        decode(input)
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
        assert.notEqual(error.code, 'BASE_BUG', error.message)
      }
    })
    fc.assert(property, { numRuns: CASES, seed: SEED })
  })
}

const cborOf = (input: Uint8Array): Cbor => decodeCbor(input, 'fuzz', 1_024)

test(`replay.json is read or refused with a code (seed ${SEED})`, () => {
  const text = formatReplay({ clean: true, own: 5n, newest: [[author, 2n ** 64n - 1n]] })
  const bentText = fc
    .tuple(fc.nat(text.length), fc.nat(text.length), fc.string({ maxLength: 6 }))
    .map(([at, cut, put]) => `${text.slice(0, at)}${put}${text.slice(cut)}`)
  const property = fc.property(fc.oneof(fc.string(), fc.json(), bentText), (given) => {
    try {
      const state = parseReplay(given)
      assert.deepEqual(parseReplay(formatReplay(state)), state)
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      assert.notEqual(error.code, 'BASE_BUG', error.message)
    }
  })
  fc.assert(property, { numRuns: CASES, seed: SEED })
})

fuzz('a message with its count', (input) => {
  assert.deepEqual(encodeCounted(decodeCounted(input)), Uint8Array.from(input))
})

fuzz('a question for missing messages', (input) => {
  const question = questionFromCbor(cborOf(input))
  assert.deepEqual(encodeCbor(questionToCbor(question)), Uint8Array.from(input))
})

fuzz('an answer with missing messages', (input) => {
  const answer = answerFromCbor(cborOf(input), 't')
  assert.deepEqual(encodeCbor(answerToCbor(answer)), Uint8Array.from(input))
})
