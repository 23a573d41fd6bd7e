import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { hasCode, toHex, utf8 } from '../base/index.ts'
import { ethAddress, type PeerId, signerFromSeed } from '../identity/index.ts'
import type { AgentMessage, Incoming } from './agent-message.ts'
import { Inbox, type InboxLimits } from './inbox.ts'
import { InboxStore, ROW_BYTES } from './inbox-store.ts'

const START_MS = 1_800_000_000_000
const peerOf = (n: number): PeerId => signerFromSeed(new Uint8Array(32).fill(n)).peer
const ANN = peerOf(1)
const BOB = peerOf(2)
const ADDRESS = ethAddress('0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed')
const LIMITS: InboxLimits = {
  inboxMessagesMax: 100,
  inboxBytesMax: 1_000_000,
  seenMax: 1_000,
  senderPerSecond: 10,
}

let made = 0
function message(over: Partial<Incoming> = {}): Incoming {
  made += 1
  return {
    id: made.toString(16).padStart(32, '0'),
    from: { peer: ANN },
    to: BOB,
    body: utf8(`body ${made}`),
    sentAt: START_MS,
    broadcast: false,
    route: 'direct',
    expiresAt: START_MS + 3_600_000,
    hash: new Uint8Array(32).fill(made),
    ...over,
  }
}

/** An inbox in memory, or over a file; `told` is what it told. */
function setup(
  limits: Partial<InboxLimits> = {},
  { file = ':memory:', clock = new FakeClock() } = {},
) {
  if (clock.now() === 0) void clock.advance(START_MS)
  const store = new InboxStore(file)
  const told: AgentMessage[] = []
  const deps = { store, clock, told: (one: AgentMessage) => void told.push(one) }
  return { inbox: new Inbox(deps, { ...LIMITS, ...limits }), store, clock, told }
}

async function started(limits: Partial<InboxLimits> = {}) {
  const parts = setup(limits, { clock: new FakeClock(START_MS) })
  return parts
}

test('a message is taken once, told of, and listed newest first', async () => {
  const { inbox, told } = await started()
  const [one, two] = [message({ conversation: 'c', contentType: 'text/plain' }), message()]
  assert.equal(inbox.take(one)?.id, one.id)
  assert.equal(inbox.take(two)?.read, false)
  assert.equal(inbox.take(one), undefined)
  assert.equal(inbox.has(ANN, one.id), true)
  assert.deepEqual(
    told.map(({ id }) => id),
    [one.id, two.id],
  )
  const { messages, cursor } = inbox.list()
  assert.deepEqual(
    messages.map(({ id }) => id),
    [two.id, one.id],
  )
  assert.equal(cursor, undefined)
  assert.deepEqual(messages[1], told[0])
})

test('the id of one sender says nothing of the same id of another', async () => {
  const { inbox } = await started()
  const one = message()
  const other = message({ id: one.id, from: { peer: BOB, address: ADDRESS } })
  assert.ok(inbox.take(one))
  assert.ok(inbox.take(other))
  const read = inbox.read(one.id)
  assert.deepEqual(
    read.map(({ message: { from }, wasRead }) => [from, wasRead]),
    [
      [{ peer: ANN }, false],
      [{ peer: BOB, address: ADDRESS }, false],
    ],
  )
  assert.deepEqual(read[0]?.hash, one.hash)
  assert.equal(inbox.read(one.id)[0]?.wasRead, true)
  assert.throws(
    () => inbox.read('00'),
    (error) => hasCode(error, 'AGENT_MESSAGE_UNKNOWN'),
  )
})

