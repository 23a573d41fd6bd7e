/**
 * Two agents and two keepers of mailboxes over a network that loses, doubles, delays and breaks
 * off, with agents that stop, die and come back: whatever happens, in whatever order, nobody is
 * told of a message twice, a receipt is for what lies in the file, and every message arrives.
 */

import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { CodedError, Emitter, Registry, seededRandom, silentLog } from '../base/index.ts'
import { ethSigner, type PeerId, type Signer, signerFromSeed } from '../identity/index.ts'
import { RpcError, type Serve } from '../rpc/index.ts'
import type { Cbor } from '../wire/index.ts'
import { Agent } from './agent.ts'
import type { AgentDeps } from './agent-face.ts'
import { agentConfig } from './config.ts'
import { type Delivery, isOpen, mayFollow } from './delivery.ts'
import { IncomingMail } from './incoming-mail.ts'
import { KeptMail } from './kept-mail.ts'
import { MailboxHandler } from './mailbox-handler.ts'
import { MailStore } from './mailbox-store.ts'
import { mailMetrics, messageMetrics } from './metrics.ts'
import { OutgoingMail } from './outgoing-mail.ts'
import { OwnRecord } from './own-record.ts'
import { type KeptPreKey, PreKeys } from './pre-keys.ts'

const START_MS = 1_800_000_000_000
const DAY_MS = 86_400_000
/** What lives so long may expire, also by the other's clock. */
const SHORT_MS = 1_200_000
const NETWORK = 'test'
const FILES = ['inbox.sqlite', 'outbox.sqlite'] as const
const FAULTS = ['down', 'lost', 'answer lost', 'doubled', 'late'] as const
type Fault = (typeof FAULTS)[number]

interface Options {
  readonly signal?: AbortSignal
}

/** Calls between nodes; each takes the next fault, and none when there is none left. */
class Wire {
  readonly clock: FakeClock
  readonly methods = new Map<PeerId, Map<string, Serve>>()
  faults: Fault[] = []

  constructor(clock: FakeClock) {
    this.clock = clock
  }

  async call(
    from: PeerId,
    to: PeerId,
    { method, payload }: { method: string; payload: Cbor },
    { signal = new AbortController().signal }: Options = {},
  ): Promise<Cbor> {
    const fault = this.faults.shift()
    const broken = RpcError.CHANNEL_BROKEN({ peer: to, method, reason: 'away' })
    const serve = async () => {
      const served = this.methods.get(to)?.get(method)
      if (served === undefined) throw broken
      return asRemote(served(payload, { peer: from, signal: new AbortController().signal }))
    }
    if (fault === 'down') throw broken
    if (fault === 'late') {
      void this.clock.sleep(20_000).then(() => serve().catch(() => undefined))
    }
    if (fault === 'answer lost') await serve().catch(() => undefined)
    if (fault === 'doubled') await serve().catch(() => undefined)
    if (fault === undefined || fault === 'doubled') return serve()
    await this.clock.sleep(3_600_000, signal)
    throw broken
  }
}

/** As the error of a peer comes out of the room `rpc`. */
async function asRemote(answer: Promise<Cbor>): Promise<Cbor> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    const { code, message, retryable } = error as CodedError
    throw new CodedError(code, { remote: true }, { says: () => message, retryable })
  }
}

/** One node through all its lives: its keys and its files stay. */
class Person {
  readonly #world: World
  readonly signer: Signer
  readonly eth: ReturnType<typeof ethSigner>
  readonly random
  readonly preKeys: PreKeys
  readonly own: OwnRecord
  folder: string
  agent: Agent | undefined
  incoming: IncomingMail | undefined
  /** Ids of messages, as they were told; of all lives. */
  readonly told: string[] = []
  /** Of this life, by id. */
  states = new Map<string, Delivery>()
  /** Of all lives: what was said last. */
  readonly last = new Map<string, Delivery>()
  readonly clock: FakeClock
  /** What its clock is ahead of that of the world. */
  aheadMs = 0
  #life = 0

