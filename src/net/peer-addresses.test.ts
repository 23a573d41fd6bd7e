import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { AddressBook } from './address-book.ts'
import { PeerAddresses, type PeerAddressesDeps } from './peer-addresses.ts'

const random = seededRandom('peer addresses')
const someone = () => generateKeys(random).signer.peer
const [self, source, peer] = [someone(), someone(), someone()]

function setup() {
  const book = new AddressBook({ peersMax: 10, ageMaxMs: 1_000 }, new FakeClock())
  const libp2p = {
    peerStore: { get: () => Promise.reject(new RangeError('nobody')) },
    getConnections: () => [],
  } as unknown as PeerAddressesDeps['libp2p']
  return new PeerAddresses({ self, libp2p, book, scope: 'global' }, { addressesPerDialMax: 24 })
}

/** Which of three addresses are believed of a source without a connection. */
async function believed(metAt?: string) {
  const addresses = setup()
  const told = ['/ip4/127.0.0.1/tcp/9000', '/ip4/10.0.0.1/tcp/9000', '/ip4/8.8.8.8/tcp/9000']
  addresses.learn(peer, told, source, metAt)
  return (await addresses.of(peer)).map((text) => text.split('/')[2])
}

test('a source that proved itself without a connection is believed as far as it was met', async () => {
  assert.deepEqual(await believed(), ['8.8.8.8'])
  assert.deepEqual(await believed('8.8.4.4'), ['8.8.8.8'])
  assert.deepEqual(await believed('10.0.0.9'), ['10.0.0.1', '8.8.8.8'])
  assert.deepEqual(await believed('127.0.0.1'), ['127.0.0.1', '10.0.0.1', '8.8.8.8'])
})

test('from afar nobody is sent to a port of the system', async () => {
  const addresses = setup()
  addresses.learn(peer, ['/ip4/8.8.8.8/tcp/22'], source, '8.8.4.4')
  assert.deepEqual(await addresses.of(peer), [])
})
