import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import {
  CodedError,
  Emitter,
  fromHex,
  Registry,
  seededRandom,
  silentLog,
  utf8,
} from '../base/index.ts'
import {
  type Binding,
  ethSigner,
  type PeerId,
  type Signer,
  signerFromSeed,
} from '../identity/index.ts'
import type { NetEvents } from '../net/index.ts'
import { RpcError, type Serve } from '../rpc/index.ts'
import type { Cbor } from '../wire/index.ts'
import { Agent } from './agent.ts'
import type { AgentDeps } from './agent-face.ts'
import type { AgentMessage } from './agent-message.ts'
import { agentConfig } from './config.ts'
import type { Delivery } from './delivery.ts'
import { envelopeHash, writeEnvelope } from './envelope.ts'
import type { PresenceEvents } from './events.ts'
import type { Heard } from './message-topic.ts'
import { messageMetrics } from './metrics.ts'
import { OwnRecord } from './own-record.ts'
import { type KeptPreKey, PreKeys, readPreKey } from './pre-keys.ts'
import type { MoveEvents } from './presence.ts'
import { receiptBody } from './receipt.ts'
import { Sealer } from './seal.ts'
import { DELIVER } from './ways.ts'

const START_MS = 1_800_000_000_000
const NETWORK = 'test'
const text = (message: Pick<AgentMessage, 'body'>) => Buffer.from(message.body).toString('utf8')

interface Options {
  readonly gate?: AgentDeps['gate']
  readonly mailbox?: AgentDeps['mailbox']
  readonly requireRegistered?: boolean
  readonly bound?: boolean
  /** Whose address it speaks for; its own unless given. */
  readonly eth?: number
  readonly files?: AgentDeps['files']
  readonly keys?: KeptPreKey[]
  readonly senderPerSecond?: number
}

/** Agents on one wire that does as told: who is off it cannot be reached. */
class World {
  readonly clock = new FakeClock(START_MS)
  readonly off = new Set<PeerId>()
  readonly blocked = new Set<PeerId>()
  readonly wire = new Map<PeerId, Map<string, Serve>>()
  readonly readers = new Map<PeerId, (heard: Heard, from: PeerId) => void>()
  readonly newest = new Map<string, Binding>()
  readonly moves = new Emitter<MoveEvents>(() => undefined)
  readonly blamed: [PeerId, number][] = []
  /** What was handed over, last last. */
  readonly delivered: Uint8Array[] = []
  readonly records = new Map<string, OwnRecord>()

  async agent(n: number, options: Options = {}) {
    const { clock } = this
    const random = seededRandom(`agent ${n}`)
    const signer = signerFromSeed(new Uint8Array(32).fill(n))
    const speaker = new Uint8Array(32).fill(options.eth ?? n)
    const eth = options.bound === false ? undefined : ethSigner(speaker)
    let kept: readonly KeptPreKey[] = options.keys ?? []
    const store = {
      load: async () => kept,
      save: async (keys: readonly KeptPreKey[]) => {
        kept = keys
      },
    }
    const room = { clock, random, network: NETWORK, signer, log: silentLog }
    const preKeys = new PreKeys({ ...room, store })
    const own = eth && new OwnRecord({ ...room, eth, preKeys })
    if (own !== undefined) {
      await own.current()
      this.records.set(own.latest?.binding.address ?? '', own)
    }
    const net = new Emitter<NetEvents>(() => undefined)
    const roster = new Emitter<PresenceEvents>(() => undefined)
    const registry = new Registry()
    const agent = new Agent(
      {
        ...room,
        host: { self: signer.peer, events: net },
        address: () => eth?.address,
        preKeys,
        presence: {
          find: async (address) => {
            const said = await this.records.get(address)?.current()
            if (said === undefined) return undefined
            return { ...said, peer: said.binding.peer, addresses: [] }
          },
          forget: () => undefined,
          newest: (address) => this.newest.get(address),
          events: this.moves,
          binding: () => own?.latest?.bindingBytes,
        },
        roster: { events: roster, agents: () => [] },
        rpc: this.#rpcOf(signer),
        connect: async (peer) => {
          if (!this.wire.has(peer) || this.off.has(peer)) throw new TypeError('away')
        },
        pubsub: this.#pubsubOf(signer),
        mailbox: options.mailbox ?? null,
        gate: options.gate ?? null,
        requireRegistered: options.requireRegistered ?? false,
        isBlocked: (peer) => this.blocked.has(peer),
        files: options.files ?? { inbox: ':memory:', outbox: ':memory:' },
        metrics: messageMetrics(registry),
      },
      agentConfig.parse({ senderPerSecond: options.senderPerSecond }),
    )
    const messages: AgentMessage[] = []
    const deliveries: Delivery[] = []
    agent.on('message', (message) => void messages.push(message))
    agent.on('delivery', (delivery) => void deliveries.push(delivery))
    await agent.start()
    const peer = signer.peer
    const states = () => deliveries.map(({ state }) => state)
    return {
      agent,
      peer,
      messages,
      deliveries,
      states,
      net,
      roster,
      registry,
      eth,
      kept: () => kept,
    }
  }

