import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { CodedError, seededRandom, silentLog, toHex, utf8 } from '../base/index.ts'
import {
  type EthAddress,
  type EthSigner,
  ethSigner,
  generateKeys,
  type PeerId,
} from '../identity/index.ts'
import { NOTICE_LIFE_MS, noticeRules } from './notice.ts'
import { readOpenPondNotice, withOpenPond, writeOpenPondNotice } from './openpond-notice.ts'
import { OpenPondRoster } from './openpond-roster.ts'

const NOW_MS = 1_800_000_000_000
const random = seededRandom('openpond notices')
const [alice, bob] = [ethSigner(random.bytes(32)), ethSigner(random.bytes(32))]
const [here, there] = [generateKeys(random).signer.peer, generateKeys(random).signer.peer]

const MEMORY = { rss: 90_000_000, heapTotal: 3, heapUsed: 2, external: 1, arrayBuffers: 0 }
const METRICS = {
  connectedPeers: 3,
  messagesSent: 1,
  messagesReceived: 2,
  uptime: 60.5,
  memory: MEMORY,
  dhtSize: 7,
  multiaddrs: [],
  isBootstrap: false,
  lastMessageTime: 0,
}
const NUMBERS = {
  peers: 3,
  messagesSent: 1,
  messagesReceived: 2,
  uptimeSeconds: 60,
  memoryBytes: 90_000_000,
  dhtSize: 7,
}

function announcement(more: object = {}): Uint8Array {
  const message = {
    peerId: here,
    timestamp: NOW_MS,
    agentId: alice.address,
    agentName: 'alice',
    multiaddrs: ['/ip4/192.0.2.1/tcp/1'],
    isBootstrap: false,
    ...more,
  }
  return utf8(JSON.stringify({ message }))
}

/** As OpenPond's code makes it: a `Uint8Array` becomes an object of numbered keys. */
function status(
  given: { peerId?: string; atMs?: number; signer?: EthSigner; metrics?: object } = {},
): Uint8Array {
  const { peerId = here, atMs = NOW_MS, signer = alice, metrics = METRICS } = given
  const said = {
    messageId: `status-${alice.address}-${atMs}`,
    fromAgentId: alice.address,
    content: { encrypted: utf8(JSON.stringify({ peerId, metrics })) },
    timestamp: atMs,
    nonce: atMs,
  }
  const signature = `0x${toHex(signer.signMessage(JSON.stringify(said)))}`
  return utf8(JSON.stringify({ ...said, signature }))
}

function setup(bound: readonly EthAddress[] = []) {
  const clock = new FakeClock(NOW_MS)
  const changes: string[] = []
  const roster = new OpenPondRoster({
    clock,
    log: silentLog,
    isBound: (address) => bound.includes(address),
    changed: ({ agent, state }) => changes.push(`${state} ${agent.peer}`),
  })
  const shown = () => roster.agents().map(({ peer, name, openpond }) => ({ peer, name, openpond }))
  return { clock, roster, changes, shown }
}

test('an announcement is listed as unsigned, and as signed once the key has said the same', () => {
  const { roster, shown, changes } = setup()
  roster.heard(announcement(), here)
  assert.deepEqual(shown(), [{ peer: here, name: 'alice', openpond: 'unsigned' }])
  roster.heard(status(), here)
  const [agent] = roster.agents()
  const { address } = alice
  const times = { connectedSince: NOW_MS - 60_000, lastSeen: NOW_MS }
  const openpond = 'signed'
  assert.deepEqual(agent, {
    address,
    peer: here,
    name: 'alice',
    ...times,
    status: NUMBERS,
    openpond,
  })
  roster.heard(announcement({ timestamp: NOW_MS + 5, agentName: 'al' }), here)
  assert.deepEqual(shown(), [{ peer: here, name: 'al', openpond: 'signed' }])
  assert.deepEqual(changes, [`here ${here}`])
})

test('nobody else can say it: not another peer, no other key, nothing old, no agent of ours', () => {
  const refuses = (bytes: Uint8Array, author: PeerId, bound: readonly EthAddress[] = []) => {
    const { roster, shown, changes } = setup(bound)
    roster.heard(bytes, author)
    assert.deepEqual([shown(), changes], [[], []])
  }
  refuses(announcement(), there)
  refuses(status(), there)
  refuses(status({ signer: bob }), here)
  refuses(announcement({ timestamp: NOW_MS - NOTICE_LIFE_MS }), here)
  refuses(announcement({ timestamp: NOW_MS + 60_001 }), here)
  refuses(announcement(), here, [alice.address])
  refuses(utf8('{"message":{"type":"peer-list"}}'), here)

  const { roster, shown, changes } = setup()
  roster.heard(status(), here)
  roster.heard(announcement({ peerId: there, timestamp: NOW_MS + 1 }), there)
  roster.heard(status({ peerId: there, atMs: NOW_MS - 1 }), there)
  assert.deepEqual(shown(), [{ peer: here, name: '', openpond: 'signed' }])
  roster.heard(status({ peerId: there, atMs: NOW_MS + 1 }), there)
  assert.deepEqual(shown(), [{ peer: there, name: '', openpond: 'signed' }])
  assert.deepEqual(changes, [`here ${here}`, `here ${there}`])
})

