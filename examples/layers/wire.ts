/** The layer `wire` alone: deterministic CBOR, JSON of strangers, frames that were cut anywhere. */

import assert from 'node:assert/strict'
import { decodeCbor, encodeCbor, encodeFrame, FrameSplitter, parseJson } from 'p2p-foundation/wire'

const value = new Map<string, number | string>([
  ['b', 2],
  ['a', 'one'],
])
const bytes = encodeCbor(value)
assert.deepEqual(decodeCbor(bytes, 'example', 1_000), value)
console.log(`${bytes.length} bytes of CBOR, the same for the same value every time`)

const frames = new FrameSplitter('varint', 1_000)
const sent = Buffer.concat([
  encodeFrame('varint', bytes, 1_000),
  encodeFrame('varint', bytes, 1_000),
])
const received = [...sent].flatMap((byte) => frames.push(Uint8Array.of(byte)))
assert.deepEqual(
  received.map((frame) => Buffer.from(frame)),
  [Buffer.from(bytes), Buffer.from(bytes)],
)
console.log('two frames, whole again after they came byte by byte')

assert.throws(() => parseJson('[[[[1]]]]', 'example', { bytesMax: 100, depthMax: 3 }))
console.log('JSON that is too deep was refused before it was built')
