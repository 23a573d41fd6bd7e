import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RPC } from '@libp2p/gossipsub/message'
import fc from 'fast-check'
import { FRAME_LIMITS, faultOf } from './frame-check.ts'

const bytes = (length: number) => new Uint8Array(length)
const many = <T>(count: number, make: (i: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i))
const none = { graft: [], prune: [], ihave: [], iwant: [], idontwant: [] }
const frame = (rpc: Partial<RPC>) => RPC.encode({ subscriptions: [], messages: [], ...rpc })
const controls = (control: Partial<RPC.ControlMessage>) =>
  frame({ control: { ...none, ...control } })

const subscription = { subscribe: true, topic: 't' }
const message = { topic: 't', data: bytes(10), from: bytes(38), seqno: bytes(8) }
const id = bytes(8)

test('frames at their limits pass, and those above do not', () => {
  const { subscriptions, messages, controls: most, names, peers } = FRAME_LIMITS
  const cases: [string | undefined, Uint8Array][] = [
    [undefined, bytes(0)],
    [undefined, frame({ subscriptions: many(subscriptions, () => subscription) })],
    ['subscriptions', frame({ subscriptions: many(subscriptions + 1, () => subscription) })],
    [undefined, frame({ messages: many(messages, () => message) })],
    ['messages', frame({ messages: many(messages + 1, () => message) })],
    [undefined, controls({ graft: many(most, () => ({ topicID: 't' })) })],
    ['controls', controls({ graft: many(most + 1, () => ({ topicID: 't' })) })],
    [undefined, controls({ ihave: [{ topicID: 't', messageIDs: many(names, () => id) }] })],
    ['names', controls({ ihave: [{ topicID: 't', messageIDs: many(names + 1, () => id) }] })],
    // The library counts names for each control message: a thousand such would be five million.
    ['names', controls({ ihave: many(2, () => ({ messageIDs: many(names - 1, () => id) })) })],
    ['names', controls({ iwant: [{ messageIDs: many(names + 1, () => id) }] })],
    ['names', controls({ idontwant: [{ messageIDs: many(names + 1, () => id) }] })],
    [undefined, controls({ prune: [{ topicID: 't', peers: many(peers, () => ({})) }] })],
    ['peers', controls({ prune: [{ topicID: 't', peers: many(peers + 1, () => ({})) }] })],
  ]
  for (const [expected, one] of cases) assert.equal(faultOf(one), expected)
})

test('349,525 subscriptions in one frame are refused after the first thousand', () => {
  const flood = new Uint8Array(349_525 * 2)
  for (let at = 0; at < flood.length; at += 2) flood[at] = 0x0a
  assert.equal(faultOf(flood), 'subscriptions')
})

test('a field that stands a thousand times in a message is counted as well', () => {
  const field = [0x12, 0x00]
  const inside = many(100_000, () => field).flat()
  const size = [
    (inside.length & 0x7f) | 0x80,
    ((inside.length >> 7) & 0x7f) | 0x80,
    inside.length >> 14,
  ]
  assert.equal(faultOf(Uint8Array.from([0x12, ...size, ...inside])), 'fields')
})

test('what is cut off, or of a form that does not exist, is refused', () => {
  const whole = frame({ subscriptions: [subscription], messages: [message] })
  for (let end = 1; end < whole.length; end += 1) {
    // Cut between two fields of the frame it is a shorter frame.
    const isWhole = end === 2 + RPC.SubOpts.encode(subscription).length
    assert.equal(faultOf(whole.subarray(0, end)), isWhole ? undefined : 'form')
  }
  for (const bad of [[0x0b], [0x0f, 0x00], [0x0a, 0x05, 0x01], [0x0a], many(11, () => 0xff)]) {
    assert.equal(faultOf(Uint8Array.from(bad)), 'form')
  }
})

test('what the library writes within the limits is never refused', () => {
  const part = fc.uint8Array({ maxLength: 40 })
  const text = fc.string({ maxLength: 20 })
  const rpc = fc.record({
    subscriptions: fc.array(fc.record({ subscribe: fc.boolean(), topic: text }), { maxLength: 20 }),
    messages: fc.array(
      fc.record({ from: part, data: part, seqno: part, topic: text, signature: part, key: part }),
      { maxLength: 20 },
    ),
    control: fc.record({
      ihave: fc.array(fc.record({ topicID: text, messageIDs: fc.array(part) })),
      iwant: fc.array(fc.record({ messageIDs: fc.array(part) })),
      graft: fc.array(fc.record({ topicID: text })),
      prune: fc.array(fc.record({ topicID: text, backoff: fc.nat(), peers: fc.constant([]) })),
      idontwant: fc.array(fc.record({ messageIDs: fc.array(part) })),
    }),
  })
  fc.assert(fc.property(rpc, (one) => faultOf(RPC.encode(one as unknown as RPC)) === undefined))
})

test('fields of another kind that the library skips are skipped', () => {
  // Fixed 64 and 32 bits, and a varint, under numbers that nobody uses.
  const unknown = [0x79, ...many(8, () => 1), 0x7d, 1, 2, 3, 4, 0x78, 0x96, 0x01]
  assert.equal(faultOf(Uint8Array.from(unknown)), undefined)
})
