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

test('a frame that the decoder would read otherwise is refused', () => {
  const flood = new Uint8Array(40_000)
  for (let at = 0; at < flood.length; at += 2) flood[at] = 0x0a
  const size = [0xc0, 0xb8, 0x02]
  const cases: [string, number[]][] = [
    // By its type nothing is in this control; the decoder goes by its number.
    ['control as a number', [0x18, ...size.with(0, 0xc4), 0x2a, ...size, ...flood]],
    ['frame field as eight bytes', [0x09, ...many(8, () => 1)]],
    ['topic as a number', [0x0a, 0x02, 0x10, 0x01]],
    ['subscribe as bytes', [0x0a, 0x03, 0x0a, 0x01, 0x01]],
    ['data as four bytes', [0x12, 0x05, 0x15, 1, 2, 3, 4]],
    // The decoder takes ten bytes for every length of more than five, and so looks into the next.
    ['length of six bytes', [0x7a, ...many(5, () => 0x80), 0x00, 0x7a, ...size, ...flood]],
    ['tag of six bytes', [0xfa, ...many(4, () => 0x80), 0x00, 0x00]],
    ['tag above 32 bits', [0x8a, ...many(7, () => 0x80), 0x10, 0x00]],
    ['padded flag', [0x0a, 0x03, 0x08, 0x81, 0x00]],
    // The decoder goes on behind as many bytes as the value would need.
    ['padded backoff', [0x1a, 0x05, 0x22, 0x03, 0x18, 0x81, 0x00]],
  ]
  for (const [what, one] of cases) assert.equal(faultOf(Uint8Array.from(one)), 'form', what)
})

test('what passes the decoder reads to its end', () => {
  const padded = fc.tuple(fc.nat({ max: 127 }), fc.nat({ max: 9 })).map(([low, padding]) => {
    return padding === 0 ? [low] : [low | 0x80, ...many(padding - 1, () => 0x80), 0]
  })
  const piece = fc.oneof(padded, fc.constantFrom([0x0a, 0], [0x2a, 2], [0x1a, 4], [0x7a, 4]))
  const frames = fc.array(piece, { maxLength: 30 }).map((pieces) => Uint8Array.from(pieces.flat()))
  // It throws when it runs over the end, as it does once it reads other fields than were counted.
  const isRead = (one: Uint8Array) => {
    if (faultOf(one) === undefined) RPC.decode(one)
  }
  fc.assert(fc.property(frames, isRead), { numRuns: 2_000 })
})
