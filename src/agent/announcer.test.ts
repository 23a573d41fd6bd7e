import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { AGENTS_NETWORK, agentOf, preKeysOf, recordValue } from '../../test/support/agents.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Emitter, Registry, silentLog } from '../base/index.ts'
import { openEthValue } from '../dht/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { NetEvents } from '../net/index.ts'
import type { Message } from '../pubsub/index.ts'
import { Announcer, type AnnouncerConfig, type AnnouncerDeps } from './announcer.ts'
import { presenceMetrics } from './metrics.ts'
import {
  ANNOUNCEMENTS_TOPIC,
  type Notice,
  noticeRules,
  STATUS_TOPIC,
  type VerifiedNotice,
} from './notice.ts'
import { OwnRecord } from './own-record.ts'
import { Roster } from './roster.ts'

const NOW_MS = 1_800_000_000_000
const alice = agentOf(1)
const bob = agentOf(2)
const numbers = { peers: 1, messagesSent: 2, messagesReceived: 3, memoryBytes: 5, dhtSize: 6 }

function setup(config: Partial<AnnouncerConfig> = {}, over: Partial<AnnouncerDeps> = {}) {
  const clock = new FakeClock(NOW_MS)
  const net = new Emitter<NetEvents>((error) => assert.fail(String(error)))
  const world = { listeners: 1, fails: false, mesh: [] as PeerId[], changed: () => {} }
  const told: { topic: string; notice: Notice; atMs: number; waits: number }[] = []
  const heard: VerifiedNotice[] = []
  const queues = new Map<string, (message: Message<VerifiedNotice>) => void>()
  const common = { clock, log: silentLog, network: AGENTS_NETWORK }
  const preKeys = preKeysOf(alice, clock)
  const own = new OwnRecord({ ...common, eth: alice.eth, signer: alice.node, preKeys })
  const deps: AnnouncerDeps = {
    ...common,
    own,
    numbers: () => numbers,
    metrics: presenceMetrics(new Registry()),
    host: { events: net },
    presence: { heard: (notice) => heard.push(notice as VerifiedNotice) },
    pubsub: {
      topic: () => undefined,
      async publish(topic, value, options) {
        const { waitForPeersMs = 0 } = options ?? {}
        if (world.fails) throw new TypeError('the topic is closed')
        const notice = value as Notice
        told.push({ topic, notice, atMs: clock.now() - NOW_MS, waits: waitForPeersMs })
        const peers = world.listeners
        return { topic, peers, mesh: 0, state: peers > 0 ? 'sent' : 'nobody-listens' }
      },
      mesh: () => world.mesh,
      onChange: (changed) => {
        world.changed = changed
        return () => undefined
      },
      subscribe: (topic, options) => stream(topic, queues, options?.signal) as never,
    },
    ...over,
  }
  const announcer = new Announcer(deps, {
    name: 'alice',
    announce: true,
    statusIntervalMs: 60_000,
    statusPrivacy: 'full',
    ...config,
  })
  const announced = () => told.filter(({ topic }) => topic === ANNOUNCEMENTS_TOPIC)
  const changes: string[] = []
  announcer.events.on('agent', ({ agent, state }) => changes.push(`${state} ${agent.name}`))
  const comes = () => net.emit('identified', { peer: bob.node.peer, protocols: [] })
  const say = async (topic: string, value: VerifiedNotice) => {
    queues.get(topic)?.({ from: value.record.binding.peer, value } as Message<VerifiedNotice>)
    await setImmediate()
  }
  return { announcer, clock, world, told, announced, heard, changes, comes, say }
}

/** What a subscription gives, until the signal ends it. */
async function* stream(
  topic: string,
  queues: Map<string, (message: Message<VerifiedNotice>) => void>,
  signal?: AbortSignal,
) {
  while (signal?.aborted !== true) {
    const { promise, resolve } = Promise.withResolvers<Message<VerifiedNotice> | undefined>()
    queues.set(topic, resolve)
    signal?.addEventListener('abort', () => resolve(undefined), { once: true })
    const message = await promise
    if (message !== undefined) yield message
  }
}

async function noticeOfBob(over: Partial<VerifiedNotice> = {}): Promise<VerifiedNotice> {
  const value = await recordValue(bob, NOW_MS)
  const record = openEthValue(value, { network: AGENTS_NETWORK, nowMs: NOW_MS })
  return { record, name: 'bob', isHere: true, atMs: NOW_MS, sinceMs: NOW_MS, ...over }
}

test('it says with its keys that it is here, how it is each minute, and that it leaves', async () => {
  const { announcer, clock, told } = setup()
  await announcer.start()
  await clock.advance(60_000)
  await announcer.stop()
  assert.deepEqual(
    told.map(({ topic, notice, atMs }) => [topic, notice.isHere, atMs]),
    [
      [ANNOUNCEMENTS_TOPIC, true, 0],
      [STATUS_TOPIC, true, 60_000],
      [ANNOUNCEMENTS_TOPIC, false, 60_000],
    ],
  )
  const [first, status] = told
  assert.ok(first !== undefined && status !== undefined)
  assert.deepEqual([first.notice.name, first.waits], ['alice', 5_000])
  assert.deepEqual(status.notice.status, { ...numbers, uptimeSeconds: 60 })
  const at = { network: AGENTS_NETWORK, nowMs: NOW_MS }
  assert.equal(openEthValue(first.notice.record, at).preKeys.length, 1)
  assert.equal(openEthValue(status.notice.record, at).preKeys.length, 0)
})