  #rpcOf(signer: Signer): AgentDeps['rpc'] {
    const methods = new Map<string, Serve>()
    this.wire.set(signer.peer, methods)
    return {
      server: { handle: (method, serve) => void methods.set(method, serve) },
      client: {
        call: async (peer, method, payload, options) => {
          const signal = options?.signal ?? new AbortController().signal
          const serve = this.wire.get(peer)?.get(method)
          if (this.off.has(peer)) throw RpcError.CHANNEL_BROKEN({ peer, method, reason: 'away' })
          if (serve === undefined) throw RpcError.METHOD_UNKNOWN({ method })
          if (payload instanceof Uint8Array) this.delivered.push(payload)
          return await asRemote(serve(payload, { peer: signer.peer, signal }))
        },
      },
    }
  }

  #pubsubOf(signer: Signer): NonNullable<AgentDeps['pubsub']> {
    return {
      topic: () => undefined,
      blame: (peer, points) => void this.blamed.push([peer, points]),
      publish: async (topic, value) => {
        const heard = value as Heard
        for (const read of this.readers.values()) read(heard, signer.peer)
        const peers = this.readers.size
        const state = peers > 1 ? ('sent' as const) : ('nobody-listens' as const)
        return { topic, peers, mesh: peers, state }
      },
      subscribe: (_topic, options) => {
        const signal = options?.signal
        const queue: { from: PeerId; value: unknown }[] = []
        let wake = Promise.withResolvers<void>()
        signal?.addEventListener('abort', () => {
          this.readers.delete(signer.peer)
          wake.resolve()
        })
        this.readers.set(signer.peer, (value, from) => {
          if (!this.off.has(signer.peer)) queue.push({ from, value })
          wake.resolve()
        })
        async function* read() {
          while (signal?.aborted !== true) {
            const next = queue.shift()
            if (next === undefined) {
              await wake.promise
              wake = Promise.withResolvers()
            } else yield next as never
          }
        }
        return read() as never
      },
    }
  }
}

/** As the error of a peer comes out of the room `rpc`. */
async function asRemote(answer: Promise<Cbor>): Promise<Cbor> {
  try {
    return await answer
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error))
    const { code, message, retryable } = error as CodedError
    throw new CodedError(code, { remote: true }, { says: () => message, retryable })
  }
}

