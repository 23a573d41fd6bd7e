import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import {
  boundTo,
  envelopeOf,
  HOUR_MS,
  type MailOptions,
  NETWORK,
  nodeOf,
} from '../../test/support/mail.ts'
import { solveWork } from '../access/index.ts'
import { Registry, silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Serve } from '../rpc/index.ts'
import type { Cbor } from '../wire/index.ts'
import { KeptMail } from './kept-mail.ts'
import { MailboxHandler, type MailboxHandlerDeps } from './mailbox-handler.ts'
import {
  type Addressee,
  mailHash,
  packAck,
  packPut,
  packTake,
  readPage,
  readPutAnswer,
  WORK_BITS_MIN,
  workOn,
} from './mailbox-protocol.ts'
import { MailStore } from './mailbox-store.ts'
import { mailMetrics } from './metrics.ts'
import { LIFE_MS_MAX } from './protocol.ts'

const KEEPER = nodeOf(1_000).peer
const BOB = nodeOf(50).peer

function setup(
  options: { file?: string; messages?: number; deps?: Partial<MailboxHandlerDeps> } = {},
) {
  const clock = new FakeClock()
  const registry = new Registry()
  const methods = new Map<string, Serve>()
  const limits = { mailboxMessagesMax: options.messages ?? 1_600, mailboxBytesMax: 2 ** 26 }
  const handler = new MailboxHandler({
    server: { handle: (method, serve) => void methods.set(method, serve) },
    kept: () => new KeptMail(new MailStore(options.file ?? ':memory:'), limits),
    self: KEEPER,
    network: NETWORK,
    isNear: () => true,
    originOf: (peer) => peer,
    clock,
    log: silentLog,
    metrics: mailMetrics(registry),
    ...options.deps,
  })
  const { signal } = new AbortController()
  const call = (method: string, payload: Cbor, peer: PeerId) => {
    return methods.get(method)?.(payload, { peer, signal }) ?? assert.fail(method)
  }
  const put = async (said: MailOptions, by = nodeOf(said.from ?? 0).peer, bits = WORK_BITS_MIN) => {
    const envelope = await envelopeOf({ nowMs: clock.now(), ...said })
    const work = bits === 0 ? 0 : await solveWork(workOn(envelope), bits)
    return readPutAnswer(await call('mailbox.put', packPut({ envelope, work }), by))
  }
  const take = async (to: Addressee, by: PeerId, binding: Uint8Array | null = null, after = 0) => {
    return readPage(await call('mailbox.take', packTake({ to, binding, after }), by), after)
  }
  return { clock, registry, handler, call, put, take }
}

test('what is put for a peer is given to it, and gone when it says that it has it', async () => {
  const { put, take, call, registry } = setup()
  assert.deepEqual(await put({ to: BOB, bytes: 5_000 }), { kind: 'kept', expiresMs: HOUR_MS })
  const { mails, more } = await take(BOB, BOB)
  assert.deepEqual(mails[0]?.envelope, await envelopeOf({ to: BOB, bytes: 5_000 }))
  assert.equal(more, false)
  const hashes = mails.map(({ envelope }) => mailHash(envelope))
  const ack = packAck({ to: BOB, binding: null, hashes })
  assert.equal(await call('mailbox.ack', ack, BOB), 1)
  // Said again it changes nothing.
  assert.equal(await call('mailbox.ack', ack, BOB), 0)
  assert.deepEqual((await take(BOB, BOB)).mails, [])
  assert.equal(await registry.total('p2p_agent_mail_puts', { outcome: 'kept' }), 1)
  assert.equal(await registry.total('p2p_agent_mail_taken'), 1)
})

test('an ack that is repeated takes nothing that came later', async () => {
  const { put, take, call } = setup()
  await put({ to: BOB, id: 1 })
  const [first] = (await take(BOB, BOB)).mails
  const hashes = [mailHash(first?.envelope ?? assert.fail())]
  await call('mailbox.ack', packAck({ to: BOB, binding: null, hashes }), BOB)
  await put({ to: BOB, id: 2 })
  assert.equal(await call('mailbox.ack', packAck({ to: BOB, binding: null, hashes }), BOB), 0)
  assert.equal((await take(BOB, BOB)).mails.length, 1)
})

