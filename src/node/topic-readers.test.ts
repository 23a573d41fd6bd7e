import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peerId } from '../identity/index.ts'
import { nameOf } from './topic-peers.ts'
import { findReaders, type TopicReadersDeps } from './topic-readers.ts'

const SELF = peerId('12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN')
const A = peerId('12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA')
const B = peerId('12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo')

/** A node whose mesh and DHT say who reads the topic `t`. */
function setup(mesh: readonly string[], told: Readonly<Record<string, readonly string[] | Error>>) {
  const deps = {
    self: SELF,
    pubsub: { mesh: () => mesh },
    dht: {
      async findProviders(name: string) {
        const found = told[name] ?? []
        if (found instanceof Error) throw found
        return { providers: found.map((peer) => ({ peer })) }
      },
    },
  } as unknown as TopicReadersDeps
  return deps
}

test('findReaders() joins the mesh, readers and providers, without this node', async () => {
  const deps = setup([A], { [nameOf('t')]: [A, SELF], t: [B] })
  assert.deepEqual(await findReaders('t', deps, {}), [A, B])
})

test('findReaders() fails where the DHT does and nobody is near', async () => {
  const deps = setup([], { [nameOf('t')]: new RangeError('no answer') })
  await assert.rejects(findReaders('t', deps, {}), /no answer/)
  assert.deepEqual(await findReaders('t', setup([B], { t: new RangeError('x') }), {}), [B])
})

test('findReaders() has the mesh alone without a DHT, and says so without either', async () => {
  assert.deepEqual(await findReaders('t', { ...setup([B], {}), dht: null }, {}), [B])
  const none = { ...setup([], {}), dht: null, pubsub: null }
  await assert.rejects(findReaders('t', none, {}), { code: 'NODE_SECTION_OFF' })
})
