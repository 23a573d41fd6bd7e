import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RPC } from '@libp2p/gossipsub/message'
import fc from 'fast-check'
import { concatBytes, utf8 } from '../base/index.ts'
import { nameOf, signedBytes } from './raw-message.ts'

const part = fc.uint8Array({ maxLength: 300 })
const topic = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => text.isWellFormed())

test('what is signed is what the library’s own encoder makes of it', () => {
  const unsigned = fc.record({ from: part, data: part, seqno: part, topic })
  const property = fc.property(unsigned, (one) => {
    const expected = concatBytes(utf8('libp2p-pubsub:'), RPC.Message.encode(one))
    assert.deepEqual(signedBytes(one), expected)
  })
  fc.assert(property)
})

test('messages of different authors or numbers have different names', () => {
  const short = fc.uint8Array({ maxLength: 4 })
  const message = fc.record({ from: short, seqno: fc.uint8Array({ minLength: 8, maxLength: 8 }) })
  const property = fc.property(message, message, (one, other) => {
    const isSame =
      Buffer.compare(one.from, other.from) === 0 && Buffer.compare(one.seqno, other.seqno) === 0
    assert.equal(nameOf(one) === nameOf(other), isSame)
  })
  fc.assert(property)
  assert.equal(nameOf({ from: new Uint8Array(65), seqno: new Uint8Array(8) }), '')
  assert.equal(nameOf({ from: new Uint8Array(38) }), '')
})