test('put again it is kept once, without new work', async () => {
  const { put, take, clock } = setup()
  await put({ to: BOB, nowMs: 0 })
  await clock.advance(1_000)
  assert.equal((await put({ to: BOB, nowMs: 0 }, nodeOf(0).peer, 0)).kind, 'kept')
  assert.equal((await take(BOB, BOB)).mails.length, 1)
})

test('messages for an address go to the peer that it speaks through, and to nobody else', async () => {
  const { put, take, clock } = setup()
  await clock.advance(1_000)
  const { address, binding } = await boundTo(50, clock.now(), 900)
  await put({ to: address })
  assert.equal((await take(address, BOB, binding)).mails.length, 1)
  const refused = coded('AGENT_MAIL_NOT_YOURS')
  await assert.rejects(take(address, BOB), refused)
  await assert.rejects(take(address, nodeOf(51).peer, binding), refused)
  await assert.rejects(take(BOB, nodeOf(51).peer), refused)
  await assert.rejects(take(BOB, nodeOf(51).peer, binding), refused)
  const forged = Uint8Array.from(binding)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  await assert.rejects(take(address, BOB, forged), coded('IDENTITY_BINDING_INVALID'))
})

test('an address that moved to another peer is no more served to the old one', async () => {
  const { put, take, clock } = setup()
  await clock.advance(1_000)
  const old = await boundTo(50, clock.now(), 500)
  const next = await boundTo(51, clock.now(), 600)
  await put({ to: old.address })
  await take(old.address, BOB, old.binding)
  assert.equal((await take(old.address, nodeOf(51).peer, next.binding)).mails.length, 1)
  await assert.rejects(take(old.address, BOB, old.binding), coded('AGENT_MAIL_NOT_YOURS'))
  await clock.advance(25 * HOUR_MS)
  const late = take(old.address, nodeOf(51).peer, next.binding)
  await assert.rejects(late, coded('IDENTITY_BINDING_INVALID'))
})

test('nobody asks away what is for another', async () => {
  const { put, take, call } = setup()
  await put({ to: BOB })
  const hashes = [mailHash((await take(BOB, BOB)).mails[0]?.envelope ?? assert.fail())]
  const thief = nodeOf(51).peer
  const ofBob = packAck({ to: BOB, binding: null, hashes })
  await assert.rejects(call('mailbox.ack', ofBob, thief), coded('AGENT_MAIL_NOT_YOURS'))
  assert.equal(await call('mailbox.ack', packAck({ to: thief, binding: null, hashes }), thief), 0)
  assert.equal((await take(BOB, BOB)).mails.length, 1)
})

test('put() refuses what is expired, from the future, of another network or for everybody', async () => {
  const { put, clock, registry } = setup()
  await clock.advance(2 * HOUR_MS)
  await assert.rejects(put({ to: BOB, nowMs: HOUR_MS }), coded('AGENT_EXPIRED'))
  const ahead = clock.now() + 61_000
  await assert.rejects(put({ to: BOB, nowMs: ahead }), coded('AGENT_FROM_FUTURE'))
  await assert.rejects(put({ to: BOB, network: 'other' }), coded('AGENT_OTHER_NETWORK'))
  await assert.rejects(put({ to: null }), coded('AGENT_MAIL_NOT_KEPT_HERE'))
  await assert.rejects(put({ to: KEEPER }), coded('AGENT_MAIL_NOT_KEPT_HERE'))
  assert.equal(await registry.total('p2p_agent_mail_puts', { outcome: 'refused' }), 5)
  assert.equal((await put({ to: BOB, lifeMs: LIFE_MS_MAX })).kind, 'kept')
})