  constructor(world: World, n: number) {
    this.#world = world
    this.clock = Object.create(world.clock, {
      now: { value: () => world.clock.now() + this.aheadMs },
      sleep: { value: world.clock.sleep.bind(world.clock) },
      deadline: { value: world.clock.deadline.bind(world.clock) },
    }) as FakeClock
    const { clock } = this
    this.signer = signerFromSeed(new Uint8Array(32).fill(n))
    this.eth = ethSigner(new Uint8Array(32).fill(n))
    this.random = seededRandom(`person ${n}`)
    this.folder = world.folder()
    let kept: readonly KeptPreKey[] = []
    const store = {
      load: async () => kept,
      save: async (keys: readonly KeptPreKey[]) => {
        kept = keys
      },
    }
    const room = { clock, random: this.random, network: NETWORK, signer: this.signer }
    this.preKeys = new PreKeys({ ...room, store })
    this.own = new OwnRecord({ ...room, eth: this.eth, preKeys: this.preKeys })
  }

  get peer(): PeerId {
    return this.signer.peer
  }

  async start(): Promise<void> {
    const { wire, keepers, records } = this.#world
    const { clock } = this
    await this.own.current()
    records.set(this.eth.address, this.own)
    this.#life += 1
    this.states = new Map()
    const life = this.#life
    const isNow = () => this.#life === life
    const { peer, signer, random, own, eth } = this
    const room = { clock, random, network: NETWORK, signer, log: silentLog }
    const methods = new Map<string, Serve>()
    const call = (to: PeerId, method: string, payload: Cbor, options?: Options) =>
      isNow() ? wire.call(peer, to, { method, payload }, options) : hang(options?.signal)
    const ask = async (to: PeerId, method: string, payload: Cbor, { signal }: Options) => {
      using deadline = clock.deadline(8_000, signal)
      return await call(to, method, payload, { signal: deadline.signal })
    }
    const around = { of: async () => keepers, find: async () => keepers, ask }
    const [inbox, outbox] = FILES.map((name) => join(this.folder, name))
    const deps = {
      ...room,
      host: { self: peer, events: new Emitter(() => undefined) },
      address: () => eth.address,
      preKeys: this.preKeys,
      presence: {
        find: async (address: string) => {
          await own.current()
          const said = await records.get(address)?.current()
          return said && { ...said, peer: said.binding.peer, addresses: [] }
        },
        forget: () => undefined,
        newest: () => undefined,
        events: { on: () => () => false },
        binding: () => own.latest?.bindingBytes,
      },
      roster: { events: new Emitter(() => undefined), agents: () => [] },
      rpc: {
        server: { handle: (method: string, serve: Serve) => void methods.set(method, serve) },
        client: { call },
      },
      connect: async () => undefined,
      pubsub: null,
      mailbox: new OutgoingMail({ keepers: around, log: silentLog }),
      gate: null,
      requireRegistered: false,
      isBlocked: () => false,
      files: { inbox, outbox },
      metrics: messageMetrics(new Registry()),
    }
    const agent = new Agent(deps as unknown as AgentDeps, agentConfig.parse({}))
    agent.on('message', ({ id }) => {
      if (isNow()) this.told.push(id)
    })
    agent.on('delivery', (delivery) => {
      if (isNow()) this.#delivery(delivery)
    })
    const spokenFor = async () => {
      const binding = own.latest?.bindingBytes
      return binding && { address: eth.address, binding }
    }
    const metrics = mailMetrics(new Registry())
    const about = { self: peer, spokenFor, keepers: around, intake: agent, metrics }
    this.incoming = new IncomingMail({ ...about, clock, log: silentLog })
    this.agent = agent
    await agent.start()
    wire.methods.set(peer, methods)
  }

