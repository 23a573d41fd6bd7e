/** Three agents that write to each other: directly, to all, to themselves, across a restart. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeEnvelope } from '../../src/agent/envelope.ts'
import type { AgentFace, AgentMessage, Delivery } from '../../src/agent/index.ts'
import { readPreKey } from '../../src/agent/pre-keys.ts'
import { Sealer } from '../../src/agent/seal.ts'
import {
  Registry,
  secureRandom,
  silentLog,
  startAll,
  stopAll,
  systemClock,
  utf8,
} from '../../src/base/index.ts'
import { generateKeys } from '../../src/identity/index.ts'
import type { ToolArgs } from '../../src/mcp/index.ts'
import { createNode, type Node } from '../../src/node/index.ts'
import { RpcClient, rpcConfig, rpcMetrics } from '../../src/rpc/index.ts'
import type { Cbor } from '../../src/wire/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, findAgent, type TestNode, testNode } from '../support/nodes.ts'
import { testHost } from '../support/testnet.ts'

const QUIET = { level: 'silent' } as const
const agent = { enabled: true }
const text = (message: Pick<AgentMessage, 'body'>) => Buffer.from(message.body).toString('utf8')

function agentOf({ node }: { readonly node: Node }): AgentFace {
  assert.ok(node.agent)
  return node.agent
}

/** What an agent was told, from now on. */
function notesOf(node: { readonly node: Node }) {
  const messages: AgentMessage[] = []
  const deliveries: Delivery[] = []
  agentOf(node).on('message', (message) => void messages.push(message))
  agentOf(node).on('delivery', (delivery) => void deliveries.push(delivery))
  return { messages, deliveries }
}

/** A peer that hands this node whatever it likes, as bytes. */
async function strangerTo(node: Node) {
  const keys = generateKeys(secureRandom)
  const host = await testHost({ listen: ['/ip4/127.0.0.1/tcp/0'], deps: { keys } })
  const network = 'test'
  const room = { network, clock: systemClock, log: silentLog }
  const metrics = rpcMetrics(new Registry())
  const client = new RpcClient({ ...room, host, metrics }, rpcConfig.parse({}))
  const services = [host, client]
  await startAll(services)
  const meet = (other: Node) => host.connect(other.addresses[0] ?? '')
  await meet(node)
  const call = (method: string, payload: Uint8Array | null) =>
    client.call(node.peerId, method, payload)
  return {
    meet,
    deliver: (bytes: Uint8Array) => call('agent.deliver', bytes),
    async message(body: string) {
      const [first] = (await call('agent.keys', null)) as readonly Cbor[]
      const nowMs = systemClock.now()
      const preKey = readPreKey(first ?? null, { peer: node.peerId, network, nowMs })
      const from = keys.signer.peer
      const sealer = new Sealer({ random: secureRandom, clock: systemClock, network, from })
      const times = { sentAtMs: nowMs, expiresAtMs: nowMs + 60_000 }
      const said = { from: { peer: from }, to: { peer: node.peerId }, id: secureRandom.bytes(16) }
      const draft = { ...said, ...times, kind: 'message' as const, body: utf8(body) }
      return writeEnvelope(sealer.seal(draft, preKey), keys.signer, { network })
    },
    [Symbol.asyncDispose]: () => stopAll(services),
  }
}

async function trio(): Promise<readonly [TestNode, TestNode, TestNode]> {
  const first = await testNode({ agent, dht: { mode: 'server' } })
  const bootstrap = { nodes: [addressOf(first, 'tcp')] }
  return [first, await testNode({ agent, bootstrap }), await testNode({ agent, bootstrap })]
}

