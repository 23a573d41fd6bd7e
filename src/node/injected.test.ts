import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode, seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { NetError } from '../net/index.ts'
import { checkInjected, type Injected, type NodeDht, reach } from './injected.ts'

const refused = (what: RegExp) => (error: unknown) =>
  hasCode(error, 'NODE_INJECTED_INVALID') && what.test(error.message)

test('parts that lack what the node will call are refused before it starts', () => {
  const check = (injected: unknown) => () => checkInjected(injected as Injected)
  assert.doesNotThrow(check({}))
  assert.throws(check({ transports: [] }), refused(/transports.*an empty list/))
  assert.throws(check({ transports: () => 1 }), refused(/transports.*function/))
  assert.throws(check({ transports: [{}] }), refused(/transports.*object/))
  assert.throws(check({ codec: { encode() {} } }), refused(/codec.*without decode/))
  assert.throws(check({ dht: { put() {}, get() {} } }), refused(/dht.*without provide, unprovide/))
  assert.throws(check({ dht: null }), refused(/dht.*found null/))
  assert.throws(check({ transports: null }), refused(/transports/))
  assert.throws(check({ udp: {} }), refused(/udp.*object/))
  assert.throws(check({ singer: {} }), refused(/"singer".*transports, udp, dht, signer or codec/))
  assert.throws(check(null), refused(/found null/))
})

test('a peer that answers at no known address is looked for once more before it is given up', async () => {
  const { peer } = generateKeys(seededRandom('far')).signer
  const [lie, truth] = ['/ip4/192.0.2.66/tcp/1', '/ip4/192.0.2.1/tcp/9000']
  const failed = NetError.CONNECT_FAILED({ target: peer, tried: [] })
  const world = { known: [lie], told: [lie, truth], asked: 0, dialled: 0 }
  const host = {
    addressesOf: async () => world.known,
    async connect() {
      world.dialled += 1
      if (!world.known.includes(truth)) throw failed
      return peer
    },
  }
  const dht = {
    async findPeer(_: unknown, { afresh }: { afresh?: boolean }) {
      assert.equal(afresh, true)
      world.asked += 1
      world.known = world.told
      return world.told
    },
  }
  const parts = { host, dht, ownDht: dht } as unknown as Parameters<typeof reach>[1]
  assert.equal(await reach(peer, parts, {}), peer)
  assert.deepEqual([world.asked, world.dialled], [1, 2])

  Object.assign(world, { known: [lie], told: [lie], dialled: 0 })
  await assert.rejects(reach(peer, parts, {}), failed)
  assert.equal(world.dialled, 1, 'nothing new was told, so nothing new is tried')
  await assert.rejects(reach(lie, parts, {}), failed)
  assert.equal(world.asked, 2, 'an address is no peer that could be looked for')
})

test('a DHT that was brought says where a peer is, and only when nobody knows', async () => {
  const { peer } = generateKeys(seededRandom('far')).signer
  const known: string[] = []
  const asked: string[] = []
  const host = {
    self: generateKeys(seededRandom('self')).signer.peer,
    addressesOf: async () => known,
    learn: async (_: unknown, told: readonly string[]) => void known.push(...told),
    connect: async () => peer,
  }
  const dht = {
    findPeer: async (wanted: string) => {
      asked.push(wanted)
      return ['/ip4/192.0.2.1/tcp/9000']
    },
  }
  const parts = { host, dht, ownDht: null } as unknown as Parameters<typeof reach>[1]
  assert.ok((dht as Partial<NodeDht>).findPeer)
  assert.equal(await reach(peer, parts, {}), peer)
  await reach(peer, parts, {})
  await reach('/ip4/192.0.2.9/tcp/9000', parts, {})
  assert.deepEqual([asked, known], [[peer], ['/ip4/192.0.2.1/tcp/9000']])
})