test('put() refuses what another signed, what was changed, what is in the clear or too large', async () => {
  const { put, call } = setup()
  const sender = nodeOf(0).peer
  await assert.rejects(put({ to: BOB }, nodeOf(2).peer), coded('AGENT_MAIL_FOREIGN'))
  const envelope = await envelopeOf({ to: BOB })
  envelope[envelope.length - 1] = (envelope.at(-1) ?? 0) ^ 1
  const work = await solveWork(workOn(envelope), WORK_BITS_MIN)
  const changed = call('mailbox.put', packPut({ envelope, work }), sender)
  await assert.rejects(changed, coded('AGENT_SIGNATURE_INVALID'))
  const large = packPut({ envelope: new Uint8Array(600 * 1024), work: 0 })
  await assert.rejects(call('mailbox.put', large, sender), coded('AGENT_MAIL_MALFORMED'))
  const nonsense = packPut({ envelope: Uint8Array.of(0xff), work: 0 })
  await assert.rejects(call('mailbox.put', nonsense, sender), coded('AGENT_ENVELOPE_INVALID'))
})

test('a message whose body is in the clear is not kept', async () => {
  const { call } = setup()
  const envelope = await envelopeOf({ to: null, draft: { to: { peer: BOB } } })
  const work = await solveWork(workOn(envelope), WORK_BITS_MIN)
  const put = call('mailbox.put', packPut({ envelope, work }), nodeOf(0).peer)
  await assert.rejects(put, coded('AGENT_NOT_SEALED'))
})

test('put() says how much work is wanted, which rises as the room fills', async () => {
  const { put } = setup({ messages: 32 })
  const without = await put({ to: BOB, id: 3 }, nodeOf(0).peer, 0)
  assert.deepEqual(without, { kind: 'work', bits: WORK_BITS_MIN })
  for (let from = 0; from < 20; from += 1) {
    const to = nodeOf(100 + from).peer
    assert.equal((await put({ from, to })).kind, 'kept')
    if (from === 17) break
  }
  const more = await put({ from: 30, to: nodeOf(200).peer })
  assert.deepEqual(more, { kind: 'work', bits: WORK_BITS_MIN + 1 })
  assert.equal((await put({ from: 30, to: nodeOf(200).peer }, undefined, 13)).kind, 'kept')
})

test('put() refuses what lies far from this node', async () => {
  const { put } = setup({ deps: { isNear: () => false } })
  await assert.rejects(put({ to: BOB }), coded('AGENT_MAIL_NOT_KEPT_HERE'))
})

test('one peer that floods is told to wait, and others are served', async () => {
  const { call, clock } = setup()
  const question = packTake({ to: BOB, binding: null, after: 0 })
  for (let i = 0; i < 400; i += 1) await call('mailbox.take', question, BOB)
  await assert.rejects(call('mailbox.take', question, BOB), coded('AGENT_MAIL_RATE'))
  const other = nodeOf(51).peer
  await call('mailbox.take', packTake({ to: other, binding: null, after: 0 }), other)
  await clock.advance(1_000)
  await call('mailbox.take', question, BOB)
})

test('many peers that flood are bounded together', async () => {
  const { call } = setup()
  let refused = 0
  for (let i = 0; i < 4_100; i += 1) {
    const peer = nodeOf(i % 41).peer
    const question = packTake({ to: peer, binding: null, after: 0 })
    await call('mailbox.take', question, peer).catch((error: unknown) => {
      assert.ok(coded('AGENT_MAIL_RATE')(error))
      refused += 1
    })
  }
  assert.equal(refused, 100)
})

test('take() goes on after the number that it is told', async () => {
  const { put, take } = setup()
  for (let id = 0; id < 3; id += 1) await put({ to: BOB, id })
  const [first] = (await take(BOB, BOB)).mails
  const rest = await take(BOB, BOB, null, first?.number)
  assert.deepEqual([rest.mails.length, rest.more], [2, false])
})

test('what is kept outlives a restart, and is swept when its time is over', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-mail-'))
  try {
    const file = join(folder, 'mailbox.sqlite')
    const before = setup({ file })
    await before.handler.start()
    await before.put({ to: BOB })
    await before.handler.stop()
    const { handler, take, clock } = setup({ file })
    await handler.start()
    assert.equal((await take(BOB, BOB)).mails.length, 1)
    await clock.advance(HOUR_MS + 600_000)
    assert.equal((await take(BOB, BOB)).mails.length, 0)
    await handler.stop()
    assert.equal(clock.waiting, 0)
    assert.equal(new MailStore(file).all.mails, 0)
    await assert.rejects(take(BOB, BOB))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
