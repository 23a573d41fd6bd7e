import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, seededRandom, silentLog, toHex, utf8 } from '../base/index.ts'
import { ethSigner, generateKeys, type PeerId } from '../identity/index.ts'
import type { AgentMessage } from './agent-message.ts'
import type { Delivery } from './delivery.ts'
import { Inbox } from './inbox.ts'
import { InboxStore } from './inbox-store.ts'
import { messageMetrics } from './metrics.ts'
import { readOpenPond, writeOpenPond } from './openpond.ts'
import { OpenPondDesk } from './openpond-desk.ts'
import { type Gate, SenderCheck } from './sender-check.ts'

const NOW_MS = 1_800_000_000_000
const random = seededRandom('desk')
const [alice, bob] = [ethSigner(random.bytes(32)), ethSigner(random.bytes(32))]
const BY = generateKeys(random).signer.peer
const LIMITS = { inboxMessagesMax: 100, inboxBytesMax: 1e6, seenMax: 100, senderPerSecond: 1 }

function setup(options: { isOff?: boolean; gate?: Gate; blocked?: PeerId; peers?: number } = {}) {
  const { isOff = false, gate = null, blocked, peers = 1 } = options
  const clock = new FakeClock(NOW_MS)
  const registry = new Registry()
  const messages: AgentMessage[] = []
  const deliveries: Delivery[] = []
  const published: Uint8Array[] = []
  const store = new InboxStore(':memory:')
  const told = (message: AgentMessage) => void messages.push(message)
  const isBlocked = (peer: PeerId) => peer === blocked
  const desk = new OpenPondDesk({
    eth: isOff ? null : bob,
    inbox: new Inbox({ store, clock, told }, LIMITS),
    senders: new SenderCheck({ clock, gate, requireRegistered: false, isBlocked }),
    told: (delivery) => void deliveries.push(delivery),
    metrics: messageMetrics(registry),
    clock,
    random,
    log: silentLog,
    pubsub: {
      async publish(topic, value) {
        published.push((value as { openpond: Uint8Array }).openpond)
        return { topic, peers, mesh: peers, state: peers > 0 ? 'sent' : 'nobody-listens' }
      },
    },
  })
  const total = (name: string, labels = {}) => registry.total(name, labels)
  const refused = (code: string) => total('p2p_agent_messages_refused', { code })
  const repeated = () => {
    return total('p2p_agent_messages_received', { route: 'openpond', outcome: 'repeated' })
  }
  return { desk, clock, messages, deliveries, published, refused, repeated }
}

const fromAlice = (body = 'hi', more = {}) => {
  return writeOpenPond(
    { to: bob.address, body: utf8(body), sentAtMs: NOW_MS, ...more },
    alice,
    random,
  )
}

test('a message is taken once, whoever hands it over again and in whatever spacing', async () => {
  const { desk, messages, clock, repeated } = setup()
  const bytes = fromAlice('hi', { conversation: 'c' })
  await desk.take(bytes, BY)
  await desk.take(bytes, generateKeys(random).signer.peer)
  const spaced = JSON.stringify(JSON.parse(Buffer.from(bytes).toString()), null, 1)
  await clock.advance(200_000)
  await desk.take(utf8(spaced), BY)
  const [message] = messages
  assert.equal(messages.length, 1)
  assert.equal(await repeated(), 2)
  assert.equal(Buffer.from(message?.body ?? []).toString(), 'hi')
  assert.equal(message?.from.address, alice.address)
  assert.match(message.from.peer, /^16Uiu2HA/)
  assert.deepEqual([message.to, message.route, message.broadcast], [bob.address, 'openpond', false])
  assert.equal(message.conversation, 'c')
})

test('what is forged, old, of a blocked key or not allowed is counted; of another or ours not', async () => {
  const gate = { admits: async () => ({ allowed: false, reason: 'blocked' }) }
  const made = setup({ gate })
  const { desk, clock, messages, refused } = made
  const bytes = fromAlice()
  const forged = Buffer.from(bytes)
  forged[forged.indexOf('"nonce":1') + 8] = 0x32
  await desk.take(forged, BY)
  assert.equal(await refused('AGENT_SIGNATURE_INVALID'), 1)
  await desk.take(utf8('{"message":1}'), BY)
  assert.equal(await refused('AGENT_OPENPOND_INVALID'), 1)
  await desk.take(bytes, BY)
  assert.equal(await refused('AGENT_SENDER_REFUSED'), 1)
  await desk.take(fromAlice('hi', { to: alice.address }), BY)
  await desk.take(writeOpenPond({ body: utf8('mine'), sentAtMs: NOW_MS }, bob, random), BY)
  await clock.advance(3_600_000)
  await desk.take(bytes, BY)
  assert.equal(await refused('AGENT_EXPIRED'), 1)
  assert.deepEqual(messages, [])

  const { peer: blocked } = readOpenPond(bytes, { nowMs: NOW_MS, own: bob.address })
  const other = setup({ blocked })
  await other.desk.take(bytes, BY)
  assert.equal(await other.refused('AGENT_SENDER_REFUSED'), 1)
})

test('one key may say so much, whatever peers hand it over', async () => {
  const { desk, messages, refused } = setup()
  for (let i = 0; i < 12; i += 1) {
    await desk.take(fromAlice(`${i}`), generateKeys(random).signer.peer)
  }
  assert.equal(messages.length, 10)
  assert.equal(await refused('AGENT_SENDER_RATE'), 2)
})

test("what is sent is what OpenPond's nodes read, to one or to all", async () => {
  const { desk, published, deliveries } = setup()
  const sent = await desk.send(alice.address.toLowerCase(), utf8('hello'), { conversation: 'c' })
  assert.deepEqual([sent.to, sent.state], [alice.address, 'sent'])
  await desk.send('*', utf8('all'), {})
  const [one, all] = published.map((bytes) => {
    return readOpenPond(bytes, { nowMs: NOW_MS, own: alice.address })
  })
  assert.deepEqual([one?.from, one?.to, one?.conversation], [bob.address, alice.address, 'c'])
  assert.equal(all?.to, undefined)
  assert.deepEqual(deliveries[0], sent)
  assert.equal(deliveries[1]?.to, '*')
})

test('an answer names the message as its sender does', async () => {
  const { desk, messages, published } = setup()
  const sent = await desk.send(alice.address, utf8('ask'), {})
  const read = (bytes: Uint8Array | undefined) => {
    const said = bytes ?? assert.fail('nothing was said')
    return readOpenPond(said, { nowMs: NOW_MS, own: alice.address })
  }
  await desk.take(fromAlice('answer', { replyTo: read(published[0]).messageId }), BY)
  assert.equal(messages[0]?.replyTo, sent.id)
  await desk.send(alice.address, utf8('thanks'), { replyTo: messages[0].id })
  assert.ok(read(published[1]).replyTo?.startsWith(alice.address))
  const unknown = desk.send(alice.address, utf8('x'), { replyTo: toHex(random.bytes(16)) })
  await assert.rejects(unknown, coded('AGENT_MESSAGE_OPTION'))
})

test('it fails where nobody listens, and is refused where it is off', async () => {
  const { desk } = setup({ peers: 0 })
  const { state, reason } = await desk.send('*', utf8('all'), {})
  assert.deepEqual([state, reason], ['failed', 'nobody listens now'])
  const off = setup({ isOff: true })
  assert.equal(off.desk.isOpen, false)
  await assert.rejects(off.desk.send('*', utf8('all'), {}), coded('AGENT_MESSAGE_OPTION'))
  await off.desk.take(fromAlice(), BY)
  assert.deepEqual(off.messages, [])
})