test('what nobody heard is said again as soon as somebody comes, and once for a crowd', async () => {
  const { announcer, clock, announced, world, comes } = setup()
  world.listeners = 0
  await announcer.start()
  await clock.advance(10_000)
  assert.equal(announced().length, 1)
  world.listeners = 2
  for (let i = 0; i < 5; i += 1) comes()
  await clock.advance(1_000)
  assert.equal(announced().length, 2)
  comes()
  await clock.advance(10_000)
  assert.equal(announced().length, 2, 'it was heard')
  await clock.advance(300_000)
  assert.equal(announced().length, 3, 'it is said again after some minutes')
  await announcer.stop()
})

test('who hands it on from now on hears it too: once in five minutes, and all within ten seconds', async () => {
  const { announcer, clock, announced, world } = setup()
  const meets = (...mesh: PeerId[]) => {
    world.mesh = mesh
    world.changed()
  }
  const [one, two, three] = [bob.node.peer, agentOf(3).node.peer, agentOf(4).node.peer]
  await announcer.start()
  await clock.advance(1_000)
  assert.equal(announced().length, 1)
  meets(one)
  meets(one, two)
  await clock.advance(8_900)
  assert.equal(announced().length, 1)
  await clock.advance(100)
  assert.deepEqual([announced().length, announced()[1]?.atMs], [2, 10_000])
  meets(two)
  meets(one)
  await clock.advance(20_000)
  assert.equal(announced().length, 2, 'they were told')
  meets(one, three)
  await clock.advance(1_000)
  assert.equal(announced().length, 3)
  await clock.advance(300_000)
  assert.equal(announced().length, 4)
  await announcer.stop()
})

test('among few agents whoever comes is told who is here, and among many is not', async () => {
  const { announcer, clock, announced, say } = setup()
  await announcer.start()
  await clock.advance(60_000)
  const notices = [bob, ...Array.from({ length: 40 }, (_, n) => agentOf(10 + n))]
  for (const [n, agent] of notices.entries()) {
    const value = await recordValue(agent, clock.now())
    const record = openEthValue(value, { network: AGENTS_NETWORK, nowMs: clock.now() })
    const times = { atMs: clock.now(), sinceMs: clock.now() }
    await say(ANNOUNCEMENTS_TOPIC, { record, name: 'one', isHere: true, ...times })
    await say(ANNOUNCEMENTS_TOPIC, { record, name: 'one', isHere: true, ...times })
    if (n === 0) {
      await clock.advance(11_000)
      assert.equal(announced().length, 2, 'once for bob')
    }
  }
  await clock.advance(11_000)
  assert.equal(announced().length, 3, 'once for those that came together')
  const last = await recordValue(agentOf(60), clock.now())
  const record = openEthValue(last, { network: AGENTS_NETWORK, nowMs: clock.now() })
  const times = { atMs: clock.now(), sinceMs: clock.now() }
  await say(ANNOUNCEMENTS_TOPIC, { record, name: 'last', isHere: true, ...times })
  await clock.advance(20_000)
  assert.equal(announced().length, 3)
  await announcer.stop()
})

test('brief has no numbers, none says nothing, and without announcements nothing is announced', async () => {
  const brief = setup({ statusPrivacy: 'brief', announce: false })
  await brief.announcer.start()
  await brief.clock.advance(60_000)
  await brief.announcer.stop()
  assert.deepEqual(
    brief.told.map(({ topic, notice }) => [topic, notice.status]),
    [[STATUS_TOPIC, undefined]],
  )
  const none = setup({ statusPrivacy: 'none', announce: false })
  await none.announcer.start()
  await none.clock.advance(600_000)
  await none.announcer.stop()
  assert.deepEqual(none.told, [])
})

for (const statusPrivacy of ['full', 'brief', 'none'] as const) {
  test(`with the status ${statusPrivacy} others see it all the time, and told once`, async () => {
    const { announcer, clock, told } = setup({ statusPrivacy })
    const changes: string[] = []
    const roster = new Roster(clock, ({ state }) => changes.push(state))
    const { schema } = noticeRules({ network: AGENTS_NETWORK, now: () => clock.now() })
    await announcer.start()
    let seen = 0
    for (let second = 1; second <= 600; second += 1) {
      await clock.advance(1_000)
      for (const { notice } of told.splice(0)) roster.heard(schema?.(notice) ?? assert.fail())
      roster.sweep()
      seen += roster.agents().length
    }
    assert.deepEqual([seen, changes], [600, ['here']])
    await announcer.stop()
  })
}

test('it hears others on both topics, and tells who came and who fell silent', async () => {
  const { announcer, clock, heard, changes, say } = setup({ announce: false })
  await announcer.start()
  await setImmediate()
  await say(ANNOUNCEMENTS_TOPIC, await noticeOfBob())
  await say(STATUS_TOPIC, await noticeOfBob({ status: { ...numbers, uptimeSeconds: 4 } }))
  const [agent] = announcer.agents()
  assert.deepEqual([agent?.address, agent?.status?.uptimeSeconds], [bob.eth.address, 4])
  assert.equal(heard.length, 2)
  await clock.advance(130_000)
  assert.deepEqual([changes, announcer.agents()], [['here bob', 'left bob'], []])
  await announcer.stop()
})

test('a topic that refuses stops nothing, and without topics nothing happens', async () => {
  const { announcer, clock, told, world } = setup()
  world.fails = true
  await announcer.start()
  await clock.advance(60_000)
  world.fails = false
  await clock.advance(60_000)
  assert.deepEqual(
    told.map(({ topic }) => topic),
    [STATUS_TOPIC],
  )
  await announcer.stop()

  const mute = setup({}, { pubsub: null })
  await mute.announcer.start()
  await mute.clock.advance(60_000)
  await mute.announcer.stop()
  assert.deepEqual([mute.told, mute.announcer.agents()], [[], []])
})