test('a message by address arrives once, is answered, and its sender learns of both', async () => {
  const [first, alice, bob] = await trio()
  await using stack = new AsyncDisposableStack()
  for (const each of [first, alice, bob]) stack.use(each)
  const [atAlice, atBob] = [notesOf(alice), notesOf(bob)]
  const to = bob.node.ethAddress ?? ''
  const options = { conversation: 'c1', contentType: 'text/plain' }
  const sent = await agentOf(alice).send(to, utf8('hello bob'), options)
  await eventually(async () => atBob.messages.length > 0 || undefined)
  await eventually(async () => atAlice.deliveries.at(-1)?.state === 'delivered' || undefined)
  const [message] = atBob.messages
  assert.ok(message)
  assert.equal(text(message), 'hello bob')
  const { id, from, conversation, contentType, broadcast } = message
  assert.deepEqual(
    { id, conversation, contentType, broadcast },
    {
      id: sent.id,
      ...options,
      broadcast: false,
    },
  )
  assert.deepEqual(from, { peer: alice.node.peerId, address: alice.node.ethAddress })

  const answer = agentOf(alice).inbox.wait({ conversation: 'c1' })
  await agentOf(bob).send(from.address, utf8('hello alice'), { ...options, replyTo: id })
  assert.equal((await answer).replyTo, id)

  await agentOf(bob).inbox.read(id)
  await eventually(
    async () => atAlice.deliveries.some(({ state }) => state === 'read') || undefined,
  )
  const states = atAlice.deliveries.filter((one) => one.id === id).map(({ state }) => state)
  assert.deepEqual([states[0], ...states.slice(-2)], ['queued', 'delivered', 'read'])
  assert.equal(atBob.messages.length, 1)
})

test('a message by peer id needs no record, and one to an agent that is none fails', async () => {
  await using alice = await testNode({ agent })
  await using bob = await testNode({ agent })
  await using plain = await testNode({})
  await alice.node.connect(addressOf(bob, 'tcp'))
  await alice.node.connect(addressOf(plain, 'tcp'))
  const { messages } = notesOf(bob)
  const delivery = await agentOf(alice).send(bob.node.peerId, utf8('by peer id'))
  assert.equal(delivery.state, 'delivered')
  assert.deepEqual(messages.map(text), ['by peer id'])
  assert.equal(messages[0]?.route, 'direct')
  const refused = await agentOf(alice).send(plain.node.peerId, utf8('nobody home'))
  assert.equal(refused.state, 'failed')
  assert.match(refused.reason ?? '', /no agent/)
})

test('a message to oneself arrives, and is delivered', async () => {
  await using alice = await testNode({ agent })
  const { messages } = notesOf(alice)
  for (const to of [alice.node.peerId, alice.node.ethAddress?.toLowerCase() ?? '']) {
    assert.equal((await agentOf(alice).send(to, utf8('note'))).state, 'delivered')
  }
  assert.deepEqual(messages.map(text), ['note', 'note'])
  assert.equal(messages[0]?.route, 'self')
})

test('what is said to everybody right after connecting arrives at both, and not at oneself', async () => {
  await using alice = await testNode({ agent })
  await using bob = await testNode({ agent })
  await using carol = await testNode({ agent })
  const notes = [alice, bob, carol].map(notesOf)
  await bob.node.connect(addressOf(carol, 'tcp'))
  const early = agentOf(carol).inbox.wait()
  await agentOf(bob).broadcast(utf8('is anybody there'))
  await early
  for (const { messages } of notes) messages.length = 0
  // Who is of the mesh hears it, however new its author is.
  await alice.node.connect(addressOf(bob, 'tcp'))
  const delivery = await agentOf(alice).broadcast(utf8('to all'))
  assert.deepEqual([delivery.state, delivery.to], ['sent', '*'])
  await eventually(
    async () => (notes[1]?.messages.length && notes[2]?.messages.length) || undefined,
  )
  assert.deepEqual(
    notes.map(({ messages }) => messages.map(text)),
    [[], ['to all'], ['to all']],
  )
  const [message] = notes[2]?.messages ?? []
  assert.deepEqual(
    [message?.broadcast, message?.to, message?.from.address],
    [true, '*', alice.node.ethAddress],
  )
})

