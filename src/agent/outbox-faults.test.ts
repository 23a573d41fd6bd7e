/** What goes wrong around a message on its way: disks, clocks, receipts at the wrong moment. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { CodedError, hasCode, seededRandom, silentLog, utf8 } from '../base/index.ts'
import { type PeerId, peerIdFromBytes, signerFromSeed } from '../identity/index.ts'
import type { Ways } from './attempts.ts'
import type { Delivery } from './delivery.ts'
import { MessageError } from './message-errors.ts'
import { Outbox } from './outbox.ts'
import { type Draft, OutboxStore, type Sealed } from './outbox-store.ts'

const START_MS = 1_800_000_000_000
const BOB = signerFromSeed(new Uint8Array(32).fill(2)).peer
const AWAY = new CodedError('NET_DIAL_FAILED', {}, { says: () => 'Cannot: away', retryable: true })

let made = 0
function draft(over: Partial<Draft> = {}): Draft {
  made += 1
  const id = made.toString(16).padStart(32, '0')
  const times = { sentAt: START_MS, expiresAt: START_MS + 86_400_000 }
  return { id, to: BOB, body: utf8(`body ${made}`), ...times, ...over }
}

const isFile = (error: unknown) => hasCode(error, 'AGENT_MESSAGES_FILE')
const hashOf = (id: string) => utf8(id)
const receipt = (of: string, from: PeerId = BOB) => {
  return { from: { peer: from }, of, state: 'delivered' as const, hash: hashOf(of) }
}
const remote = (code: string, retryable: boolean) => {
  return new CodedError(code, { remote: true }, { says: () => `Cannot: ${code}`, retryable })
}

/** A peer that nobody is, of a key that nobody has. */
function nobody(n: number): PeerId {
  const bytes = Uint8Array.of(0, 36, 8, 1, 18, 32, ...new Uint8Array(32))
  new DataView(bytes.buffer).setUint32(6, n + 1)
  return peerIdFromBytes(bytes)
}

/** An outbox over ways of which a test says what it wants to; nobody is reached by the others. */
function setup(
  ways: Partial<Ways> = {},
  { clock = new FakeClock(START_MS), file = ':memory:' } = {},
) {
  const store = new OutboxStore(file)
  const told: Delivery[] = []
  const seal = async ({ id, to }: Draft, known: Sealed | undefined): Promise<Sealed> =>
    known ?? {
      peer: to as PeerId,
      bytes: utf8(id),
      hash: hashOf(id),
      freshUntilMs: clock.now() + 86_400_000,
    }
  const direct = async () => Promise.reject(AWAY)
  const all = { seal, direct, gossip: async () => false, mailbox: null, ...ways }
  const deps = { store, ways: all, clock, random: seededRandom('faults'), log: silentLog }
  const limits = { outboxMessagesMax: 100_000, outboxBytesMax: 1_000_000_000 }
  const outbox = new Outbox({ ...deps, told: (delivery) => void told.push(delivery) }, limits)
  return { outbox, store, told, clock, seal }
}

test('a stop ends also where gossip takes a message while it stops', async () => {
  const publishing = Promise.withResolvers<boolean>()
  const { outbox, clock } = setup({ gossip: () => publishing.promise })
  await outbox.start()
  const sending = outbox.send(draft())
  await clock.advance(1)
  const stopping = outbox.stop()
  publishing.resolve(true)
  await stopping
  assert.equal((await sending).state, 'queued')
  assert.equal(clock.waiting, 0)
})

test('a receipt that comes while its message is sealed anew leaves nothing behind', async () => {
  const sealing = Promise.withResolvers<void>()
  let tries = 0
  const parts = setup({
    async seal(given, _, { afresh }) {
      if (afresh) await sealing.promise
      const sealed = await parts.seal(given, undefined)
      return afresh ? { ...sealed, hash: utf8('another') } : sealed
    },
    async direct() {
      tries += 1
      throw remote('AGENT_PRE_KEY_GONE', false)
    },
  })
  const { outbox, store, clock, told } = parts
  await outbox.start()
  const one = draft()
  const sending = outbox.send(one)
  await clock.advance(1)
  outbox.confirm(receipt(one.id))
  sealing.resolve()
  assert.equal((await sending).state, 'delivered')
  await clock.advance(1)
  assert.deepEqual(store.open, { messages: 0, bytes: 0 })
  assert.equal(store.whole(one.id)?.sealed, undefined)
  assert.deepEqual([tries, told.length], [1, 2])
  await outbox.stop()
})

test('a receipt for what was sealed before it was sealed anew counts as well', async () => {
  const parts = setup({
    seal: async (given, known, { afresh }) => {
      const sealed = await parts.seal(given, afresh ? undefined : known)
      return afresh ? { ...sealed, hash: new Uint8Array(32) } : sealed
    },
    direct: async () => Promise.reject(remote('AGENT_PRE_KEY_GONE', false)),
  })
  const { outbox, told, clock } = parts
  await outbox.start()
  const one = draft()
  await outbox.send(one)
  await clock.advance(1)
  outbox.confirm(receipt(one.id))
  assert.equal(told.at(-1)?.state, 'delivered')
  await outbox.stop()
})

