import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { testPeer } from '../../test/support/mcp-directory.ts'
import { utf8 } from '../base/index.ts'
import { decodeIndex, encodeIndex, SERVICES_MAX } from './service-index.ts'

const peer = testPeer(1)
const names = fc.uniqueArray(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/), { maxLength: 40 })

test('an index is read as it was written, sorted and bounded', () => {
  fc.assert(
    fc.property(names, (services) => {
      const read = decodeIndex(encodeIndex(peer, services), peer)
      assert.deepEqual(read, [...services].sort().slice(0, SERVICES_MAX))
    }),
  )
})

const listed = (services: unknown) => utf8(JSON.stringify({ v: 1, peer, services }))
const REFUSED: Record<string, Uint8Array> = {
  'the index of another peer': encodeIndex(testPeer(2), ['a']),
  'a name twice': listed(['a', 'a']),
  'names out of order': listed(['b', 'a']),
  'a name that is none': listed(['A']),
  'a name that is no text': listed([1]),
  'too many names': listed(Array.from({ length: 33 }, (_, i) => `s${String(i).padStart(2, '0')}`)),
  'no list': listed('a'),
  'no JSON': utf8('['),
  'a version that is not ours': utf8(JSON.stringify({ v: 2, peer, services: [] })),
  'more than 8 KiB': new Uint8Array(8_193),
}

for (const [what, bytes] of Object.entries(REFUSED)) {
  test(`decodeIndex() refuses ${what}`, () => {
    assert.throws(() => decodeIndex(bytes, peer), coded('MCP_DESCRIPTOR_INVALID'))
  })
}