test('a message is delivered by address and by peer id, read, and its sender told', async () => {
  const world = new World()
  const [ann, bob] = [await world.agent(1), await world.agent(2)]
  const options = { conversation: 'c', replyTo: 'ab'.repeat(16), contentType: 'text/plain' }
  const sent = await ann.agent.send(bob.eth?.address.toLowerCase() ?? '', utf8('one'), options)
  assert.equal(sent.state, 'delivered')
  assert.equal((await ann.agent.send(bob.peer, utf8('two'))).state, 'delivered')
  assert.deepEqual(bob.messages.map(text), ['one', 'two'])
  const [one] = bob.messages
  const { peer, eth } = ann
  assert.deepEqual(one?.from, { peer, address: eth?.address })
  assert.deepEqual({ ...one, ...options, to: bob.eth?.address, route: 'direct' }, one)
  await bob.agent.inbox.read(sent.id)
  await bob.agent.inbox.read(sent.id)
  await world.clock.advance(1)
  assert.deepEqual(ann.states(), ['queued', 'delivered', 'queued', 'delivered', 'read'])
  await Promise.all([ann.agent.stop(), bob.agent.stop()])
})

test('who is off the wire is told by gossip, and answers the same way', async () => {
  const world = new World()
  const [ann, bob] = [await world.agent(1), await world.agent(2)]
  const eve = await world.agent(3)
  const { address } = bob.eth ?? assert.fail()
  world.wire.delete(bob.peer)
  world.wire.delete(ann.peer)
  const sent = await ann.agent.send(address, utf8('around the corner'))
  assert.equal(sent.state, 'sent')
  await world.clock.advance(10)
  assert.deepEqual(
    [bob.messages.map(text), bob.messages[0]?.route],
    [['around the corner'], 'gossip'],
  )
  assert.deepEqual(eve.messages, [])
  await world.clock.advance(10)
  assert.deepEqual(ann.states(), ['queued', 'sent', 'delivered'])
  await Promise.all([ann, bob, eve].map(({ agent }) => agent.stop()))
})

test('what a mailbox kept is taken once, and its receipt goes out', async () => {
  const world = new World()
  const boxes: Uint8Array[] = []
  const mailbox: AgentDeps['mailbox'] = {
    store: async (_to, envelope) => {
      boxes.push(envelope)
      return { stored: 2, of: 8, by: [] }
    },
  }
  const [ann, bob] = [await world.agent(1, { mailbox }), await world.agent(2)]
  world.off.add(bob.peer)
  const { address } = bob.eth ?? assert.fail()
  await ann.agent.send(address, utf8('for later'))
  await world.clock.advance(3_000)
  assert.equal(ann.states().at(-1), 'stored')
  world.off.delete(bob.peer)
  const [envelope] = boxes
  assert.ok(envelope)
  const origin = { route: 'mailbox' as const, by: ann.peer }
  assert.ok(await bob.agent.take(envelope, origin))
  assert.ok(await bob.agent.take(envelope, origin))
  await world.clock.advance(1)
  assert.deepEqual(bob.messages.map(text), ['for later'])
  assert.deepEqual(ann.states(), ['queued', 'sent', 'stored', 'delivered'])
  await Promise.all([ann.agent.stop(), bob.agent.stop()])
})