test('what others keep for its recipient is still ours to bring after a restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-outbox-'))
  try {
    const file = join(folder, 'outbox.sqlite')
    const store = async () => ({ stored: 8, of: 8, by: [] })
    const first = setup({ mailbox: { store } }, { file })
    await first.outbox.start()
    const one = draft()
    assert.equal((await first.outbox.send(one)).state, 'stored')
    await first.outbox.stop()
    first.store.close()
    const direct = async (sealed: Sealed) => receipt(Buffer.from(sealed.bytes).toString())
    const second = setup({ direct }, { file })
    await second.outbox.start()
    await second.clock.advance(3_600_000)
    assert.deepEqual(
      second.told.map(({ id, state }) => [id, state]),
      [[one.id, 'delivered']],
    )
    await second.outbox.stop()
    second.store.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a disk that fails, here or at the recipient, ends no message', async () => {
  const there = setup({
    direct: async (sealed) => {
      if (there.clock.now() < START_MS + 3_000) throw remote('AGENT_MESSAGES_FILE', true)
      return receipt(Buffer.from(sealed.bytes).toString())
    },
  })
  await there.outbox.start()
  assert.equal((await there.outbox.send(draft())).state, 'queued')
  await there.clock.advance(60_000)
  assert.deepEqual(
    there.told.map(({ state }) => state),
    ['queued', 'delivered'],
  )
  await there.outbox.stop()

  const here = setup()
  const { store, outbox, clock, told } = here
  await outbox.start()
  await outbox.send(draft())
  const whole = store.whole.bind(store)
  store.whole = () => {
    throw MessageError.MESSAGES_FILE({ file: 'x', reason: 'database or disk is full' })
  }
  await clock.advance(5_000)
  assert.equal(told.at(-1)?.state, 'queued')
  store.whole = whole
  assert.equal(outbox.open, 1)
  await outbox.stop()
})

test('a message that could not be queued is not sealed and counted afterwards', async () => {
  const sealing = Promise.withResolvers<void>()
  const parts = setup({
    async seal(given, known) {
      await sealing.promise
      return parts.seal(given, known)
    },
    direct: async (sealed) => receipt(Buffer.from(sealed.bytes).toString()),
  })
  const { outbox, store, clock } = parts
  await outbox.start()
  const written = store.written.bind(store)
  store.written = async () => {
    throw MessageError.MESSAGES_FILE({ file: 'x', reason: 'database or disk is full' })
  }
  await assert.rejects(outbox.send(draft()), isFile)
  store.written = written
  const before = store.open
  sealing.resolve()
  await clock.advance(1)
  assert.deepEqual(store.open, before)
  await outbox.stop()
})

test('whoever sends much under one signal leaves no listeners on it', async () => {
  const { outbox } = setup({
    direct: async (sealed) => receipt(Buffer.from(sealed.bytes).toString()),
  })
  await outbox.start()
  const { signal } = new AbortController()
  for (let n = 0; n < 20; n += 1) await outbox.send(draft(), signal)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await outbox.stop()
})

test('that it was read is heard after its time, also of what was sent for a minute', async () => {
  const { outbox, clock, told } = setup({
    direct: async (sealed) => receipt(Buffer.from(sealed.bytes).toString()),
  })
  await outbox.start()
  const one = draft({ expiresAt: START_MS + 60_000 })
  await outbox.send(one)
  for (let n = 0; n < 5; n += 1) await clock.advance(60_000)
  outbox.confirm({ ...receipt(one.id), state: 'read' })
  assert.deepEqual(
    told.map(({ state }) => state),
    ['queued', 'delivered', 'read'],
  )
  await clock.advance(8 * 86_400_000)
  const isForeign = (error: unknown) => hasCode(error, 'AGENT_RECEIPT_FOREIGN')
  assert.throws(() => outbox.confirm({ ...receipt(one.id), state: 'read' }), isForeign)
  await outbox.stop()
})

test('a clock that is set back does not put messages off by as much', async () => {
  const clock = new FakeClock(START_MS)
  let behindMs = 0
  const jumping = Object.create(clock, {
    now: { value: () => clock.now() - behindMs },
    sleep: { value: clock.sleep.bind(clock) },
    deadline: { value: clock.deadline.bind(clock) },
  }) as FakeClock
  let tries = 0
  const parts = setup(
    {
      async direct() {
        tries += 1
        throw AWAY
      },
    },
    { clock: jumping },
  )
  await parts.outbox.start()
  await parts.outbox.send(draft())
  behindMs = 3_600_000
  const before = tries
  await clock.advance(400_000)
  assert.ok(tries - before >= 3, `${tries - before} tries`)
  await parts.outbox.stop()
})

test('who can be reached is, whatever number of others cannot', async () => {
  const clock = new FakeClock(START_MS)
  const parts = setup(
    {
      async direct(sealed, signal) {
        if (sealed.peer === BOB) return receipt(Buffer.from(sealed.bytes).toString())
        await clock.sleep(59_000, signal)
        throw AWAY
      },
    },
    { clock },
  )
  const { outbox, told } = parts
  await outbox.start()
  const sending: Promise<Delivery>[] = []
  for (let n = 0; n < 1_500; n += 1) sending.push(outbox.send(draft({ to: nobody(n) })))
  const late = draft()
  sending.push(outbox.send(late))
  await clock.advance(900_000)
  assert.deepEqual(
    told.filter(({ id }) => id === late.id).map(({ state }) => state),
    ['queued', 'delivered'],
  )
  await outbox.stop()
  await Promise.all(sending)
})
