import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { kadProtocolId, MAIN_NETWORK, protocolId } from './protocol-id.ts'

test('protocol ids are those of the contract', () => {
  assert.equal(protocolId(MAIN_NETWORK, 'mcp', '1.0.0'), '/p2p-foundation/mcp/1.0.0')
  assert.equal(protocolId('lab-1', 'rpc', '1.0.0'), '/p2p-foundation/lab-1/rpc/1.0.0')
  assert.equal(kadProtocolId(MAIN_NETWORK), '/p2p/kad/1.0.0')
  assert.equal(kadProtocolId('lab-1'), '/p2p/lab-1/kad/1.0.0')
})

test('two networks never share a protocol id', () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/)
  fc.assert(
    fc.property(name, name, (a, b) => {
      assert.equal(protocolId(a, 'mcp', '1') === protocolId(b, 'mcp', '1'), a === b)
      assert.equal(kadProtocolId(a) === kadProtocolId(b), a === b)
    }),
  )
})

test('a network name that could break out of its place is refused', () => {
  for (const name of ['', 'A', '-a', 'a/b', 'a b', '..', 'a\n', 'ä', 'a'.repeat(33)]) {
    assert.throws(() => protocolId(name, 'mcp', '1'), coded('WIRE_MALFORMED'), name)
    assert.throws(() => kadProtocolId(name), coded('WIRE_MALFORMED'), name)
  }
})