test('a replay is not told again, not after 121 s and not after a restart; expired it is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-agent-'))
  const files = { inbox: join(folder, 'inbox.sqlite'), outbox: join(folder, 'outbox.sqlite') }
  try {
    const world = new World()
    const ann = await world.agent(1)
    const bob = await world.agent(2, { files })
    await ann.agent.send(bob.peer, utf8('once'), { expiresMs: 600_000 })
    const bytes = world.delivered.at(-1) ?? assert.fail()
    const origin = { route: 'mailbox' as const, by: ann.peer }
    await world.clock.advance(121_000)
    assert.ok(await bob.agent.take(bytes, origin))
    await bob.agent.stop()
    const again = await world.agent(2, { files, keys: [...bob.kept()] })
    assert.ok(await again.agent.take(bytes, origin))
    assert.deepEqual([bob.messages.length, again.messages.length], [1, 0])
    const replayed = { code: 'AGENT_REPLAYED', route: 'mailbox' }
    for (const { registry } of [bob, again]) {
      assert.equal(await registry.total('p2p_agent_messages_refused', replayed), 1)
    }
    await world.clock.advance(600_000)
    await assert.rejects(again.agent.take(bytes, origin), coded('AGENT_EXPIRED'))
    await Promise.all([ann.agent.stop(), again.agent.stop()])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('forged, re-targeted and oversized: each is refused, and counted under its code', async () => {
  const world = new World()
  const [ann, bob, eve] = [await world.agent(1), await world.agent(2), await world.agent(3)]
  await ann.agent.send(bob.peer, utf8('for bob alone'))
  const bytes = world.delivered.at(-1) ?? assert.fail()
  const origin = { route: 'direct' as const, by: ann.peer }
  const forged = Uint8Array.from(bytes)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  await assert.rejects(bob.agent.take(forged, origin), coded('AGENT_SIGNATURE_INVALID'))
  await assert.rejects(eve.agent.take(bytes, origin), coded('AGENT_OTHER_RECIPIENT'))
  await assert.rejects(bob.agent.take(new Uint8Array(600_000), origin), coded('AGENT_TOO_LARGE'))
  const { body } = await bob.registry.prometheusText()
  assert.match(
    body,
    /p2p_agent_messages_refused\{code="AGENT_SIGNATURE_INVALID",route="direct"\} 1/,
  )
  const serve = world.wire.get(bob.peer)?.get('agent.deliver') ?? assert.fail()
  const { signal } = new AbortController()
  await assert.rejects(serve('no bytes', { peer: ann.peer, signal }), coded('WIRE_MALFORMED'))
  // Who carries the message of somebody else gets no receipt to keep back.
  assert.equal(await serve(bytes, { peer: eve.peer, signal }), null)
  await Promise.all([ann, bob, eve].map(({ agent }) => agent.stop()))
  await assert.rejects(serve(bytes, { peer: ann.peer, signal }), coded('AGENT_NOT_RUNNING'))
})

test('what is brought again by somebody else, or without end, makes us write to nobody', async () => {
  const world = new World()
  const [ann, bob, eve] = [await world.agent(1), await world.agent(2), await world.agent(3)]
  await ann.agent.send(bob.peer, utf8('once'))
  const bytes = world.delivered.at(-1) ?? assert.fail()
  const serve = world.wire.get(bob.peer)?.get('agent.deliver') ?? assert.fail()
  const { signal } = new AbortController()
  const before = world.delivered.length
  for (let n = 0; n < 50; n += 1) assert.equal(await serve(bytes, { peer: eve.peer, signal }), null)
  await world.clock.advance(10)
  assert.equal(world.delivered.length, before)
  // Its own sender is answered again, at the rate at which it may send.
  const again = async () => {
    for (let n = 0; n < 501; n += 1) await serve(bytes, { peer: ann.peer, signal })
  }
  await assert.rejects(again(), coded('AGENT_SENDER_RATE'))
  await Promise.all([ann, bob, eve].map(({ agent }) => agent.stop()))
})

test('another message under an id that was taken gets no receipt; the same one sealed anew does', async () => {
  const world = new World()
  const [ann, bob] = [await world.agent(1), await world.agent(2)]
  const { signal } = new AbortController()
  const keys = world.wire.get(bob.peer)?.get('agent.keys') ?? assert.fail()
  const [key] = (await keys(null, { peer: ann.peer, signal })) as Cbor[]
  const nowMs = world.clock.now()
  const preKey = readPreKey(key ?? null, { peer: bob.peer, network: NETWORK, nowMs })
  const signer = signerFromSeed(new Uint8Array(32).fill(1))
  const said = async (words: string, seed: string) => {
    const random = seededRandom(seed)
    const sealer = new Sealer({ random, clock: world.clock, network: NETWORK, from: ann.peer })
    const times = { sentAtMs: nowMs, expiresAtMs: nowMs + 60_000 }
    const who = { from: { peer: ann.peer }, to: { peer: bob.peer }, id: new Uint8Array(16).fill(7) }
    const draft = { ...who, ...times, kind: 'message' as const, body: utf8(words) }
    return writeEnvelope(sealer.seal(draft, preKey), signer, { network: NETWORK })
  }
  const serve = world.wire.get(bob.peer)?.get('agent.deliver') ?? assert.fail()
  const deliver = async (bytes: Uint8Array) => serve(bytes, { peer: ann.peer, signal })
  assert.ok(await deliver(await said('I owe you one', 'a')))
  assert.ok(await deliver(await said('I owe you one', 'b')))
  await assert.rejects(deliver(await said('I owe you ten', 'c')), coded('AGENT_ID_TAKEN'))
  assert.deepEqual(bob.messages.map(text), ['I owe you one'])
  await Promise.all([ann.agent.stop(), bob.agent.stop()])
})

test('a peer that is blocked is heard on no way: others may bring what it wrote', async () => {
  const world = new World()
  const [ann, bob, eve] = [await world.agent(1), await world.agent(2), await world.agent(3)]
  world.off.add(bob.peer)
  await ann.agent.send(bob.eth?.address ?? '', utf8('let me in'))
  await world.clock.advance(5_000)
  world.off.delete(bob.peer)
  world.blocked.add(ann.peer)
  const waiting = ann.agent.send(bob.peer, utf8('by a stream'))
  const refused = await waiting
  assert.deepEqual([refused.state, /blocked here/.test(refused.reason ?? '')], ['failed', true])
  const bytes = world.delivered.at(-1) ?? assert.fail()
  for (const route of ['mailbox', 'gossip', 'direct'] as const) {
    const brought = bob.agent.take(bytes, { route, by: eve.peer })
    await assert.rejects(brought, coded('AGENT_SENDER_REFUSED'), route)
  }
  assert.deepEqual(bob.messages, [])
  await Promise.all([ann, bob, eve].map(({ agent }) => agent.stop()))
})

test('the registry decides: refused for good, or asked again while it cannot be reached', async () => {
  const world = new World()
  let answer: { allowed: boolean; reason?: string } = { allowed: false, reason: 'unavailable' }
  const gate = { admits: async () => answer }
  const ann = await world.agent(1)
  const nobody = await world.agent(4, { bound: false })
  const bob = await world.agent(2, { gate, requireRegistered: true })
  const waiting = await ann.agent.send(bob.peer, utf8('hello'))
  assert.equal(waiting.state, 'queued')
  assert.match(waiting.reason ?? '', /registry of agents cannot be asked/)
  answer = { allowed: true }
  await world.clock.advance(2_000)
  assert.equal(ann.states().at(-1), 'delivered')
  answer = { allowed: false, reason: 'blocked' }
  const refused = await ann.agent.send(bob.peer, utf8('again'))
  assert.deepEqual([refused.state, /blocked/.test(refused.reason ?? '')], ['failed', true])
  const unknown = await nobody.agent.send(bob.peer, utf8('who am I'))
  assert.match(unknown.reason ?? '', /without an Ethereum address/)
  assert.deepEqual(bob.messages.map(text), ['hello'])
  await Promise.all([ann, bob, nobody].map(({ agent }) => agent.stop()))
})

test('what is said to everybody is heard by all others, and by a stream by nobody', async () => {
  const world = new World()
  const alone = await world.agent(1)
  assert.equal((await alone.agent.broadcast(utf8('anybody'))).state, 'failed')
  const [bob, eve] = [await world.agent(2), await world.agent(3, { bound: false })]
  const said = await eve.agent.broadcast(utf8('to all'), { conversation: 'c' })
  assert.deepEqual([said.state, said.to], ['sent', '*'])
  await world.clock.advance(1)
  assert.deepEqual(
    [alone, bob, eve].map(({ messages }) => messages.map(text)),
    [['to all'], ['to all'], []],
  )
  assert.deepEqual([bob.messages[0]?.broadcast, bob.messages[0]?.to], [true, '*'])
  await bob.agent.inbox.read(said.id)
  assert.deepEqual(eve.states(), ['sent'])
  const large = new Uint8Array(524_288)
  await assert.rejects(bob.agent.broadcast(large), coded('AGENT_MESSAGE_TOO_LARGE'))
  await Promise.all([alone, bob, eve].map(({ agent }) => agent.stop()))
})

test('while the registry is asked about a stranger, who is known is heard on the topic', async () => {
  const world = new World()
  const [bob, eve] = [await world.agent(2), await world.agent(3)]
  const { promise, resolve } = Promise.withResolvers<{ allowed: boolean }>()
  const gate = {
    verdict: (of: string) => (of === bob.eth?.address ? { allowed: true } : undefined),
    admits: () => promise,
  }
  const ann = await world.agent(1, { gate })
  for (const body of ['who', 'am', 'I']) await eve.agent.broadcast(utf8(body))
  await bob.agent.broadcast(utf8('known'))
  await world.clock.advance(1)
  assert.deepEqual(ann.messages.map(text), ['known'])
  resolve({ allowed: true })
  await world.clock.advance(1)
  assert.deepEqual(ann.messages.map(text), ['known', 'who', 'am', 'I'])
  await Promise.all([ann, bob, eve].map(({ agent }) => agent.stop()))
})

test('forgeries, strangers and floods are held against who brought them, and no retry is', async () => {
  const world = new World()
  const [ann, bob] = [await world.agent(1), await world.agent(2)]
  await ann.agent.send(bob.peer, utf8('once'))
  const bytes = world.delivered.at(-1) ?? assert.fail()
  const forged = Uint8Array.from(bytes)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  const by = ann.peer
  for (const route of ['direct', 'mailbox'] as const) {
    await assert.rejects(bob.agent.take(forged, { route, by }), coded('AGENT_SIGNATURE_INVALID'))
    await bob.agent.take(bytes, { route, by })
  }
  assert.deepEqual(world.blamed, [[by, 40]])
  await Promise.all([ann, bob].map(({ agent }) => agent.stop()))
})

test('a message to oneself needs nobody', async () => {
  const world = new World()
  const ann = await world.agent(1)
  const address = ann.eth?.address ?? ''
  assert.equal((await ann.agent.send(address.toLowerCase(), utf8('note'))).state, 'delivered')
  assert.equal(ann.messages[0]?.route, 'self')
  await ann.agent.inbox.read(ann.messages[0].id)
  assert.equal(ann.agent.inbox.list().messages[0]?.read, true)
  assert.equal(ann.agent.queued, 0)
  await ann.agent.stop()
})

test('who comes back is written to at once', async () => {
  const world = new World()
  const [ann, bob] = [await world.agent(1), await world.agent(2)]
  const seen: string[] = []
  ann.agent.on('agent', ({ state }) => void seen.push(state))
  await ann.agent.send(bob.peer, utf8('one'))
  world.off.add(bob.peer)
  for (const body of ['two', 'three']) await ann.agent.send(bob.peer, utf8(body))
  await world.clock.advance(60_000)
  world.off.delete(bob.peer)
  ann.net.emit('identified', { peer: bob.peer, protocols: [] })
  await world.clock.advance(1)
  assert.deepEqual(bob.messages.map(text), ['one', 'two', 'three'])
  const agent = { address: bob.eth?.address ?? assert.fail(), peer: bob.peer, name: '' }
  const info = { ...agent, connectedSince: 0, lastSeen: 0 }
  for (const state of ['here', 'left'] as const) ann.roster.emit('agent', { agent: info, state })
  assert.deepEqual([seen, ann.agent.agents()], [['here', 'left'], []])
  await Promise.all([ann.agent.stop(), bob.agent.stop()])
})

test('who was away and is heard saying anything to everybody is written to at once', async () => {
  const world = new World()
  const [ann, bob] = [await world.agent(1), await world.agent(2)]
  await ann.agent.send(bob.peer, utf8('one'))
  world.off.add(bob.peer)
  await ann.agent.send(bob.peer, utf8('two'))
  await world.clock.advance(200_000)
  world.off.delete(bob.peer)
  await world.clock.advance(1)
  assert.deepEqual(bob.messages.map(text), ['one'], 'nobody knows of it yet')
  await bob.agent.broadcast(utf8('here'))
  await world.clock.advance(1)
  assert.deepEqual(bob.messages.map(text), ['one', 'two'])
  await Promise.all([ann.agent.stop(), bob.agent.stop()])
})

test('what waits for an address goes to the peer it speaks through since, which alone counts', async () => {
  const world = new World()
  const [ann, old] = [await world.agent(1), await world.agent(2)]
  const address = old.eth?.address ?? assert.fail()
  await old.agent.send(ann.peer, utf8('before'))
  const before = world.delivered.at(-1) ?? assert.fail()
  world.off.add(old.peer)
  await ann.agent.send(address, utf8('for whoever speaks for it'))
  await world.clock.advance(100_000)
  const next = await world.agent(3, { eth: 2 })
  const binding = world.records.get(address)?.latest?.binding ?? assert.fail()
  assert.equal(binding.peer, next.peer)
  world.newest.set(address, binding)
  world.moves.emit('moved', { peer: next.peer, binding, preKeys: [] })
  await world.clock.advance(1)
  assert.deepEqual(next.messages.map(text), ['for whoever speaks for it'])
  // What the old peer writes in the name of the address is refused from now on.
  world.off.delete(old.peer)
  const late = await old.agent.send(ann.peer, utf8('still me'))
  assert.deepEqual([late.state, /has left/.test(late.reason ?? '')], ['failed', true])
  const kept = { route: 'mailbox' as const, by: next.peer }
  await assert.rejects(ann.agent.take(before, kept), coded('AGENT_SENDER_REFUSED'))
  assert.equal((await next.agent.send(ann.peer, utf8('it is me'))).state, 'delivered')
  assert.deepEqual(ann.messages.map(text), ['before', 'it is me'])
  await Promise.all([ann, old, next].map(({ agent }) => agent.stop()))
})

test('who cannot be found or is no agent is named', async () => {
  const world = new World()
  const ann = await world.agent(1)
  const { address } = ethSigner(new Uint8Array(32).fill(9))
  const unknown = await ann.agent.send(address, utf8('hello'))
  assert.match(`${unknown.state} ${unknown.reason}`, /queued Cannot reach agent 0x/)
  const plain = signerFromSeed(new Uint8Array(32).fill(8)).peer
  const away = await ann.agent.send(plain, utf8('hello'))
  assert.match(`${away.state} ${away.reason}`, /queued Cannot reach peer/)
  world.wire.set(plain, new Map())
  await world.clock.advance(2_000)
  assert.match(ann.deliveries.at(-1)?.reason ?? '', /it is no agent/)
  assert.equal(ann.states().at(-1), 'failed')
  await ann.agent.stop()
})

test('messages of one turn are confirmed by one receipt, and told in order when written', async () => {
  const world = new World()
  const files = { inbox: ':memory:', outbox: ':memory:', pause: () => undefined }
  const [ann, bob] = [await world.agent(1, { files }), await world.agent(2)]
  const receipts = new Set<string>()
  const methods = world.wire.get(bob.peer)
  const deliver = methods?.get(DELIVER) ?? assert.fail()
  methods?.set(DELIVER, async (payload, from) => {
    const receipt = (await deliver(payload, from)) as Uint8Array
    receipts.add(Buffer.from(receipt).toString('hex'))
    return receipt
  })
  await ann.agent.send(bob.peer, utf8('first'))
  receipts.clear()
  ann.deliveries.length = 0
  const bodies = ['one', 'two', 'three', 'four', 'five']
  const sent = await Promise.all(bodies.map((body) => ann.agent.send(bob.peer, utf8(body))))
  assert.equal(receipts.size, 1)
  assert.deepEqual(
    sent.map(({ state }) => state),
    bodies.map(() => 'delivered'),
  )
  for (const { id } of sent) {
    const told = ann.deliveries.filter((delivery) => delivery.id === id)
    assert.deepEqual(
      told.map(({ state }) => state),
      ['queued', 'delivered'],
    )
  }
  assert.equal(ann.agent.queued, 0)
  for (const { agent } of [ann, bob]) await agent.stop()
})

test('a peer has so many receipts looked at, whatever is in them; others are heard', async () => {
  const world = new World()
  const ann = await world.agent(1, { senderPerSecond: 1 })
  const [bob, eve] = [await world.agent(2), await world.agent(3)]
  const receiptOf = async (n: number, message: { of: Uint8Array; hash: Uint8Array }) => {
    const signer = signerFromSeed(new Uint8Array(32).fill(n))
    const sentAtMs = world.clock.now()
    const draft = {
      from: { peer: signer.peer },
      to: { peer: ann.peer },
      id: new Uint8Array(16).fill(9),
      sentAtMs,
      expiresAtMs: sentAtMs + 60_000,
      kind: 'receipt' as const,
      body: receiptBody({ ...message, state: 'read', more: [] }),
    }
    return writeEnvelope(draft, signer, { network: NETWORK })
  }
  const take = (bytes: Uint8Array) => ann.agent.take(bytes, { route: 'direct', by: eve.peer })
  const sent = await ann.agent.send(bob.peer, utf8('one'))
  const hash = envelopeHash(world.delivered.at(-1) ?? assert.fail())
  const good = { of: fromHex(sent.id), hash }
  const foreign = await receiptOf(3, { of: new Uint8Array(16), hash: new Uint8Array(32) })
  // Ten a second for each message that it may send, ten seconds of them at once.
  for (let n = 0; n < 100; n += 1) {
    await assert.rejects(take(foreign), coded('AGENT_RECEIPT_FOREIGN'))
  }
  await assert.rejects(take(foreign), coded('AGENT_SENDER_RATE'))
  assert.equal(await take(await receiptOf(2, good)), undefined)
  assert.equal(ann.states().at(-1), 'read')
  await world.clock.advance(100)
  await assert.rejects(take(foreign), coded('AGENT_RECEIPT_FOREIGN'))
  await assert.rejects(take(foreign), coded('AGENT_SENDER_RATE'))
  for (const { agent } of [ann, bob, eve]) await agent.stop()
})

test('what a peer answers our own messages with is no receipt too many', async () => {
  const world = new World()
  const ann = await world.agent(1, { senderPerSecond: 1 })
  const bob = await world.agent(2)
  for (let n = 0; n < 150; n += 1) await ann.agent.send(bob.peer, utf8('one'))
  assert.equal(ann.states().filter((state) => state === 'delivered').length, 150)
  for (const { agent } of [ann, bob]) await agent.stop()
})

test('a receipt for several confirms those that are ours, whatever else it names', async () => {
  const world = new World()
  const [ann, bob] = [await world.agent(1), await world.agent(2)]
  const { id } = await ann.agent.send(bob.peer, utf8('one'))
  const envelope = world.delivered.at(-1)
  assert.ok(envelope)
  const sentAtMs = world.clock.now()
  const named = { of: new Uint8Array(16), hash: new Uint8Array(32) }
  const more = [{ of: fromHex(id), hash: envelopeHash(envelope) }]
  const draft = {
    from: { peer: bob.peer },
    to: { peer: ann.peer },
    id: new Uint8Array(16).fill(9),
    sentAtMs,
    expiresAtMs: sentAtMs + 1_000,
    kind: 'receipt' as const,
    body: receiptBody({ ...named, state: 'read', more }),
  }
  const signer = signerFromSeed(new Uint8Array(32).fill(2))
  const bytes = await writeEnvelope(draft, signer, { network: NETWORK })
  const origin = { route: 'mailbox' as const, by: bob.peer }
  await assert.rejects(ann.agent.take(bytes, origin), coded('AGENT_RECEIPT_FOREIGN'))
  assert.equal(ann.states().at(-1), 'read')
  await Promise.all([ann.agent.stop(), bob.agent.stop()])
})
