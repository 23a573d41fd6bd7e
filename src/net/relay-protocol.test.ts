import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { decodeAutonat, decodeNonce, encodeAutonat, encodeNonce } from './autonat-protocol.ts'
import { decodeHolePunch, encodeHolePunch } from './dcutr-protocol.ts'
import {
  decodeHop,
  decodeStop,
  encodeHop,
  encodeStop,
  RELAY_MESSAGE_BYTES_MAX,
} from './relay-protocol.ts'

const ADDRESSES = ['/ip4/8.8.8.8/tcp/9000', '/ip6/2001:4::1/udp/9001/quic-v1']
const peer = signerOf(1).peer

test('hop and stop messages come back as they went', () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 31),
      fc.nat(2 ** 31),
      fc.uint8Array({ maxLength: 64 }),
      (s, b, bytes) => {
        const limit = { seconds: s, bytes: b }
        const reservation = { expiresAtMs: s * 1_000, addresses: ADDRESSES, voucher: bytes }
        const status = { type: 'status', status: 100, limit } as const
        assert.deepEqual(decodeHop(encodeHop({ ...status, reservation })), {
          ...status,
          peer: undefined,
          reservation,
        })
        const connect = { type: 'connect', peer, limit } as const
        assert.deepEqual(decodeStop(encodeStop(connect)), {
          ...connect,
          reservation: undefined,
          status: undefined,
        })
      },
    ),
  )
})

test('the stop protocol numbers its types otherwise than the hop protocol', () => {
  assert.equal(decodeHop(encodeHop({ type: 'connect', peer })).type, 'connect')
  assert.equal(encodeHop({ type: 'connect', peer })[1], 1)
  assert.equal(encodeStop({ type: 'connect', peer })[1], 0)
})

test('whatever arrives is understood or refused, never more', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 256 }), (bytes) => {
      for (const decode of [decodeHop, decodeStop, decodeAutonat, decodeNonce, decodeHolePunch]) {
        try {
          decode(bytes)
        } catch (error) {
          const { code } = error as { code?: string }
          assert.match(String(code), /^(WIRE|IDENTITY)_/)
        }
      }
    }),
  )
  assert.throws(
    () => decodeHop(new Uint8Array(RELAY_MESSAGE_BYTES_MAX + 1)),
    coded('WIRE_TOO_LONG'),
  )
})

test('AutoNAT messages come back as they went, with their places in the list', () => {
  const nonce = 0xff00_1122_3344_5566n
  const request = { kind: 'request', addresses: ADDRESSES, nonce } as const
  assert.deepEqual(decodeAutonat(encodeAutonat(request)), request)
  const response = { kind: 'response', status: 200, index: 1, dial: 100 } as const
  assert.deepEqual(decodeAutonat(encodeAutonat(response)), response)
  const asked = { kind: 'dataRequest', index: 0, bytes: 30_000 } as const
  assert.deepEqual(decodeAutonat(encodeAutonat(asked)), asked)
  assert.equal(decodeNonce(encodeNonce(nonce)), nonce)
})

test('hole punch messages come back as they went', () => {
  const connect = { type: 'connect', addresses: ADDRESSES } as const
  assert.deepEqual(decodeHolePunch(encodeHolePunch(connect)), connect)
  const sync = { type: 'sync', addresses: [] } as const
  assert.deepEqual(decodeHolePunch(encodeHolePunch(sync)), sync)
})
