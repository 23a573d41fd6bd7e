/**
 * A node with `agent.openpond_compat` and a peer that speaks as OpenPond's own nodes do: stock
 * GossipSub over TCP, Noise and Yamux, an identity of its own, JSON on the topic `agent-messages`
 * signed under EIP-191 by an Ethereum key that has nothing to do with it.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import type { AgentMessage } from '../../src/agent/index.ts'
import { secureRandom, toHex, utf8 } from '../../src/base/index.ts'
import { type EthSigner, ethSigner, newEthKey } from '../../src/identity/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, type TestNode, testNode } from '../support/nodes.ts'
import { testHost } from '../support/testnet.ts'

/** As OpenPond calls it, and as our nodes do in the network `main`. */
const TOPIC = 'agent-messages'
const ANNOUNCEMENTS = 'agent-announcements'
const STATUS = 'node-status'
const text = ({ body }: Pick<AgentMessage, 'body'>) => Buffer.from(body).toString('utf8')

interface OpenPondPeer extends AsyncDisposable {
  readonly eth: EthSigner
  /** Each text that came, parsed; null for what is no JSON. */
  readonly heard: (Record<string, unknown> | null)[]
  listeners(): number
  meet(node: TestNode): Promise<void>
  say(to: string | undefined, content: unknown): Promise<Uint8Array>
  /** That it is here, and how it is, as its nodes say it each minute. */
  tell(): Promise<void>
  /** Whom it could write to: addresses that were announced. */
  readonly known: Set<string>
  again(bytes: Uint8Array): Promise<void>
}

/** As its code reads announcements: what is no JSON it passes over. */
function announced(data: Uint8Array): string | undefined {
  try {
    const { message } = JSON.parse(Buffer.from(data).toString('utf8')) as {
      message?: { agentId?: string; peerId?: string }
    }
    return message?.peerId === undefined ? undefined : message.agentId
  } catch {
    return undefined
  }
}

async function openPondPeer(): Promise<OpenPondPeer> {
  let router: GossipSub | undefined
  // Its settings, as its code has them.
  const settings = { allowPublishToZeroTopicPeers: true, emitSelf: false, heartbeatInterval: 1_000 }
  const service = (components: unknown) => {
    router = gossipsub(settings)(components as never)
    return router
  }
  const host = await testHost({
    listen: ['/ip4/127.0.0.1/tcp/0'],
    deps: { services: { pubsub: service } },
  })
  await host.start()
  assert.ok(router !== undefined)
  const pubsub = router
  const heard: (Record<string, unknown> | null)[] = []
  const known = new Set<string>()
  pubsub.addEventListener('message', ({ detail: { topic, data } }) => {
    if (topic !== TOPIC) {
      const agentId = announced(data)
      if (agentId !== undefined) known.add(agentId)
      return
    }
    const said = Buffer.from(data).toString('utf8')
    heard.push(said.startsWith('{') ? (JSON.parse(said) as Record<string, unknown>) : null)
  })
  for (const topic of [TOPIC, ANNOUNCEMENTS, STATUS]) pubsub.subscribe(topic)
  const eth = ethSigner(newEthKey(secureRandom))
  const again = async (bytes: Uint8Array) => {
    await pubsub.publish(TOPIC, bytes)
  }
  const signed = (fields: object) => {
    const signature = `0x${toHex(eth.signMessage(JSON.stringify(fields)))}`
    return { ...fields, signature }
  }
  return {
    eth,
    heard,
    known,
    again,
    async tell() {
      const [timestamp, peerId] = [Date.now(), host.self]
      const who = { peerId, timestamp, agentId: eth.address, agentName: 'pond' }
      const message = { ...who, multiaddrs: [], isBootstrap: false }
      await pubsub.publish(ANNOUNCEMENTS, utf8(JSON.stringify({ message })))
      const numbers = { connectedPeers: 1, messagesSent: 2, messagesReceived: 3, dhtSize: 4 }
      const metrics = { ...numbers, uptime: 5.5, memory: { rss: 6 }, multiaddrs: [] }
      const content = { encrypted: utf8(JSON.stringify({ peerId, metrics })) }
      const messageId = `status-${eth.address}-${timestamp}`
      const status = { messageId, fromAgentId: eth.address, content, timestamp, nonce: timestamp }
      await pubsub.publish(STATUS, utf8(JSON.stringify(signed(status))))
    },
    listeners: () => pubsub.getSubscribers(TOPIC).length,
    async meet(other) {
      await host.connect(addressOf(other, 'tcp'))
    },
    async say(to, content) {
      const now = Date.now()
      const fields = {
        messageId: `${eth.address}-${now}-${Math.random().toString(36).slice(2)}`,
        fromAgentId: eth.address,
        ...(to !== undefined && { toAgentId: to }),
        content,
        timestamp: now,
        nonce: now,
      }
      const bytes = utf8(JSON.stringify({ message: signed(fields) }))
      await again(bytes)
      return bytes
    },
    [Symbol.asyncDispose]: () => host.stop(),
  }
}