test('who is silent for two minutes has left, and a crowd has bounded room', async () => {
  const { roster, clock, changes } = setup()
  roster.heard(status(), here)
  for (let i = 0; i < 1_100; i += 1) {
    const agentId = `0x${i.toString(16).padStart(40, '0')}`
    roster.heard(announcement({ agentId, peerId: there }), there)
  }
  assert.equal(roster.agents().length, 1_024)
  assert.ok(roster.agents().some(({ openpond }) => openpond === 'signed'))
  await clock.advance(NOTICE_LIFE_MS)
  assert.deepEqual(roster.agents(), [])
  changes.length = 0
  roster.sweep()
  assert.equal(changes.filter((change) => change.startsWith('left')).length, 1_024)
})

test('names that could act on a terminal, and signatures without end, are passed over', () => {
  const { roster, shown } = setup()
  roster.heard(announcement({ agentName: 'a\u001b[2J' }), here)
  assert.equal(shown()[0]?.name, '')
  for (let i = 1; i <= 20; i += 1) {
    const peerId = generateKeys(random).signer.peer
    roster.heard(status({ peerId, signer: bob }), peerId)
  }
  roster.heard(status({ atMs: NOW_MS + 50 }), here)
  assert.equal(shown()[0]?.openpond, 'unsigned')
})

test('one peer that floods with signatures takes the looking at them from nobody else', async () => {
  const { roster, shown, clock } = setup()
  for (let i = 1; i <= 100; i += 1) {
    roster.heard(status({ peerId: there, signer: bob, atMs: NOW_MS + i }), there)
  }
  roster.heard(status(), here)
  assert.deepEqual(shown(), [{ peer: here, name: '', openpond: 'signed' }])
  const later = NOW_MS + 200
  roster.heard(status({ atMs: later, metrics: { ...METRICS, connectedPeers: 9 } }), here)
  assert.equal(roster.agents()[0]?.status?.peers, 3)
  await clock.advance(5_001)
  roster.heard(status({ atMs: later, metrics: { ...METRICS, connectedPeers: 9 } }), here)
  assert.equal(roster.agents()[0]?.status?.peers, 9)
})

test('what we announce is what they read, and what they read of us', () => {
  const said = { address: alice.address, peer: here, name: 'alice', atMs: NOW_MS }
  const { openpond } = writeOpenPondNotice(said)
  const { isSigned, ...read } = readOpenPondNotice(openpond, NOW_MS)
  assert.deepEqual([read, isSigned()], [said, false])
  const { message } = JSON.parse(Buffer.from(openpond).toString()) as { message: object }
  const keys = ['peerId', 'timestamp', 'agentId', 'agentName', 'multiaddrs', 'isBootstrap']
  assert.deepEqual(Object.keys(message), keys)
})

test('readOpenPondNotice() reads it whole or refuses it with a code, whatever it is given', () => {
  const refused = coded('AGENT_OPENPOND_INVALID')
  for (const metrics of [{}, { ...METRICS, uptime: -1 }, { ...METRICS, memory: 5 }]) {
    assert.throws(() => readOpenPondNotice(status({ metrics }), NOW_MS), refused)
  }
  for (const more of [{ agentId: 'x' }, { peerId: 7 }, { timestamp: 'now' }]) {
    assert.throws(() => readOpenPondNotice(announcement(more), NOW_MS), refused)
  }
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.json().map(utf8)), (bytes) => {
      try {
        readOpenPondNotice(bytes, NOW_MS)
      } catch (error) {
        assert.ok(error instanceof CodedError, String(error))
      }
    }),
  )
})

test('the topics carry both forms; theirs is nobody’s fault, and is read where it is let in', () => {
  const own = noticeRules({ network: 'main', now: () => NOW_MS })
  const open = withOpenPond(own, { isRead: true })
  const shut = withOpenPond(own, { isRead: false })
  const bytes = announcement()
  for (const { codec, bare } of [open, shut]) {
    assert.equal(bare?.is(bytes), true)
    assert.deepEqual(codec?.decode(bytes), bytes)
    assert.deepEqual(codec.encode({ openpond: bytes }), bytes)
  }
  const read = open.schema?.(bytes)
  assert.deepEqual(read, { openpond: bytes })
  assert.equal(open.isAuthor?.(read, here), false, 'only bare messages have this form')
  assert.throws(() => shut.schema?.(bytes), coded('AGENT_OPENPOND_INVALID'))
})
