import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { CodedError, hasCode, seededRandom, silentLog, utf8 } from '../base/index.ts'
import { signerFromSeed } from '../identity/index.ts'
import type { Receipt, Ways } from './attempts.ts'
import { DELIVERY_STATES, type Delivery, mayFollow } from './delivery.ts'
import { AgentError } from './errors.ts'
import { MessageError } from './message-errors.ts'
import { Outbox } from './outbox.ts'
import { type Draft, type OutboxLimits, OutboxStore, type Sealed } from './outbox-store.ts'

const START_MS = 1_800_000_000_000
const BOB = signerFromSeed(new Uint8Array(32).fill(2)).peer
const EVE = signerFromSeed(new Uint8Array(32).fill(3)).peer
const LIMITS: OutboxLimits = { outboxMessagesMax: 100, outboxBytesMax: 1_000_000 }

let made = 0
function draft(over: Partial<Draft> = {}): Draft {
  made += 1
  const id = made.toString(16).padStart(32, '0')
  const times = { sentAt: START_MS, expiresAt: START_MS + 3_600_000 }
  return { id, to: BOB, body: utf8(`body ${made}`), ...times, ...over }
}

const receiptOf = ({ hash }: Sealed, of: string, from = BOB): Receipt => ({
  from: { peer: from },
  of,
  state: 'delivered',
  hash,
})

function coded(code: string, { remote = true, retryable = false } = {}) {
  return new CodedError(code, { remote }, { says: () => `Cannot: ${code}`, retryable })
}

interface Options {
  readonly direct?: (sealed: Sealed, of: string) => Promise<Receipt>
  readonly gossip?: boolean
  readonly stored?: number
  readonly seal?: () => Promise<void>
  readonly file?: string
  readonly clock?: FakeClock
  readonly limits?: Partial<OutboxLimits>
}

/** An outbox over ways that do as told; `tried` is what was tried, in order. */
function setup(options: Options = {}) {
  const { direct, gossip = false, stored, clock = new FakeClock(START_MS) } = options
  const store = new OutboxStore(options.file ?? ':memory:')
  const told: Delivery[] = []
  const tried: string[] = []
  const sealedOf = new Map<string, Sealed>()
  const ids = new Map<Sealed['bytes'], string>()
  const ways: Ways = {
    async seal({ id, body }, known) {
      await options.seal?.()
      if (known !== undefined && known.freshUntilMs > clock.now()) {
        ids.set(known.bytes, id)
        return known
      }
      tried.push('seal')
      const hash = new Uint8Array(32).fill(tried.length)
      const bytes = utf8(`${id}${body.length}${tried.length}`)
      const sealed = { peer: BOB, bytes, hash, freshUntilMs: clock.now() + 86_400_000 }
      sealedOf.set(id, sealed)
      ids.set(bytes, id)
      return sealed
    },
    async direct(sealed) {
      tried.push('direct')
      if (direct === undefined) throw coded('NET_DIAL_FAILED', { remote: false })
      return direct(sealed, ids.get(sealed.bytes) ?? '')
    },
    async gossip() {
      tried.push('gossip')
      return gossip
    },
    mailbox:
      stored === undefined
        ? null
        : {
            async store() {
              tried.push('mailbox')
              return { stored, of: 8, by: [] }
            },
          },
  }
  const deps = { store, ways, clock, random: seededRandom('outbox'), log: silentLog }
  const outbox = new Outbox(
    { ...deps, told: (delivery) => void told.push(delivery) },
    { ...LIMITS, ...options.limits },
  )
  const states = () => told.map(({ state }) => state)
  return { outbox, store, clock, told, tried, states, sealedOf }
}

test('a message that its recipient confirms is delivered, over nothing but the stream', async () => {
  const { outbox, told, tried, store } = setup({
    direct: async (sealed, of) => receiptOf(sealed, of),
  })
  await outbox.start()
  const one = draft()
  const delivery = await outbox.send(one)
  assert.equal(delivery.state, 'delivered')
  assert.deepEqual(tried, ['seal', 'direct'])
  assert.deepEqual(
    told.map(({ id, state }) => [id, state]),
    [
      [one.id, 'queued'],
      [one.id, 'delivered'],
    ],
  )
  assert.deepEqual([outbox.open, store.open], [0, { messages: 0, bytes: 0 }])
  assert.equal(store.whole(one.id)?.draft.body.length, 0)
  await outbox.stop()
})

