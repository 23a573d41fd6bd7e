/**
 * A look at a frame of GossipSub before it is decoded: whether it holds more than any honest node
 * sends. Nothing is made from the bytes, so that 349,525 subscriptions in one frame cost no memory.
 *
 *   frame     1 subscription* · 2 message* · 3 control*
 *   control   1 ihave* · 2 iwant* · 3 graft* · 4 prune* · 5 idontwant*
 *   ihave     1 topic · 2 name*          iwant, idontwant   1 name*
 *   prune     1 topic · 2 peer* · 3 backoff
 *
 * Fields are a varint (number · 8 + type) and a value: a varint (0), 8 bytes (1), a length and so
 * many bytes (2), or 4 bytes (5). What the table does not name is counted and not looked into. The
 * library's own limits stand behind this one; they count names for each control message only.
 *
 * The decoder must see the same fields. It reads a field that it knows by its number alone,
 * whatever type stands there, and numbers longer than need be otherwise than others do: so a known
 * field is of its type, and numbers are of the shortest form and below 2³². Honest encoders write
 * no other.
 */

/** Counts of one frame. `fields` are all fields of every kind, known or not. */
export const FRAME_LIMITS = {
  subscriptions: 1_024,
  messages: 1_024,
  controls: 1_024,
  names: 5_000,
  peers: 16,
  fields: 20_000,
} as const

export type FrameFault = keyof typeof FRAME_LIMITS | 'form'

interface Field {
  readonly type: 0 | 2
  readonly counts?: Exclude<keyof typeof FRAME_LIMITS, 'fields'>
  readonly inside?: Shape
}

interface Shape {
  readonly [field: number]: Field
}

const number = { type: 0 } as const
const part = { type: 2 } as const
const name = { ...part, counts: 'names' } as const
const control = { ...part, counts: 'controls' } as const
const peer = { ...part, counts: 'peers', inside: { 1: part, 2: part } } as const

const FRAME: Shape = {
  1: { ...part, counts: 'subscriptions', inside: { 1: number, 2: part } },
  2: {
    ...part,
    counts: 'messages',
    inside: { 1: part, 2: part, 3: part, 4: part, 5: part, 6: part },
  },
  3: {
    ...part,
    inside: {
      1: { ...control, inside: { 1: part, 2: name } },
      2: { ...control, inside: { 1: name } },
      3: { ...control, inside: { 1: part } },
      4: { ...control, inside: { 1: part, 2: peer, 3: number } },
      5: { ...control, inside: { 1: name } },
    },
  },
}

interface Walk {
  readonly bytes: Uint8Array
  readonly counts: Record<keyof typeof FRAME_LIMITS, number>
  at: number
}

/** What is wrong with a frame, if anything is. Its values are for the decoder to judge. */
export function faultOf(frame: Uint8Array): FrameFault | undefined {
  const counts = { subscriptions: 0, messages: 0, controls: 0, names: 0, peers: 0, fields: 0 }
  return walk({ bytes: frame, counts, at: 0 }, frame.length, FRAME)
}

function walk(state: Walk, end: number, shape: Shape): FrameFault | undefined {
  const { counts } = state
  while (state.at < end) {
    counts.fields += 1
    if (counts.fields > FRAME_LIMITS.fields) return 'fields'
    const tag = number32(state, end)
    if (tag === undefined) return 'form'
    const type = tag & 7
    const known = shape[tag >>> 3]
    if (known !== undefined && known.type !== type) return 'form'
    const next = endOfValue(state, type, { end, isKnown: known !== undefined })
    if (next === undefined || next > end) return 'form'
    if (known?.counts !== undefined) {
      counts[known.counts] += 1
      if (counts[known.counts] > FRAME_LIMITS[known.counts]) return known.counts
    }
    if (known?.inside !== undefined) {
      const fault = walk(state, next, known.inside)
      if (fault !== undefined) return fault
    }
    state.at = next
  }
  return undefined
}

/** Behind the value that begins at `state.at`; with a length, `state.at` is then behind it. */
function endOfValue(
  state: Walk,
  type: number,
  { end, isKnown }: { readonly end: number; readonly isKnown: boolean },
): number | undefined {
  if (type === 0) {
    const value = isKnown ? number32(state, end) : varint(state, end)
    return value === undefined ? undefined : state.at
  }
  if (type === 1) return state.at + 8
  if (type === 5) return state.at + 4
  if (type !== 2) return undefined
  const size = number32(state, end)
  return size === undefined ? undefined : state.at + size
}

/** A varint below 2³² and not longer than it has to be. */
function number32(state: Walk, end: number): number | undefined {
  const begin = state.at
  const value = varint(state, end)
  const isPadded = state.at - begin > 1 && state.bytes[state.at - 1] === 0
  return value === undefined || value >= 2 ** 32 || isPadded ? undefined : value
}

/** Ten bytes at most, as in protobuf; large ones lose precision, which leaves them large. */
function varint(state: Walk, end: number): number | undefined {
  let value = 0
  for (let i = 0; i < 10 && state.at < end; i += 1) {
    const byte = state.bytes[state.at] ?? 0
    state.at += 1
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return value
  }
  return undefined
}
