import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { boundTo, nodeOf } from '../../test/support/mail.ts'
import { Registry, silentLog, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Cbor } from '../wire/index.ts'
import { EnvelopeError } from './envelope-errors.ts'
import { IncomingMail, type SpokenFor } from './incoming-mail.ts'
import { mailHash, packPage, readAck, readTake } from './mailbox-protocol.ts'
import { MessageError } from './message-errors.ts'
import { mailMetrics } from './metrics.ts'

const SELF = nodeOf(0).peer
const [A, B, C] = [nodeOf(1).peer, nodeOf(2).peer, nodeOf(3).peer]
const { signal } = new AbortController()

interface World {
  /** What each keeper has for us; one that is not here does not answer. */
  readonly boxes: Map<PeerId, string[]>
  readonly spoken?: SpokenFor
  readonly take?: (text: string) => void
  /** Answers in place of a keeper. */
  readonly answer?: (keeper: PeerId, method: string, payload: Cbor) => Cbor
}

function setup({ boxes, spoken, take, answer }: World) {
  const taken: string[] = []
  const whose: string[] = []
  const asked: string[] = []
  const registry = new Registry()
  const serve = (keeper: PeerId, method: string, payload: Cbor): Cbor => {
    const box = boxes.get(keeper)
    if (box === undefined) throw new TypeError('gone')
    if (method === 'mailbox.take') {
      const { to, after } = readTake(payload)
      if (to !== SELF) return packPage({ mails: [], more: false })
      const numbered = box.map((text, i) => ({ number: i + 1, envelope: utf8(text) }))
      const rest = numbered.filter((mail) => mail.number > after && mail.envelope.length > 0)
      return packPage({ mails: rest.slice(0, 2), more: rest.length > 2 })
    }
    const gone = new Set(readAck(payload).hashes.map((hash) => hash.toString()))
    const left = box.map((text) => (gone.has(mailHash(utf8(text)).toString()) ? '' : text))
    boxes.set(keeper, left)
    return gone.size
  }
  const incoming = new IncomingMail({
    self: SELF,
    spokenFor: async () => spoken,
    keepers: {
      async find(to) {
        whose.push(to)
        return [...boxes.keys(), C]
      },
      async ask(keeper, method, payload) {
        asked.push(`${method} ${keeper}`)
        return (answer ?? serve)(keeper, method, payload)
      },
    },
    intake: {
      async take(envelope, { by }) {
        const text = String.fromCharCode(...envelope)
        take?.(text)
        assert.ok(by === A || by === B)
        taken.push(text)
      },
    },
    clock: new FakeClock(),
    log: silentLog,
    metrics: mailMetrics(registry),
  })
  return { incoming, taken, whose, asked, registry }
}

const leftAt = (boxes: World['boxes'], keeper: PeerId) => {
  return boxes.get(keeper)?.filter((text) => text !== '')
}

test('collect() takes each message once, from all pages of all keepers, and asks all away', async () => {
  const boxes = new Map([
    [A, ['one', 'two', 'three', 'four', 'five']],
    [B, ['two', 'six', 'one']],
  ])
  const { incoming, taken } = setup({ boxes })
  const { asked, answered, messages } = await incoming.collect(signal)
  assert.deepEqual([asked, answered, messages], [3, 2, 6])
  assert.deepEqual([...new Set(taken)].toSorted(), ['five', 'four', 'one', 'six', 'three', 'two'])
  assert.deepEqual(leftAt(boxes, A), [])
  assert.deepEqual(leftAt(boxes, B), [])
  const before = taken.length
  boxes.set(B, ['one'])
  assert.equal((await incoming.collect(signal)).messages, 0)
  // A copy that turns up later is asked away unread.
  assert.equal(taken.length, before)
  assert.deepEqual(leftAt(boxes, B), [])
})

test('what the inbox has no room for, or fails over, stays where it lies', async () => {
  const boxes = new Map([[A, ['one', 'full', 'broken', 'late']]])
  const take = (text: string) => {
    if (text === 'full') throw MessageError.INBOX_FULL({ limit: '1 message' })
    if (text === 'broken') throw MessageError.MESSAGES_FILE({ file: 'x', reason: 'disk full' })
  }
  const { incoming, taken, registry } = setup({ boxes, take })
  await incoming.collect(signal)
  assert.deepEqual(taken, ['one', 'late'])
  assert.deepEqual(leftAt(boxes, A), ['full', 'broken'])
  const later = { outcome: 'later' }
  assert.equal(await registry.total('p2p_agent_mail_collected', later), 2)
})

test('what can never be taken is asked away, and does no harm to the rest', async () => {
  const boxes = new Map([[A, ['forged', 'expired', 'blocked', 'good']]])
  const take = (text: string) => {
    if (text === 'blocked') throw MessageError.SENDER_REFUSED({ from: 'x', reason: 'blocked' })
    if (text === 'forged') throw EnvelopeError.SIGNATURE_INVALID({ from: 'somebody' })
    if (text === 'expired') throw EnvelopeError.EXPIRED({ agoMs: 1 })
  }
  const { incoming, taken } = setup({ boxes, take })
  assert.equal((await incoming.collect(signal)).messages, 1)
  assert.deepEqual(taken, ['good'])
  assert.deepEqual(leftAt(boxes, A), [])
})

test('collect() asks for our address too, with what proves it', async () => {
  const spoken = await boundTo(0, 0)
  const boxes = new Map([[A, ['one']]])
  const { incoming, whose, asked } = setup({ boxes, spoken })
  await incoming.collect(signal)
  assert.deepEqual(whose, [SELF, spoken.address])
  assert.equal(asked.filter((one) => one === `mailbox.take ${A}`).length, 2)
})

test('a keeper that speaks nonsense or never ends is left, and counts as silent', async () => {
  const boxes = new Map([[A, []]])
  const nonsense = setup({ boxes, answer: () => 'nonsense' })
  assert.equal((await nonsense.incoming.collect(signal)).answered, 0)
  const same = packPage({ mails: [{ number: 1, envelope: utf8('x') }], more: true })
  const repeating = setup({ boxes, answer: (_, method) => (method === 'mailbox.take' ? same : 1) })
  assert.equal((await repeating.incoming.collect(signal)).messages, 1)
  let n = 0
  const endless = setup({
    boxes,
    answer: (keeper, method) => {
      if (keeper !== A || method !== 'mailbox.take') return 1
      n += 1
      return packPage({ mails: [{ number: n, envelope: utf8(`${n}`) }], more: true })
    },
  })
  assert.equal((await endless.incoming.collect(signal)).messages, 64)
})

test('collect() ends when it is told to, and survives a search that fails', async () => {
  const given = new AbortController()
  const boxes = new Map([[A, ['one', 'two', 'three']]])
  const reason = EnvelopeError.EXPIRED({ agoMs: 0 })
  const { incoming, taken } = setup({ boxes, take: () => given.abort(reason) })
  await assert.rejects(incoming.collect(given.signal), (error) => error === reason)
  assert.ok(taken.length <= 2)
})