test('without a stream it goes by gossip, and is delivered when the receipt comes back', async () => {
  const { outbox, clock, tried, states, sealedOf } = setup({ gossip: true })
  await outbox.start()
  const one = draft()
  const delivery = await outbox.send(one)
  assert.equal(delivery.state, 'sent')
  const sealed = sealedOf.get(one.id)
  assert.ok(sealed)
  outbox.confirm(receiptOf(sealed, one.id))
  await clock.advance(10)
  assert.deepEqual(tried, ['seal', 'direct', 'gossip'])
  outbox.confirm({ ...receiptOf(sealed, one.id), state: 'read' })
  outbox.confirm({ ...receiptOf(sealed, one.id), state: 'read' })
  assert.deepEqual(states(), ['queued', 'sent', 'delivered', 'read'])
  await outbox.stop()
})

test('what nobody confirms is left with others, and says with how many', async () => {
  const { outbox, clock, tried, told } = setup({ gossip: true, stored: 3 })
  await outbox.start()
  await outbox.send(draft())
  await clock.advance(3_000)
  assert.deepEqual(tried, ['seal', 'direct', 'gossip', 'mailbox'])
  assert.deepEqual(
    told.map(({ state, reason }) => [state, reason]),
    [
      ['queued', undefined],
      ['sent', 'Cannot: NET_DIAL_FAILED'],
      ['stored', '3 of 8 nodes keep it'],
    ],
  )
  await outbox.stop()
})

test('where nothing works it stays queued, says why, and is tried until it expires', async () => {
  const { outbox, clock, tried, told } = setup({ stored: 0 })
  await outbox.start()
  const delivery = await outbox.send(draft({ expiresAt: START_MS + 60_000 }))
  assert.equal(delivery.state, 'queued')
  assert.match(delivery.reason ?? '', /NET_DIAL_FAILED; 0 of 8 nodes keep it/)
  await clock.advance(61_000)
  assert.deepEqual(
    told.map(({ state }) => state),
    ['queued', 'expired'],
  )
  assert.match(told.at(-1)?.reason ?? '', /0 of 8/)
  const tries = tried.filter((way) => way === 'mailbox').length
  assert.ok(tries >= 5 && tries <= 10, `${tries} tries in a minute`)
  assert.equal(outbox.open, 0)
  await outbox.stop()
})

test('a refusal for good ends it; one for now does not, and nothing else is tried', async () => {
  const { outbox, tried, told } = setup({
    direct: async () => Promise.reject(coded('AGENT_SENDER_REFUSED')),
    gossip: true,
  })
  await outbox.start()
  const delivery = await outbox.send(draft())
  assert.deepEqual([delivery.state, delivery.reason], ['failed', 'Cannot: AGENT_SENDER_REFUSED'])
  assert.deepEqual(tried, ['seal', 'direct'])
  assert.equal(told.length, 2)
  await outbox.stop()

  const answers = [coded('AGENT_INBOX_FULL', { retryable: true })]
  const later = setup({
    gossip: true,
    async direct(sealed, of) {
      const error = answers.pop()
      if (error !== undefined) throw error
      return receiptOf(sealed, of)
    },
  })
  await later.outbox.start()
  assert.equal((await later.outbox.send(draft())).state, 'queued')
  await later.clock.advance(2_000)
  assert.deepEqual(later.states(), ['queued', 'delivered'])
  assert.deepEqual(later.tried, ['seal', 'direct', 'direct'])
  await later.outbox.stop()
})

test('what was sealed against a key that is gone is sealed again, once in a try', async () => {
  const { outbox, tried, states } = setup({
    async direct(sealed, of) {
      if (tried.length === 2) throw coded('AGENT_PRE_KEY_GONE')
      return receiptOf(sealed, of)
    },
  })
  await outbox.start()
  await outbox.send(draft())
  assert.deepEqual(tried, ['seal', 'direct', 'seal', 'direct'])
  assert.deepEqual(states(), ['queued', 'delivered'])
  await outbox.stop()
})