  /** Ends this life: in order, or as a process does that is killed. */
  async end(isKilled: boolean): Promise<void> {
    const { agent } = this
    this.#world.wire.methods.delete(this.peer)
    this.agent = undefined
    this.incoming = undefined
    if (!isKilled) {
      await agent?.stop()
      return
    }
    this.#life += 1
    const next = this.#world.folder()
    for (const name of FILES.flatMap((file) => [file, `${file}-wal`])) {
      const from = join(this.folder, name)
      if (existsSync(from)) cpSync(from, join(next, name))
    }
    this.folder = next
    this.#world.dead.push(agent)
  }

  #delivery(delivery: Delivery): void {
    const before = this.states.get(delivery.id)?.state
    const isForward = before === undefined || mayFollow(before, delivery.state)
    assert.ok(isForward, `${before} → ${delivery.state}`)
    this.states.set(delivery.id, delivery)
    this.last.set(delivery.id, delivery)
  }
}

/** What a process that was killed waits for. */
function hang(signal?: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  signal?.addEventListener('abort', () => reject(signal.reason as Error))
  return promise
}

class World {
  readonly clock = new FakeClock(START_MS)
  readonly wire = new Wire(this.clock)
  readonly records = new Map<string, OwnRecord>()
  readonly keepers: PeerId[] = []
  readonly dead: (Agent | undefined)[] = []
  readonly #folders: string[] = []
  readonly ann = new Person(this, 1)
  readonly bob = new Person(this, 2)

  constructor() {
    for (const n of [3, 4]) this.#keeper(signerFromSeed(new Uint8Array(32).fill(n)).peer)
  }

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'p2p-model-'))
    this.#folders.push(folder)
    return folder
  }

  close(): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true })
  }

  #keeper(self: PeerId): void {
    const methods = new Map<string, Serve>()
    const limits = { mailboxMessagesMax: 20_000, mailboxBytesMax: 128 * 1024 * 1024 }
    const kept = new KeptMail(new MailStore(':memory:'), limits)
    new MailboxHandler({
      server: { handle: (method, serve) => void methods.set(method, serve) },
      kept: () => kept,
      self,
      network: NETWORK,
      isNear: () => true,
      originOf: (peer) => peer,
      clock: this.clock,
      log: silentLog,
      metrics: mailMetrics(new Registry()),
    })
    this.wire.methods.set(self, methods)
    this.keepers.push(self)
  }

  /** Nobody is told twice, and what was confirmed lies in the file. */
  check(): void {
    const { ann, bob } = this
    assert.equal(new Set(bob.told).size, bob.told.length, 'a message was told twice')
    if (bob.agent === undefined) return
    const here = new Set(bob.agent.inbox.list({ limit: 200 }).messages.map(({ id }) => id))
    for (const { id, state } of ann.last.values()) {
      const isConfirmed = state === 'delivered' || state === 'read'
      assert.ok(!isConfirmed || here.has(id), `${state}, and not here`)
    }
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms)
    // Work for a mailbox takes turns of its own.
    for (let n = 0; n < 4; n += 1) await setImmediate()
  }
}