const node = (openpondCompat: boolean, nodes: readonly string[] = []) => {
  const agent = { enabled: true, openpondCompat, statusIntervalMs: 10_000 }
  return testNode({ network: 'main', agent, bootstrap: { nodes: [...nodes] } })
}

const encrypted = (said: string) => ({ encrypted: [...utf8(said)] })

test("agents of OpenPond's nodes and ours write to each other", async () => {
  await using stack = new AsyncDisposableStack()
  const ours = stack.use(await node(true))
  const plain = stack.use(await node(false, [addressOf(ours, 'tcp')]))
  const peer = stack.use(await openPondPeer())
  const { agent } = ours.node
  assert.ok(agent?.address)
  const messages: AgentMessage[] = []
  agent.on('message', (message) => void messages.push(message))
  const elsewhere: AgentMessage[] = []
  plain.node.agent?.on('message', (message) => void elsewhere.push(message))
  await Promise.all([peer.meet(ours), peer.meet(plain)])
  await eventually(async () => (peer.listeners() === 2 ? true : undefined))

  const first = await peer.say(agent.address, encrypted('hello'))
  await peer.say(undefined, 'to all')
  await eventually(async () => (messages.length === 2 ? true : undefined))
  const [one, all] = messages
  assert.ok(one !== undefined && all !== undefined)
  assert.deepEqual([text(one), one.route, one.broadcast], ['hello', 'openpond', false])
  assert.equal(one.from.address, peer.eth.address)
  assert.deepEqual([text(all), all.to, all.broadcast], ['to all', '*', true])
  // Reading it tells nobody: there is nobody to tell.
  assert.equal((await agent.inbox.read(one.id)).length, 1)

  const answer = { form: 'openpond' as const, replyTo: one.id }
  const sent = await agent.send(peer.eth.address, utf8('hi back'), answer)
  assert.equal(sent.state, 'sent')
  const said = await eventually(async () => peer.heard.find((each) => each !== null))
  const { signature, ...fields } = said.message as Record<string, string>
  assert.deepEqual([fields.fromAgentId, fields.toAgentId], [agent.address, peer.eth.address])
  assert.deepEqual(fields.content, encrypted('hi back'))
  assert.ok(typeof signature === 'string' && fields.replyTo?.startsWith(peer.eth.address))

  // What is ours still goes between ours, and nobody was blamed for what he does not read.
  await peer.again(first)
  const ownWords = utf8('in our own form')
  const direct = await plain.node.agent?.broadcast(ownWords)
  assert.equal(direct?.state, 'sent')
  await eventually(async () => (messages.length === 3 ? true : undefined))
  assert.deepEqual(messages[2]?.body, Uint8Array.from(ownWords))
  assert.deepEqual(elsewhere, [])
  const refusals = (reason: string) => {
    return plain.node.registry.total('p2p_pubsub_refusals', { reason })
  }
  assert.ok((await refusals('schema')) > 0)
  assert.equal(await refusals('decode'), 0)
})

test("agents of OpenPond's nodes are listed as such, and know ours", async () => {
  await using stack = new AsyncDisposableStack()
  const ours = stack.use(await node(true))
  const plain = stack.use(await node(false, [addressOf(ours, 'tcp')]))
  const peer = stack.use(await openPondPeer())
  const own = ours.node.agent?.address
  assert.ok(own)
  await Promise.all([peer.meet(ours), peer.meet(plain)])
  const listed = await eventually(async () => {
    await peer.tell()
    return ours.node.agents.list().find(({ openpond }) => openpond === 'signed')
  })
  assert.deepEqual([listed.address, listed.name], [peer.eth.address, 'pond'])
  assert.deepEqual(listed.status?.peers, 1)
  await eventually(async () => (peer.known.has(own) ? true : undefined))
  // Only where it is on, and nobody is blamed elsewhere.
  const elsewhere = plain.node.agents.list().filter(({ openpond }) => openpond !== undefined)
  assert.deepEqual(elsewhere, [])
  const refusals = (reason: string) => {
    return plain.node.registry.total('p2p_pubsub_refusals', { reason })
  }
  assert.equal(await refusals('decode'), 0)
})

test('where it is off nothing is sent in that form', async () => {
  await using ours = await node(false)
  const sent = ours.node.agent?.broadcast(utf8('x'), { form: 'openpond' })
  await assert.rejects(sent ?? Promise.resolve(), coded('AGENT_MESSAGE_OPTION'))
})