test('who is no agent where it was is looked for afresh once, and then left with others', async () => {
  const unknown = async () => {
    throw coded('RPC_METHOD_UNKNOWN')
  }
  const { outbox, tried } = setup({ direct: unknown, stored: 3 })
  await outbox.start()
  assert.equal((await outbox.send(draft())).state, 'stored')
  assert.deepEqual(tried, ['seal', 'direct', 'seal', 'direct', 'gossip', 'mailbox'])
  await outbox.stop()
})

test('a recipient that is unknown is looked up again; what can never be sealed fails', async () => {
  const unasked = AgentError.RECORD_UNCERTAIN({ address: BOB, answered: 0, failed: 0 })
  const failures = [unasked, MessageError.RECIPIENT_UNKNOWN({ to: BOB })]
  const { outbox, clock, states } = setup({
    async seal() {
      const error = failures.pop()
      if (error !== undefined) throw error
    },
    direct: async (sealed, of) => receiptOf(sealed, of),
  })
  await outbox.start()
  const delivery = await outbox.send(draft())
  assert.match(delivery.reason ?? '', /Cannot reach agent/)
  await clock.advance(1_500)
  assert.deepEqual(states(), ['queued'])
  await clock.advance(3_000)
  assert.deepEqual(states(), ['queued', 'delivered'])
  await outbox.stop()

  const hopeless = MessageError.MESSAGE_TOO_LARGE({ size: 2, limit: 1, how: 'at all' })
  const never = setup({ seal: async () => Promise.reject(hopeless) })
  await never.outbox.start()
  assert.equal((await never.outbox.send(draft())).state, 'failed')
  await never.outbox.stop()
})

test('a receipt counts only from the recipient, for what was sent to it', async () => {
  const { outbox, states, sealedOf } = setup({ gossip: true })
  await outbox.start()
  const one = draft()
  await outbox.send(one)
  const sealed = sealedOf.get(one.id)
  assert.ok(sealed)
  const good = receiptOf(sealed, one.id)
  const isForeign = (error: unknown) => hasCode(error, 'AGENT_RECEIPT_FOREIGN')
  assert.throws(() => outbox.confirm({ ...good, from: { peer: EVE } }), isForeign)
  assert.throws(() => outbox.confirm({ ...good, hash: new Uint8Array(32) }), isForeign)
  assert.throws(() => outbox.confirm({ ...good, of: 'ff'.repeat(16) }), isForeign)
  assert.deepEqual(states(), ['queued', 'sent'])
  outbox.confirm(good)
  assert.deepEqual(states(), ['queued', 'sent', 'delivered'])
  await outbox.stop()
})

