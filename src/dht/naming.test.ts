import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { utf8 } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import { sha256 } from './key.ts'
import { Naming } from './naming.ts'
import { providerKey } from './provider-key.ts'

const [alice, bob] = [signerOf(1).peer, signerOf(2).peer]
const STREAM = '/ip4/192.0.2.1/tcp/9000'
const DATAGRAM = '/ip4/192.0.2.1/udp/9000'

/** A host that counts what is read of it and told it; `faces` take datagrams. */
function setup(faces: readonly PeerId[] = []) {
  const clock = new FakeClock(1_000)
  const done = { reads: 0, told: [] as string[] }
  const naming = new Naming({
    clock,
    book: {
      async addressesOf() {
        done.reads += 1
        return [STREAM]
      },
      async learn(peer, addresses) {
        done.told.push(`${peer} ${addresses.join()}`)
      },
      datagramAddressOf: (peer) => (faces.includes(peer) ? DATAGRAM : undefined),
    },
  })
  return { naming, clock, done }
}

test('a datagram names peers without a read; a stream names all their addresses', async () => {
  const { naming, done } = setup([alice])
  assert.deepEqual(await naming.closer([alice], 'datagram'), [
    { peer: alice, addresses: [DATAGRAM] },
  ])
  assert.equal(done.reads, 0)
  assert.deepEqual(await naming.closer([alice], 'stream'), [{ peer: alice, addresses: [STREAM] }])
  assert.equal(done.reads, 1)
})

test('one that takes no datagrams has all of them read', async () => {
  const { naming, done } = setup([alice])
  const named = await naming.closer([alice, bob], 'datagram')
  assert.deepEqual(named, [
    { peer: alice, addresses: [STREAM] },
    { peer: bob, addresses: [STREAM] },
  ])
  assert.equal(done.reads, 2)
})

test('a key that names a peer finds it; the place of a record or of providers reads nothing', async () => {
  const { naming, done } = setup()
  assert.deepEqual((await naming.target(peerIdToBytes(alice), 'datagram'))?.peer, alice)
  assert.equal(done.reads, 1)
  const broken = peerIdToBytes(alice).slice(0, -1)
  for (const key of [utf8('/data/x'), sha256(utf8('x')), providerKey('x'), broken, utf8('')]) {
    assert.equal(await naming.target(key, 'datagram'), undefined)
  }
  assert.equal(done.reads, 1)
})

test('what a provider says of itself is passed on once a minute, or when it says something else', async () => {
  const { naming, clock, done } = setup()
  const say = (peer: PeerId, address: string) => naming.learn({ peer, addresses: [address] })
  for (let i = 0; i < 3; i += 1) await say(alice, STREAM)
  await say(bob, STREAM)
  assert.deepEqual(done.told, [`${alice} ${STREAM}`, `${bob} ${STREAM}`])
  await say(alice, DATAGRAM)
  assert.equal(done.told.length, 3)
  await clock.advance(59_999)
  await say(alice, DATAGRAM)
  assert.equal(done.told.length, 3)
  await clock.advance(1)
  await say(alice, DATAGRAM)
  assert.equal(done.told.length, 4)
})
