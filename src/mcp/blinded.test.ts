import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { testPeer } from '../../test/support/mcp-directory.ts'
import { seededRandom } from '../base/index.ts'
import { peerIdToBytes } from '../identity/index.ts'
import {
  BLINDED_DESCRIPTOR_BYTES_MAX,
  blindedName,
  openDescriptor,
  sealDescriptor,
} from './blinded.ts'
import {
  decodeInvitation,
  encodeInvitation,
  INVITATION_CHARS_MAX,
  invitedAddresses,
} from './invitation.ts'

const random = seededRandom('blinded')
const [secret, other] = [random.bytes(32), random.bytes(32)]
const key = `/mcp/${blindedName(secret, 'calc')}/${testPeer(1)}`
const descriptor = fc.uint8Array({ maxLength: BLINDED_DESCRIPTOR_BYTES_MAX })

test('the name of a blinded service is one of a service, and nobody else computes it', () => {
  assert.match(blindedName(secret, 'calc'), /^b-[0-9a-f]{60}$/)
  assert.equal(blindedName(secret, 'calc'), blindedName(secret, 'calc'))
  assert.notEqual(blindedName(secret, 'calc'), blindedName(other, 'calc'))
  assert.notEqual(blindedName(secret, 'calc'), blindedName(secret, 'call'))
})

test('who has the secret reads what was sealed; its size says little', () => {
  fc.assert(
    fc.property(descriptor, (bytes) => {
      const sealed = sealDescriptor(bytes, { secret, key, random })
      assert.equal((sealed.length - 49) % 1_024, 0)
      assert.ok(sealed.length <= 8 * 1_024)
      assert.deepEqual(Buffer.from(openDescriptor(sealed, { secret, key })), Buffer.from(bytes))
    }),
    { numRuns: 50 },
  )
})

test('without the secret, under another key, or with a bit turned, nothing is read', () => {
  const sealed = sealDescriptor(new Uint8Array(300).fill(7), { secret, key, random })
  const refused = coded('MCP_DESCRIPTOR_INVALID')
  assert.throws(() => openDescriptor(sealed, { secret: other, key }), refused)
  const elsewhere = key.replace(testPeer(1), testPeer(2))
  assert.throws(() => openDescriptor(sealed, { secret, key: elsewhere }), refused)
  fc.assert(
    fc.property(fc.nat(sealed.length - 1), fc.nat(7), (at, bit) => {
      const bent = Uint8Array.from(sealed)
      bent[at] = (bent[at] ?? 0) ^ (1 << bit)
      assert.throws(() => openDescriptor(bent, { secret, key }), refused)
    }),
    { numRuns: 200 },
  )
})

test('openDescriptor() answers noise of any length with a coded error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3_000 }), (noise) => {
      assert.throws(() => openDescriptor(noise, { secret, key }), coded('MCP_DESCRIPTOR_INVALID'))
    }),
  )
})

test('the same descriptor is sealed otherwise each time', () => {
  const seal = () => sealDescriptor(new Uint8Array(10), { secret, key, random })
  assert.notDeepEqual(seal(), seal())
})

test('an invitation is read as it was written', () => {
  const peers = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 })
  const service = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/)
  fc.assert(
    fc.property(peers, service, (numbers, name) => {
      const invitation = { service: name, secret, peers: numbers.map(testPeer) }
      const text = encodeInvitation(invitation)
      assert.ok(text.length <= INVITATION_CHARS_MAX)
      assert.deepEqual(decodeInvitation(` ${text}\n`), invitation)
    }),
  )
})

test('an invitation may say where its peers are, in at most three dialable addresses', () => {
  const peers = [testPeer(1), testPeer(2)]
  const at = (number: number, address: string) => ({ peer: testPeer(number), address })
  const addresses = [
    at(1, '/ip4/198.41.0.4/udp/9001/quic-v1'),
    at(2, '/ip4/198.41.0.5/tcp/9000'),
    at(2, `/ip4/198.41.0.4/tcp/9000/p2p/${testPeer(3)}/p2p-circuit`),
  ]
  const text = encodeInvitation({ service: 'calc', secret, peers, addresses })
  assert.ok(text.length <= INVITATION_CHARS_MAX)
  assert.deepEqual(decodeInvitation(text), { service: 'calc', secret, peers, addresses })
  const more = [...addresses, at(1, '/ip4/198.41.0.9/tcp/1'), at(3, '/ip4/198.41.0.9/tcp/1')]
  const cut = decodeInvitation(
    encodeInvitation({ service: 'calc', secret, peers, addresses: more }),
  )
  assert.deepEqual(cut.addresses, addresses)
  for (const address of ['', 'no address', '/ip4/198.41.0.4/sctp/1', '/ip4/198.41.0.4/tcp/0']) {
    const bad = encodeInvitation({ service: 'calc', secret, peers, addresses: [at(1, address)] })
    assert.throws(() => decodeInvitation(bad), coded('MCP_INVITATION_INVALID'), address)
  }
})

test('what is said of addresses in noise is read within bounds or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), (noise) => {
      const id = peerIdToBytes(testPeer(1))
      const head = Uint8Array.of(2, ...secret, 1, id.length, ...id, 1, 97)
      const body = Uint8Array.of(...head, ...noise)
      const check = createHash('sha256').update(body).digest().subarray(0, 4)
      const text = Buffer.concat([body, check]).toString('base64url')
      const read = () => decodeInvitation(`p2p-invite-${text}`)
      assert.throws(read, coded('MCP_INVITATION_INVALID'))
    }),
  )
})

test('invitedAddresses() takes those that reach farthest, and no loopback beside others', () => {
  const peer = testPeer(1)
  const [near, home, far] = [
    '/ip4/127.0.0.1/tcp/9000',
    '/ip4/192.168.1.2/tcp/9000',
    '/ip4/198.41.0.4/tcp/9000',
  ]
  const chosen = (...addresses: string[]) => {
    const all = addresses.map((address) => `${address}/p2p/${peer}`)
    return invitedAddresses(peer, all).map(({ address }) => address)
  }
  assert.deepEqual(chosen(near, home, far), [far, home])
  assert.deepEqual(chosen(near), [near])
  assert.deepEqual(
    chosen(`/dns4/${'x'.repeat(63)}.${'y'.repeat(63)}.${'z'.repeat(63)}.a/tcp/1`),
    [],
  )
  assert.equal(chosen(far, ...[5, 6, 7].map((end) => `/ip4/198.41.0.${end}/tcp/9000`)).length, 3)
})

test('an invitation with a letter changed, missing or added is refused, and is not repeated', () => {
  const text = encodeInvitation({ service: 'calc', secret, peers: [testPeer(1)] })
  const bent = fc
    .record({ at: fc.nat(text.length), cut: fc.nat(3), put: fc.stringMatching(/^[\w-]{0,3}$/) })
    .map(({ at, cut, put }) => text.slice(0, at) + put + text.slice(at + cut))
    .filter((each) => each !== text)
  fc.assert(
    fc.property(fc.oneof(bent, fc.string({ maxLength: 900 })), (each) => {
      assert.throws(
        () => decodeInvitation(each),
        (error: Error & { code?: string }) => {
          const secretText = Buffer.from(secret).toString('base64url').slice(0, 20)
          return error.code === 'MCP_INVITATION_INVALID' && !error.message.includes(secretText)
        },
      )
    }),
  )
})
