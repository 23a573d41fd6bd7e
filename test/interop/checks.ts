/** What two peers of different makers must be able to do together; one row of the table each. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { peerId } from '../../src/identity/index.ts'
import { tool } from '../../src/mcp/index.ts'
import { dataName, recordBytes, signerOf } from '../support/dht-fixture.ts'
import { eventually, type TestNode } from '../support/nodes.ts'
import type { Probe } from './probe.ts'

/** Two of our nodes, the first of which the other maker's peer is connected to. */
export interface Table {
  readonly ours: TestNode
  readonly other: TestNode
  readonly theirs: Probe
  /** Of `ours`, over the transport that is tried. */
  readonly ourAddress: string
  /** One more peer of that maker. */
  another(): Promise<Probe>
}

export interface Check {
  readonly name: string
  run(table: Table): Promise<void>
}

const KAD = '/p2p/test/kad/1.0.0'
const multihash = (digest: Buffer) => `1220${digest.toString('hex')}`
const hexOf = (text: string) => Buffer.from(text).toString('hex')

export const CHECKS: readonly Check[] = [
  {
    name: 'they dial, ping',
    run: async ({ ours, theirs, ourAddress }) => {
      const { peer } = await theirs.ask('dial', { addr: ourAddress })
      assert.equal(peer, ours.node.peerId)
      const { ms } = await theirs.ask('ping', { peer: ours.node.peerId })
      assert.ok(Number(ms) < 5_000)
    },
  },
  {
    name: 'identify',
    run: async ({ ours, theirs }) => {
      const { protocols } = await eventually(async () => {
        const told = await theirs.ask('identify', { peer: ours.node.peerId })
        return (told.protocols as string[]).length > 0 ? told : undefined
      })
      for (const one of [KAD, '/ipfs/ping/1.0.0', '/p2p-foundation/test/mcp/1.0.0']) {
        assert.ok((protocols as string[]).includes(one), `${one} in ${String(protocols)}`)
      }
    },
  },
  {
    name: 'FIND_NODE',
    run: async ({ ours, other, theirs }) => {
      await eventually(async () => (ours.node.dht.buckets().length > 0 ? true : undefined))
      await told(async () => {
        const { addresses } = await theirs.ask('findNode', { peer: other.node.peerId })
        assert.ok((addresses as string[]).length > 0)
      })
    },
  },
  {
    name: 'GET_PROVIDERS',
    run: async ({ ours, other, theirs }) => {
      const add = tool('add', { input: z.object({ a: z.number() }) }, async ({ a }) => a + 1)
      await other.node.expose('calc', [add])
      await eventually(async () => (await ours.node.tools.find({ tool: 'add' })).at(0))
      const digest = createHash('sha256').update('mcp:service:calc').digest()
      await told(async () => {
        const { providers } = await theirs.ask('providers', { key: multihash(digest) })
        assert.ok((providers as string[]).includes(other.node.peerId))
      })
    },
  },
  {
    name: 'ADD_PROVIDER',
    run: async ({ ourAddress, theirs, another }) => {
      // Who asks knows nobody but us.
      await using second = await another()
      await second.ask('dial', { addr: ourAddress })
      const digest = createHash('sha256').update(`of ${theirs.peer}`).digest()
      await told(async () => {
        await theirs.ask('provide', { key: multihash(digest) })
        const { providers } = await second.ask('providers', { key: multihash(digest) })
        assert.deepEqual([...new Set(providers as string[])], [theirs.peer])
      })
    },
  },
  {
    name: 'GET_VALUE',
    run: async ({ ours, other, theirs }) => {
      const key = `/data/${other.node.peerId}/greeting`
      await eventually(async () => {
        const { stored } = await other.node.dht.put(key, Buffer.from('hello'))
        return stored.includes(ours.node.peerId) || undefined
      })
      const { value } = await theirs.ask('get', { key })
      assert.ok(String(value).includes(hexOf('hello')))
    },
  },
  {
    name: 'PUT_VALUE with our record',
    run: async ({ ours, theirs }) => {
      const signer = signerOf(theirs.peer.length + theirs.peer.charCodeAt(20))
      const name = dataName(signer, `of ${theirs.peer}`)
      const record = await recordBytes(name, signer, {
        value: 'carried',
        network: 'test',
        workBits: 12,
        issuedMs: Date.now(),
      })
      await theirs.ask('put', { key: name.text, value: Buffer.from(record).toString('hex') })
      const { value } = await ours.node.dht.get(name.text)
      assert.equal(Buffer.from(value ?? []).toString(), 'carried')
    },
  },
  {
    name: 'plain PUT_VALUE refused',
    run: async ({ ours, theirs }) => {
      const key = `/data/${ours.node.peerId}/plain`
      // What the other side makes of a refusal is its own affair: what we hold is not.
      await theirs.ask('put', { key, value: hexOf('plain') }).catch(() => undefined)
      assert.equal((await ours.node.dht.get(key)).value, null)
    },
  },
  { name: 'GossipSub, theirs to ours', run: (table) => heardByUs(table) },
  { name: 'GossipSub, ours to theirs', run: (table) => heardByThem(table) },
  {
    name: 'we dial, ping',
    run: async ({ other, another }) => {
      // One that knows nobody: the first may have dialled us in its walks.
      await using second = await another()
      const address = second.addresses.find((one) => one.includes('/127.0.0.1/')) ?? ''
      await other.node.connect(address)
      assert.ok((await other.node.ping(peerId(second.peer))) < 5_000)
    },
  },
]

/** What was said once may be said before the other side is ready to hear it. */
async function told(check: () => Promise<void>): Promise<void> {
  let last: unknown
  await eventually(async () => {
    try {
      await check()
      return true
    } catch (error) {
      last = error
      return undefined
    }
  }).catch(() => {
    throw last
  })
}

const TOPIC = 'interop'
const codec = {
  encode: (value: unknown) => Buffer.from(String(value)),
  decode: (bytes: Uint8Array) => Buffer.from(bytes).toString(),
}
const wireTopic = `/p2p-foundation/test/${TOPIC}`

const schema = z.string().max(64)

function open({ node }: TestNode): void {
  node.topic(TOPIC, schema, { codec, replay: 'counted' })
}

async function heardByUs({ ours, theirs }: Table): Promise<void> {
  open(ours)
  const heard: unknown[] = []
  const messages = ours.node.subscribe(TOPIC)
  const reading = (async () => {
    for await (const { value, from } of messages) if (from === theirs.peer) heard.push(value)
  })()
  await theirs.ask('subscribe', { topic: wireTopic })
  let count = 0
  await eventually(async () => {
    count += 1
    const said = theirs.ask('publish', { topic: wireTopic, data: hexOf(`hello ${count}`) })
    await said.catch(() => undefined)
    return heard.length > 0 || undefined
  })
  assert.match(String(heard[0]), /^hello /)
  await messages[Symbol.asyncDispose]()
  await reading
}

async function heardByThem({ ours, theirs }: Table): Promise<void> {
  open(ours)
  await theirs.ask('subscribe', { topic: wireTopic })
  let count = 0
  await eventually(async () => {
    count += 1
    await ours.node.publish(TOPIC, `back ${count}`)
    return theirs.heard.some(({ from }) => from === ours.node.peerId) || undefined
  })
  const { data } = theirs.heard.find(({ from }) => from === ours.node.peerId) ?? { data: '' }
  assert.match(Buffer.from(data, 'hex').toString(), /^back /)
}