test('what was taken does not come back: not after 121 s, nor after a restart, until it expired', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-inbox-'))
  const file = join(folder, 'inbox.sqlite')
  try {
    const clock = new FakeClock(START_MS)
    const first = setup({}, { file, clock })
    const one = message({ expiresAt: START_MS + 600_000 })
    assert.ok(first.inbox.take(one))
    await clock.advance(121_000)
    assert.equal(first.inbox.take(one), undefined)
    first.store.close()
    const second = setup({}, { file, clock })
    assert.equal(second.inbox.take(one), undefined)
    assert.deepEqual(
      second.inbox.list().messages.map(({ id }) => id),
      [one.id],
    )
    // Past its expiry and what clocks may differ by, its time refuses it and the id is forgotten.
    await clock.advance(600_000)
    second.inbox.take(message())
    assert.equal(second.inbox.has(ANN, one.id), false)
    second.store.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('pages join without gap or repeat', async () => {
  const { inbox } = await started()
  const ids = Array.from({ length: 25 }, () => inbox.take(message())?.id)
  const listed: string[] = []
  let cursor: number | undefined
  do {
    const page = inbox.list({ limit: 7, ...(cursor !== undefined && { cursor }) })
    assert.ok(page.messages.length <= 7)
    listed.push(...page.messages.map(({ id }) => id))
    cursor = page.cursor
  } while (cursor !== undefined)
  assert.deepEqual(listed, ids.toReversed())
  assert.throws(
    () => inbox.list({ limit: 0 }),
    (error) => hasCode(error, 'AGENT_MESSAGE_OPTION'),
  )
})

test('a page of large bodies ends early', async () => {
  const { inbox } = await started({ inboxBytesMax: 100_000_000 })
  for (let n = 0; n < 12; n += 1) inbox.take(message({ body: new Uint8Array(500_000) }))
  const { messages, cursor } = inbox.list()
  assert.equal(messages.length, 8)
  assert.equal(cursor, messages.at(-1)?.cursor)
})

test('a list is narrowed by sender, conversation, time and words', async () => {
  const { inbox, clock } = await started()
  const bound = { peer: BOB, address: ADDRESS }
  const hello = inbox.take(message({ body: utf8('Hello, "brave" new world'), conversation: 'x' }))
  await clock.advance(1_000)
  const other = inbox.take(message({ from: bound, body: utf8('nothing of the kind') }))
  inbox.take(message({ from: bound, body: Uint8Array.of(0xff, 0xfe) }))
  const found = (options: Parameters<Inbox['list']>[0]) =>
    inbox.list(options).messages.map(({ id }) => id)
  assert.deepEqual(found({ text: 'hel BRAVE' }), [hello?.id])
  assert.deepEqual(found({ text: 'world OR kind' }), [])
  assert.deepEqual(found({ text: '"*:' }), [])
  assert.deepEqual(found({ conversation: 'x' }), [hello?.id])
  assert.deepEqual(found({ from: ANN }), [hello?.id])
  const lower = ethAddress(ADDRESS.toLowerCase())
  assert.equal(found({ from: lower }).length, 2)
  assert.deepEqual(found({ from: ADDRESS, text: 'kind' }), [other?.id])
  assert.equal(found({ since: START_MS + 1_000 }).length, 2)
})

test('wait() gives the next that fits, or one that came after a cursor', async () => {
  const { inbox } = await started()
  const early = inbox.take(message())
  const next = inbox.wait({ conversation: 'here' })
  inbox.take(message())
  const fitting = inbox.take(message({ conversation: 'here' }))
  assert.deepEqual(await next, fitting)
  assert.deepEqual((await inbox.wait({ after: 0 })).id, early?.id)
  assert.deepEqual(
    (await inbox.wait({ after: early?.cursor ?? 0, conversation: 'here' })).id,
    fitting?.id,
  )
  const signal = AbortSignal.abort(new TypeError('enough'))
  await assert.rejects(inbox.wait({ signal }), /enough/)
  const aborter = new AbortController()
  const waiting = inbox.wait({ signal: aborter.signal })
  aborter.abort(new TypeError('enough'))
  await assert.rejects(waiting, /enough/)
})

test('wait() passes over what was read, up to the message that it is given', async () => {
  const { inbox } = await started()
  const [one, two, three, four] = Array.from({ length: 4 }, () => inbox.take(message()))
  for (const each of [one, three, four]) inbox.read(each?.id ?? '')
  const unreadUpTo = three?.cursor ?? 0
  const next = async (after: number) => (await inbox.wait({ after, unreadUpTo })).id
  assert.equal(await next(0), two?.id)
  assert.equal(await next(two?.cursor ?? 0), four?.id)
  inbox.read(two?.id ?? '')
  assert.equal(await next(0), four?.id)
})

test('wait() gives messages of one moment in their order, and none of them twice', async () => {
  const { inbox } = await started()
  const heard: string[] = []
  const ended = new AbortController()
  const reading = (async () => {
    for (let after = 0; ; ) {
      const { id, cursor } = await inbox.wait({ after, signal: ended.signal })
      heard.push(id)
      after = cursor
    }
  })()
  // It is told when all of its turn is written; the second is told at once.
  const first = inbox.takeNew(message())
  const second = inbox.take(message())
  const { id } = await first
  await turn()
  assert.deepEqual(heard, [id, second?.id])
  ended.abort(new TypeError('enough'))
  await assert.rejects(reading, /enough/)
})

test('no more than 256 wait at once', async () => {
  const { inbox } = await started()
  const aborter = new AbortController()
  const { signal } = aborter
  const waiting = Array.from({ length: 256 }, () => inbox.wait({ signal }))
  await assert.rejects(inbox.wait({ signal }), (error) => hasCode(error, 'AGENT_INBOX_WAITING'))
  aborter.abort(new TypeError('enough'))
  assert.equal((await Promise.allSettled(waiting)).length, 256)
  const after = inbox.wait()
  inbox.take(message())
  assert.ok(await after)
})

test('one sender may send at its rate, and others still do', async () => {
  const { inbox, clock } = await started({ senderPerSecond: 2 })
  for (let n = 0; n < 20; n += 1) inbox.admit({ peer: ANN })
  const isRate = (error: unknown) => hasCode(error, 'AGENT_SENDER_RATE')
  assert.throws(() => inbox.admit({ peer: ANN }), isRate)
  inbox.admit({ peer: BOB })
  await clock.advance(500)
  inbox.admit({ peer: ANN })
  assert.throws(() => inbox.admit({ peer: ANN }), isRate)
})

test('strangers together use up their part of the rate, and whom we wrote to still gets through', async () => {
  const { inbox, clock } = await started({ senderPerSecond: 2 })
  inbox.know(BOB)
  const isRate = (error: unknown) => hasCode(error, 'AGENT_SENDER_RATE')
  for (let n = 0; n < 150; n += 1) inbox.admit({ peer: peerOf(10 + (n % 15)) })
  assert.throws(() => inbox.admit({ peer: ANN }), isRate)
  inbox.admit({ peer: ANN }, true)
  inbox.admit({ peer: BOB })
  await clock.advance(100)
  inbox.admit({ peer: ANN })
})

test('one sender fills a quarter; what was read makes room, oldest first', async () => {
  const { inbox } = await started({ inboxMessagesMax: 16 })
  const mine = Array.from({ length: 4 }, () => inbox.take(message()))
  const isFull = (error: unknown) => hasCode(error, 'AGENT_INBOX_FULL')
  const more = message()
  assert.throws(() => inbox.take(more), isFull)
  // What was refused may come again.
  assert.equal(inbox.has(ANN, more.id), false)
  assert.ok(inbox.take(message({ from: { peer: BOB } })))
  inbox.read(mine[2]?.id ?? '')
  inbox.read(mine[1]?.id ?? '')
  assert.ok(inbox.take(more))
  const left = inbox.list({ from: ANN }).messages.map(({ id }) => id)
  assert.deepEqual(left, [more.id, mine[3]?.id, mine[2]?.id, mine[0]?.id])
  assert.deepEqual(
    inbox.list({ text: '1' }).messages.filter(({ id }) => id === mine[1]?.id),
    [],
  )
})

test('a flood of broadcasts drives out broadcasts, and nothing that was sent to us', async () => {
  const { inbox } = await started({ inboxMessagesMax: 40 })
  const direct = Array.from({ length: 10 }, () => inbox.take(message())?.id)
  for (let n = 3; n < 10; n += 1) {
    for (let of = 0; of < 20; of += 1) {
      inbox.take(message({ from: { peer: peerOf(n) }, broadcast: true, to: '*' }))
    }
  }
  const all = inbox.list({ limit: 200 }).messages
  assert.equal(all.length, 30, 'of strangers, and the rest is for others')
  for (const id of direct) assert.ok(all.some((one) => one.id === id))
})

test('strangers together leave room for whom we wrote to and who has an entry, also after a restart', () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-inbox-'))
  try {
    const file = join(folder, 'inbox.sqlite')
    const first = setup({ inboxMessagesMax: 40 }, { file })
    const isFull = (error: unknown) => hasCode(error, 'AGENT_INBOX_FULL')
    const from = (n: number, address?: typeof ADDRESS) => {
      return message({ from: { peer: peerOf(n), ...(address && { address }) } })
    }
    for (let n = 3; n < 6; n += 1) for (let i = 0; i < 10; i += 1) first.inbox.take(from(n))
    assert.throws(() => first.inbox.take(from(6)), isFull, 'a fourth stranger')
    assert.ok(first.inbox.take(from(6), true), 'with an entry in the registry')
    first.inbox.know(BOB)
    first.inbox.know(ADDRESS.toLowerCase())
    assert.ok(first.inbox.take(message({ from: { peer: BOB } })))
    assert.ok(first.inbox.take(from(7, ADDRESS)))
    // What lies here of a peer that we write to is no more that of a stranger.
    first.inbox.know(peerOf(3))
    assert.equal(first.store.of('strangers').messages, 21)
    assert.ok(first.inbox.take(from(8)))
    first.store.close()
    const second = setup({ inboxMessagesMax: 40 }, { file })
    assert.equal(second.store.of('strangers').messages, 22)
    assert.ok(second.inbox.take(from(7)), 'its peer is known by its address')
    assert.ok(second.inbox.take(message({ from: { peer: BOB } })))
    second.store.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('strangers drive out what was read of strangers, and ids of theirs are bounded', () => {
  const { inbox, store } = setup({ inboxMessagesMax: 16, seenMax: 20 })
  inbox.know(BOB)
  const kept = inbox.take(message({ from: { peer: BOB } }))
  inbox.read(kept?.id ?? '')
  for (let n = 3; n < 6; n += 1) {
    for (let i = 0; i < 4; i += 1) {
      inbox.read(inbox.take(message({ from: { peer: peerOf(n) } }))?.id ?? '')
    }
  }
  for (let i = 0; i < 3; i += 1) assert.ok(inbox.take(message({ from: { peer: peerOf(6) } })))
  assert.equal(store.of('strangers').messages, 12)
  assert.equal(inbox.list({ from: BOB }).messages.length, 1)
  const more = () => inbox.take(message({ from: { peer: peerOf(7) } }))
  assert.throws(more, (error) => hasCode(error, 'AGENT_INBOX_FULL') && /15 ids of/.test(`${error}`))
  assert.ok(inbox.take(message({ from: { peer: BOB } })))
})

test('ids of one sender are bounded as well, though it is read at once', async () => {
  const { inbox } = await started({ seenMax: 40 })
  for (let n = 0; n < 10; n += 1) inbox.read(inbox.take(message())?.id ?? '')
  assert.throws(
    () => inbox.take(message()),
    (error) => hasCode(error, 'AGENT_INBOX_FULL'),
  )
})

test('whatever comes, counts and bytes stay in their bounds and agree with the file', async () => {
  const sends = fc.array(
    fc.record({
      peer: fc.integer({ min: 1, max: 5 }),
      size: fc.nat(3_000),
      broadcast: fc.boolean(),
      read: fc.boolean(),
      isKnown: fc.boolean(),
    }),
    { maxLength: 60 },
  )
  await fc.assert(
    fc.asyncProperty(sends, async (all) => {
      const limits = { inboxMessagesMax: 12, inboxBytesMax: 24_000 }
      const { inbox, store } = await started(limits)
      for (const { peer, size, broadcast, read, isKnown } of all) {
        if (isKnown && peer < 3) inbox.know(peerOf(peer))
        const one = message({ from: { peer: peerOf(peer) }, body: new Uint8Array(size), broadcast })
        try {
          inbox.take(one)
          if (read) inbox.read(one.id)
        } catch (error) {
          assert.ok(hasCode(error, 'AGENT_INBOX_FULL'))
        }
        const listed = [...store.find({}, {})]
        const bytes = listed.reduce((sum, { body }) => sum + body.length + ROW_BYTES, 0)
        assert.deepEqual([store.all.messages, store.all.bytes], [listed.length, bytes])
        assert.ok(listed.length <= 12 && bytes <= 24_000)
        const strange = listed.filter(({ from }) => !store.isKnown(from, START_MS))
        const sum = strange.reduce((before, { body }) => before + body.length + ROW_BYTES, 0)
        const { messages: found, bytes: size9 } = store.of('strangers')
        assert.deepEqual([found, size9], [strange.length, sum])
        assert.ok(found <= 9 && sum <= 18_000)
        for (const who of [1, 2, 3, 4, 5]) {
          assert.ok(store.of(peerOf(who)).messages <= 3 && store.of(peerOf(who)).bytes <= 6_000)
        }
      }
      store.close()
    }),
    { numRuns: 30 },
  )
})

test('a file that is no database is named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-inbox-'))
  try {
    assert.throws(
      () => new InboxStore(folder),
      (error) => hasCode(error, 'AGENT_MESSAGES_FILE'),
    )
    assert.equal(toHex(message().hash).length, 64)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what comes in one turn is kept together, and nobody is told before it is', async () => {
  const { inbox, store, told } = await started()
  const [one, two] = [message(), message({ from: { peer: BOB } })]
  const taking = [inbox.takeNew(one), inbox.takeNew(two)]
  assert.deepEqual([inbox.has(ANN, one.id), inbox.has(BOB, one.id)], [true, false])
  assert.deepEqual([told.length, store.all.messages, inbox.taken], [0, 2, 2])
  const taken = await Promise.all(taking)
  assert.deepEqual(told, taken)
  assert.equal(inbox.take(one), undefined)
  await inbox.written()
  assert.deepEqual(inbox.list().messages, taken.toReversed())
})

test('what could not be kept was not taken: nobody is told, and it may come again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-inbox-'))
  const file = join(folder, 'inbox.sqlite')
  try {
    const { inbox, store, told } = setup({}, { file, clock: new FakeClock(START_MS) })
    const other = new DatabaseSync(file)
    other.exec(`CREATE TRIGGER full BEFORE INSERT ON message BEGIN
                  SELECT RAISE(ABORT, 'disk full'); END`)
    const one = message()
    const isFile = (error: unknown) => hasCode(error, 'AGENT_MESSAGES_FILE')
    const sooner = assert.rejects(inbox.takeNew(one), isFile)
    assert.throws(() => inbox.list(), isFile)
    // Whoever asks before the one who waits has heard of it is not told that it is here.
    assert.equal(inbox.has(ANN, one.id), false)
    await sooner
    const taking = assert.rejects(inbox.takeNew(one), isFile)
    // A copy is as little confirmed as the first.
    const copy = assert.rejects(inbox.written(), isFile)
    await Promise.all([taking, copy])
    assert.throws(() => inbox.take(one), isFile)
    const nothing = { messages: 0, bytes: 0, seen: 0 }
    assert.deepEqual([inbox.has(ANN, one.id), told, store.all], [false, [], nothing])
    other.exec('DROP TRIGGER full')
    other.close()
    assert.equal((await inbox.takeNew(one)).id, one.id)
    assert.deepEqual([store.all.messages, told.length], [1, 1])
    store.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('words of messages that a process took with it are found in the next run', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-inbox-'))
  const names = ['inbox.sqlite', 'inbox.sqlite-wal']
  try {
    const clock = new FakeClock(START_MS)
    const first = setup({}, { file: join(folder, names[0] ?? ''), clock })
    first.inbox.take(message({ body: utf8('early bird') }))
    assert.equal(first.inbox.list({ text: 'bird' }).messages.length, 1)
    first.inbox.take(message({ body: Uint8Array.of(0xff) }))
    first.inbox.take(message({ body: utf8('late bird') }))
    // As a process leaves it that ends without a word.
    for (const name of names) cpSync(join(folder, name), join(folder, 'left', name))
    first.store.close()
    const second = setup({}, { file: join(folder, 'left', names[0] ?? ''), clock })
    assert.equal(second.inbox.list({ text: 'bird' }).messages.length, 2)
    assert.equal(second.inbox.list({ text: 'late' }).messages.length, 1)
    second.store.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a clock that is ahead for a while and set back takes nothing twice', async () => {
  let aheadMs = 0
  const clock = new FakeClock(START_MS)
  const jumping = Object.create(clock, { now: { value: () => clock.now() + aheadMs } }) as FakeClock
  const { inbox } = setup({}, { file: ':memory:', clock: jumping })
  const one = message({ expiresAt: START_MS + 600_000 })
  assert.ok(inbox.take(one))
  aheadMs = 3_600_000
  inbox.take(message({ expiresAt: START_MS + 86_400_000 }))
  aheadMs = 0
  assert.throws(
    () => inbox.take(one),
    (error) => hasCode(error, 'AGENT_CLOCK_BACK'),
  )
  assert.ok(inbox.take(message({ expiresAt: START_MS + 86_400_000 })))
  // As soon as it would have expired everywhere, its own time refuses it.
  await clock.advance(3_600_001)
  assert.ok(inbox.take(message({ expiresAt: START_MS + 3_700_000 })))
})

test('an id is remembered two minutes longer than its message lives: clocks differ', async () => {
  const clock = new FakeClock(START_MS)
  const { inbox } = setup({}, { clock })
  const one = message({ expiresAt: START_MS + 60_000 })
  inbox.take(one)
  await clock.advance(170_000)
  inbox.take(message())
  assert.equal(inbox.has(ANN, one.id), true)
  await clock.advance(70_000)
  inbox.take(message())
  assert.equal(inbox.has(ANN, one.id), false)
})