test('what was queued for who is away goes on after a restart of the sender, and arrives once', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-agent-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const first = stack.use(await testNode({ agent, dht: { mode: 'server' } }))
  const bootstrap = { nodes: [addressOf(first, 'tcp')] }
  const bob = stack.use(await testNode({ agent, bootstrap }))
  const options = { preset: 'test' as const, agent, bootstrap, dataDir, log: QUIET }
  const before = await createNode(options)
  stack.defer(() => before.stop())
  const to = bob.node.ethAddress ?? ''
  await eventually(() => findAgent(before, to))
  const { peerId } = bob.node
  const address = addressOf(bob, 'tcp')
  await bob.node.stop()
  const sent = await agentOf({ node: before }).send(to, utf8('for later'))
  assert.ok(['queued', 'sent', 'stored'].includes(sent.state), sent.state)
  await before.stop()

  const after = await createNode(options)
  stack.defer(() => after.stop())
  const { deliveries } = notesOf({ node: after })
  const port = Number(/tcp\/(\d+)/.exec(address)?.[1])
  const listen = [`/ip4/127.0.0.1/tcp/${port}`]
  const again = {
    preset: 'test' as const,
    agent,
    bootstrap,
    dataDir: bob.node.dataDir.path,
    net: { listen },
  }
  const back = await createNode({ ...again, log: QUIET })
  stack.defer(() => back.stop())
  assert.equal(back.peerId, peerId)
  const message = await agentOf({ node: back }).inbox.wait({
    after: 0,
    signal: AbortSignal.timeout(30_000),
  })
  assert.deepEqual([text(message), message.id], ['for later', sent.id])
  await eventually(async () => deliveries.at(-1)?.state === 'delivered' || undefined)
  assert.equal(agentOf({ node: back }).inbox.list().messages.length, 1)
})

test('copies and forgeries of a stranger are refused or answered, and never told twice', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-agent-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const options = { preset: 'test' as const, agent, dataDir, log: QUIET }
  const first = await createNode(options)
  stack.defer(() => first.stop())
  const stranger = stack.use(await strangerTo(first))
  const bytes = await stranger.message('once')
  const { messages } = notesOf({ node: first })
  for (let n = 0; n < 3; n += 1) assert.ok((await stranger.deliver(bytes)) instanceof Uint8Array)
  assert.deepEqual(messages.map(text), ['once'])
  const forged = Uint8Array.from(bytes)
  const last = forged.length - 1
  forged[last] = (forged[last] ?? 0) ^ 1
  await assert.rejects(stranger.deliver(forged), coded('AGENT_SIGNATURE_INVALID'))
  await first.stop()

  const second = await createNode(options)
  stack.defer(() => second.stop())
  const notes = notesOf({ node: second })
  await stranger.meet(second)
  assert.ok((await stranger.deliver(bytes)) instanceof Uint8Array)
  assert.equal(notes.messages.length, 0)
  assert.equal(agentOf({ node: second }).inbox.list().messages.length, 1)
})

test('an assistant of the node writes and reads by tools; a peer may not, whatever it is granted', async () => {
  await using alice = await testNode({ agent })
  await using bob = await testNode({ agent })
  await alice.node.connect(addressOf(bob, 'tcp'))
  const call = ({ node }: TestNode, tool: string, args: ToolArgs) =>
    node.callPeer(node.peerId, tool, args, { service: 'agent-messages' })
  const args = { to: bob.node.peerId, body: 'by a tool' }
  const sent = await call(alice, 'send_message', args)
  assert.equal((sent.structuredContent as { state: string }).state, 'delivered')
  const listed = await call(bob, 'list_messages', { text: 'tool' })
  const { messages } = listed.structuredContent as { messages: { body: string }[] }
  assert.deepEqual(
    messages.map(({ body }) => body),
    ['by a tool'],
  )
  const spying = alice.node.callPeer(
    bob.node.peerId,
    'list_messages',
    {},
    { service: 'agent-messages' },
  )
  await assert.rejects(spying)
})

test('what cannot be sent is refused before it is queued', async () => {
  await using alice = await testNode({ agent })
  const face = agentOf(alice)
  const to = face.peer
  await assert.rejects(face.send(to, new Uint8Array(524_289)), coded('AGENT_MESSAGE_TOO_LARGE'))
  await assert.rejects(face.broadcast(new Uint8Array(524_288)), coded('AGENT_MESSAGE_TOO_LARGE'))
  await assert.rejects(face.send(to, utf8('x'), { expiresMs: 0 }), coded('AGENT_MESSAGE_OPTION'))
  await assert.rejects(face.send(to, utf8('x'), { replyTo: 'x' }), coded('AGENT_MESSAGE_OPTION'))
  const conversation = 'c'.repeat(65)
  await assert.rejects(face.send(to, utf8('x'), { conversation }), coded('AGENT_ENVELOPE_INVALID'))
  const alone = await face.broadcast(utf8('anybody'))
  assert.deepEqual([alone.state, alone.reason], ['failed', 'nobody listens now'])
})