const who = fc.constantFrom('ann' as const, 'bob' as const)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      toPeer: fc.boolean(),
      expiresMs: fc.constantFrom(DAY_MS, DAY_MS, SHORT_MS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('jump' as const),
      who,
      aheadMs: fc.constantFrom(-3_600_000, 0, 0, 3_600_000),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('faults' as const),
      faults: fc.array(fc.constantFrom(...FAULTS), { minLength: 1, maxLength: 8 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 500, 4_000, 16_000, 70_000, 600_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), who, hard: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start' as const), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('collect' as const), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('read' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Ids of messages that were queued, and of those that do not live long. */
async function run(world: World, steps: readonly Step[]) {
  const { ann, bob, wire } = world
  const queued = new Set<string>()
  const short = new Set<string>()
  for (const one of steps) {
    if (one.do === 'send') {
      const to = one.toPeer ? bob.peer : bob.eth.address
      const body = new Uint8Array(queued.size % 3 === 0 ? 0 : 100).fill(queued.size)
      const { expiresMs } = one
      ann.agent?.send(to, body, { expiresMs }).then(
        ({ id }) => {
          queued.add(id)
          if (expiresMs === SHORT_MS) short.add(id)
        },
        () => undefined,
      )
    } else if (one.do === 'jump') {
      world[one.who].aheadMs = one.aheadMs
    } else if (one.do === 'faults') wire.faults.push(...one.faults)
    else if (one.do === 'pass') await world.pass(one.ms)
    else if (one.do === 'end') await world[one.who].end(one.hard)
    else if (one.do === 'start') {
      if (world[one.who].agent === undefined) await world[one.who].start()
    } else if (one.do === 'collect') {
      const { signal } = new AbortController()
      void world[one.who].incoming?.collect(signal).catch(() => undefined)
    } else {
      const unread = bob.agent?.inbox.list().messages.find(({ read }) => !read)
      if (unread !== undefined) await bob.agent?.inbox.read(unread.id)
    }
    await world.pass(1)
    world.check()
  }
  return { queued, short }
}

/** Everything works again: three hours later nothing is open, and all that was sent is here. */
async function heal(world: World): Promise<void> {
  const { ann, bob, wire } = world
  wire.faults = []
  for (const person of [ann, bob]) {
    person.aheadMs = 0
    if (person.agent === undefined) await person.start()
  }
  for (let n = 0; n < 180; n += 1) {
    await world.pass(60_000)
    if (n % 30 !== 0) continue
    const { signal } = new AbortController()
    for (const { incoming } of [bob, ann]) void incoming?.collect(signal).catch(() => undefined)
    world.check()
  }
}

test('whatever happens between two agents, each message arrives once, and its sender knows', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const world = new World()
      const { ann, bob } = world
      try {
        await ann.start()
        await bob.start()
        const { queued, short } = await run(world, steps)
        await heal(world)
        const here = bob.agent?.inbox.list({ limit: 200 }).messages.map(({ id }) => id) ?? []
        for (const { id, to, state, reason } of ann.last.values()) {
          assert.ok(!isOpen(state), `${id} is ${state}: ${reason}`)
          const isShort = short.has(id) && (state === 'expired' || state === 'failed')
          assert.ok(isShort || here.includes(id), `${id} to ${to} is ${state}: ${reason}`)
        }
        for (const id of queued) assert.ok(ann.last.has(id), 'a message without a state')
        assert.equal(ann.agent?.queued, 0)
        await ann.end(false)
        await bob.end(false)
        await Promise.all(world.dead.map(async (agent) => agent?.stop()))
      } finally {
        world.close()
      }
    }),
    { numRuns: 15 },
  )
})

test('a body of nothing and one of 512 KiB arrive over a stream and out of mailboxes', async () => {
  const world = new World()
  const { ann, bob } = world
  try {
    await ann.start()
    await bob.start()
    const { signal } = new AbortController()
    for (const isAway of [false, true]) {
      if (isAway) await bob.end(false)
      for (const size of [0, 524_288]) {
        const body = new Uint8Array(size).fill(7)
        const sending = ann.agent?.send(bob.eth.address, body)
        for (let n = 0; n < 400; n += 1) {
          await world.pass(50)
          if ([...ann.last.values()].every(({ state }) => state !== 'queued')) break
        }
        const { id } = (await sending) ?? { id: '' }
        assert.equal(ann.last.get(id)?.state, isAway ? 'stored' : 'delivered')
        if (isAway) await bob.start()
        if (isAway) await bob.incoming?.collect(signal)
        const [message] = bob.agent?.inbox.list().messages ?? []
        assert.deepEqual([message?.id, message?.body.length], [id, size])
        assert.ok(message?.body.every((byte) => byte === 7))
        assert.equal(message?.route, isAway ? 'mailbox' : 'direct')
        await world.pass(60_000)
        assert.equal(ann.last.get(id)?.state, 'delivered')
        if (isAway) await bob.end(false)
      }
    }
    await ann.end(false)
  } finally {
    world.close()
  }
})