test('what was queued when the node stopped goes on in the next run, with the same id', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-outbox-'))
  const file = join(folder, 'outbox.sqlite')
  try {
    const first = setup({ file })
    await first.outbox.start()
    const one = draft({ conversation: 'c', contentType: 'text/plain', replyTo: 'ab'.repeat(16) })
    await first.outbox.send(one)
    await first.outbox.stop()
    first.store.close()

    let sent: Draft | undefined
    const clock = new FakeClock(START_MS + 10_000)
    const second = setup({
      file,
      clock,
      async direct(sealed, of) {
        sent = second.store.whole(of)?.draft
        return receiptOf(sealed, of)
      },
    })
    await second.outbox.start()
    await clock.advance(1)
    assert.deepEqual(sent, one)
    assert.deepEqual(
      second.told.map(({ id, state }) => [id, state]),
      [[one.id, 'delivered']],
    )
    // It was sealed in the first run, and that is still good.
    assert.deepEqual(second.tried, ['direct'])
    await second.outbox.stop()
    second.store.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('who was away is not dialled by every message, and is when it is back', async () => {
  let isThere = false
  const { outbox, clock, tried, states } = setup({
    async direct(sealed, of) {
      if (!isThere) throw coded('NET_DIAL_FAILED', { remote: false })
      return receiptOf(sealed, of)
    },
  })
  await outbox.start()
  for (let n = 0; n < 10; n += 1) await outbox.send(draft())
  assert.equal(tried.filter((way) => way === 'direct').length, 1)
  isThere = true
  outbox.isBack(EVE)
  await clock.advance(1)
  assert.equal(outbox.open, 10)
  outbox.isBack(BOB)
  await clock.advance(1)
  assert.equal(outbox.open, 0)
  assert.equal(states().filter((state) => state === 'delivered').length, 10)
  await outbox.stop()
})

test('a stream to a peer brings on what found none a while ago, and nothing else', async () => {
  let isThere = false
  const { outbox, clock, states } = setup({
    async direct(sealed, of) {
      if (!isThere) throw coded('NET_DIAL_FAILED', { remote: false })
      return receiptOf(sealed, of)
    },
  })
  await outbox.start()
  await outbox.send(draft())
  for (let n = 0; n < 6; n += 1) await clock.advance(60_000)
  isThere = true
  outbox.reached(EVE)
  await clock.advance(1)
  assert.equal(outbox.open, 1)
  outbox.reached(BOB)
  await clock.advance(1)
  assert.equal(outbox.open, 0)
  assert.equal(states().at(-1), 'delivered')
  await outbox.stop()
})

test('no more wait than the limits say, by number and by bytes', async () => {
  const isFull = (error: unknown) => hasCode(error, 'AGENT_OUTBOX_FULL')
  const few = setup({ limits: { outboxMessagesMax: 2 } })
  await few.outbox.start()
  await few.outbox.send(draft())
  await few.outbox.send(draft())
  await assert.rejects(few.outbox.send(draft()), isFull)
  await few.outbox.stop()
  const small = setup({ limits: { outboxBytesMax: 10_000 } })
  await small.outbox.start()
  await assert.rejects(small.outbox.send(draft({ body: new Uint8Array(5_001) })), isFull)
  await small.outbox.stop()
})

test('whoever stops waiting does not stop the message; a stop ends all waiting', async () => {
  const hang = Promise.withResolvers<void>()
  const { outbox, states, clock } = setup({
    seal: () => hang.promise,
    direct: async (sealed, of) => receiptOf(sealed, of),
  })
  await outbox.start()
  const aborter = new AbortController()
  const sending = outbox.send(draft(), aborter.signal)
  const other = outbox.send(draft())
  aborter.abort()
  assert.equal((await sending).state, 'queued')
  const stopping = outbox.stop()
  assert.equal((await other).state, 'queued')
  hang.resolve()
  await stopping
  assert.deepEqual(states().slice(0, 2), ['queued', 'queued'])
  await assert.rejects(outbox.send(draft()))
  assert.equal(clock.waiting, 0)
})

test('whatever the ways do, each message passes through states forward only', async () => {
  const step = fc.constantFrom('ok', 'away', 'later', 'refused', 'reseal')
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 8 }),
      fc.boolean(),
      fc.nat(2),
      async (steps, gossip, stored) => {
        const left = [...steps]
        const parts = setup({
          gossip,
          stored,
          async direct(sealed, of) {
            const now = left.shift() ?? 'away'
            if (now === 'ok') return receiptOf(sealed, of)
            if (now === 'later') throw coded('AGENT_SENDER_RATE', { retryable: true })
            if (now === 'refused') throw coded('AGENT_SENDER_REFUSED')
            if (now === 'reseal') throw coded('AGENT_PRE_KEY_GONE')
            throw coded('NET_DIAL_FAILED', { remote: false })
          },
        })
        await parts.outbox.start()
        await parts.outbox.send(draft())
        await parts.clock.advance(3_700_000)
        await parts.outbox.stop()
        const states = parts.states()
        for (const [i, state] of states.slice(1).entries()) {
          const before = states[i]
          assert.ok(before !== undefined && mayFollow(before, state), states.join(' '))
        }
        const last = states.at(-1) ?? 'queued'
        assert.ok(DELIVERY_STATES.indexOf(last) >= 3, `${last} is no end`)
        assert.equal(parts.clock.waiting, 0)
      },
    ),
    { numRuns: 40 },
  )
})

test("a message that could not be written is refused, and is nobody's, whatever became of it", async () => {
  const { outbox, told, store, clock } = setup({
    direct: async (sealed, of) => receiptOf(sealed, of),
  })
  await outbox.start()
  const one = draft()
  await outbox.send(one)
  await clock.advance(1)
  // An id that is there already stands for a disk that is full.
  const isFile = (error: unknown) => hasCode(error, 'AGENT_MESSAGES_FILE')
  await assert.rejects(outbox.send(one), isFile)
  assert.deepEqual(
    told.map(({ state }) => state),
    ['queued', 'delivered'],
  )
  assert.deepEqual([outbox.open, store.open], [0, { messages: 0, bytes: 0 }])
  await outbox.stop()
})
