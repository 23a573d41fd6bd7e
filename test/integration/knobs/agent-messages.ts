/** What the knobs of `[agent]` that concern messages change. */

import { Inbox } from '../../../src/agent/inbox.ts'
import { InboxStore } from '../../../src/agent/inbox-store.ts'
import { Agent, messageMetrics } from '../../../src/agent/index.ts'
import { MessageError } from '../../../src/agent/message-errors.ts'
import type { Heard } from '../../../src/agent/message-topic.ts'
import { Outbox } from '../../../src/agent/outbox.ts'
import { OutboxStore } from '../../../src/agent/outbox-store.ts'
import { Registry, seededRandom, silentLog, utf8 } from '../../../src/base/index.ts'
import { AGENTS_NETWORK, agentOf, preKeysOf } from '../../support/agents.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Observations, type Observe, timesUntilRefused } from './observation.ts'

const NOW_MS = 1_800_000_000_000
const LARGE_BYTES = 512 * 1_024
const [alice, bob] = [agentOf(1), agentOf(2)]

const idOf = (n: number) => n.toString(16).padStart(32, '0')

function inboxOf({ agent }: Parameters<Observe>[0]) {
  const store = new InboxStore(':memory:')
  const inbox = new Inbox({ store, clock: new FakeClock(NOW_MS), told: () => undefined }, agent)
  const take = (n: number, size: number) => {
    const said = { id: idOf(n), from: { peer: bob.node.peer }, to: alice.node.peer }
    const times = { sentAt: NOW_MS, expiresAt: NOW_MS + 60_000 }
    const came = { broadcast: false, route: 'direct' as const, hash: new Uint8Array(32) }
    inbox.take({ ...said, ...times, ...came, body: new Uint8Array(size) })
  }
  return { inbox, take, close: () => store.close() }
}

/** How many messages of this size one sender may leave unread. */
const unread =
  (size: number, limit: number): Observe =>
  (config, made) => {
    const { take, close } = inboxOf(config)
    made()
    const taken = timesUntilRefused((n) => take(n, size), limit)
    close()
    return taken
  }

/** How many messages may come, each of which is read at once. */
const remembered: Observe = (config, made) => {
  const { inbox, take, close } = inboxOf(config)
  made()
  const taken = timesUntilRefused((n) => {
    take(n, 1)
    inbox.read(idOf(n))
  }, 40)
  close()
  return taken
}

const admitted: Observe = (config, made) => {
  const { inbox, close } = inboxOf(config)
  made()
  const count = timesUntilRefused(() => inbox.admit({ peer: bob.node.peer }), 1_000)
  close()
  return count
}

/** How many messages for somebody who is away are queued. */
const queued =
  (size: number, limit: number): Observe =>
  async ({ agent }, made) => {
    const clock = new FakeClock(NOW_MS)
    const store = new OutboxStore(':memory:')
    const away = MessageError.RECIPIENT_AWAY({ to: bob.node.peer })
    const ways = {
      seal: async () => Promise.reject(away),
      direct: async () => Promise.reject(away),
      gossip: async () => false,
      mailbox: null,
    }
    const room = { clock, random: seededRandom('knobs'), log: silentLog, told: () => undefined }
    const outbox = new Outbox({ ...room, store, ways }, agent)
    await outbox.start()
    made()
    let count = 0
    try {
      for (; count < limit; count += 1) {
        const times = { sentAt: NOW_MS, expiresAt: NOW_MS + 60_000 }
        await outbox.send({
          id: idOf(count),
          to: bob.node.peer,
          body: new Uint8Array(size),
          ...times,
        })
      }
    } catch {
      // That is the number.
    }
    await outbox.stop()
    store.close()
    return count
  }

/** How long a message lives that does not say it itself. */
const life: Observe = async ({ agent: config }, made) => {
  const clock = new FakeClock(NOW_MS)
  const said: number[] = []
  const agent = new Agent(
    {
      host: { self: alice.node.peer, events: { on: () => () => false } },
      address: () => undefined,
      network: AGENTS_NETWORK,
      clock,
      random: seededRandom('knobs'),
      signer: alice.node,
      preKeys: preKeysOf(alice, clock),
      presence: {
        find: async () => undefined,
        forget: () => undefined,
        binding: () => undefined,
        newest: () => undefined,
        events: { on: () => () => false },
      },
      roster: { events: { on: () => () => false }, agents: () => [] },
      rpc: { server: { handle: () => undefined }, client: { call: async () => null } },
      connect: async () => undefined,
      pubsub: {
        topic: () => undefined,
        blame: () => undefined,
        subscribe: () => [] as never,
        async publish(topic, value) {
          said.push((value as Heard).envelope.expiresAtMs)
          return { topic, peers: 1, mesh: 1, state: 'sent' }
        },
      },
      mailbox: null,
      gate: null,
      requireRegistered: false,
      isBlocked: () => false,
      files: { inbox: ':memory:', outbox: ':memory:' },
      metrics: messageMetrics(new Registry()),
      log: silentLog,
    },
    config,
  )
  made()
  await agent.broadcast(utf8('to all'))
  await agent.stop()
  return said
}

export const agentMessageObservations: Observations = {
  'agent.sender_per_second': { value: 5, observe: admitted },
  'agent.message_expiry': { value: 60, observe: life },
  'agent.inbox_messages_max': { value: 16, observe: unread(1, 20) },
  'agent.inbox_bytes_max': { value: 4_194_304, observe: unread(LARGE_BYTES, 4) },
  'agent.seen_max': { value: 64, observe: remembered },
  'agent.outbox_messages_max': { value: 2, observe: queued(1, 5) },
  'agent.outbox_bytes_max': { value: 2_097_152, observe: queued(LARGE_BYTES, 5) },
}
