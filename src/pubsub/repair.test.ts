import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { secureRandom, seededRandom, silentLog } from '../base/index.ts'
import { generateKeys, type PeerId, peerIdToBytes } from '../identity/index.ts'
import type { Cbor } from '../wire/index.ts'
import { Repair } from './repair.ts'
import {
  answerFromCbor,
  answerToCbor,
  decodeCounted,
  encodeCounted,
  type Head,
  headsFromCbor,
  headsQuestionFromCbor,
  headsQuestionToCbor,
  headsToCbor,
  questionFromCbor,
  questionToCbor,
} from './repair-protocol.ts'
import type { RawMessage } from './stock.ts'
import { Topics } from './topics.ts'

const author = generateKeys(secureRandom).signer.peer
const peers = ['p', 'q', 'r', 's'] as PeerId[]

function messageOf(count: number, { run = 1, size = 1 } = {}): RawMessage {
  const data = encodeCounted({ run, count, bytes: new Uint8Array(size) })
  const part = Uint8Array.of(1)
  return { topic: 't', from: peerIdToBytes(author), data, seqno: part, signature: part }
}

type Answers = (peer: PeerId, question: Cbor) => RawMessage[] | Error

/** The first byte of what is not counted. */
const BARE = 0x7b

function setup(answers: Answers = () => [], mesh: readonly PeerId[] = peers) {
  const clock = new FakeClock(1_000)
  /** What a peer says that it took, and who was asked that. */
  let told: (peer: PeerId) => Head[] = () => []
  const looks: { peer: PeerId; spanMs: number; atMs: number }[] = []
  let changed: () => void = () => undefined
  const topics = new Topics('main', { bytesMax: 1_000 }, () => undefined)
  const bare = { is: (data: Uint8Array) => data[0] === BARE, perPeerPerSecond: 1 }
  topics.define('t', { repair: { keep: 100, bytesMax: 10_000_000 }, bare })
  const outcomes: Record<string, number> = {}
  const asked: { peer: PeerId; author: PeerId; counts: readonly number[] }[] = []
  const taken: number[] = []
  let serve: (question: Cbor, from: PeerId) => Promise<Cbor> = () => assert.fail('not served')
  const repair: Repair = new Repair(
    {
      asking: {
        async ask(peer, question) {
          const look = headsQuestionFromCbor(question)
          if (look !== undefined) {
            looks.push({ peer, spanMs: look.spanMs, atMs: clock.now() })
            return headsToCbor(told(peer))
          }
          const { author: whose, counts } = questionFromCbor(question)
          asked.push({ peer, author: whose, counts })
          const answer = answers(peer, question)
          if (answer instanceof Error) throw answer
          return answerToCbor(answer)
        },
        serve(answer) {
          serve = answer
        },
      },
      gossip: {
        self: undefined,
        mesh: () => mesh,
        onChange(listener) {
          changed = listener
          return () => undefined
        },
        async take(_source, message) {
          const counted = decodeCounted(message.data ?? new Uint8Array())
          if (!repair.isRepaired('t', author, counted)) return false
          taken.push(counted.count)
          repair.noted('t', author, counted)
          return true
        },
      },
      topics,
      clock,
      random: seededRandom('repair'),
      log: silentLog,
      metrics: {
        repairs: {
          add(amount = 1, { outcome = '' } = {}) {
            outcomes[outcome] = (outcomes[outcome] ?? 0) + amount
          },
        },
      },
    },
    { heartbeatMs: 1_000 },
  )
  const note = (count: number, run = 1) =>
    repair.noted('t', author, { run, count, bytes: new Uint8Array() })
  const ask = (counts: number[], from = peers[0] ?? author) =>
    serve(questionToCbor({ wire: 't', author, run: 1, counts }), from)
  const is = (count: number) =>
    repair.isRepaired('t', author, { run: 1, count, bytes: new Uint8Array() })
  const heads = async (spanMs: number) =>
    headsFromCbor(await serve(headsQuestionToCbor({ wire: 't', spanMs }), author))
  const tell = (first: number, last: number, authors: readonly PeerId[] = [author]) => {
    told = () => authors.map((whose) => ({ author: whose, run: 1, first, last }))
  }
  const meshes = () => changed()
  return { repair, clock, note, ask, asked, taken, outcomes, is, heads, tell, looks, meshes }
}

test('messages of ours are counted from 1 in each topic', () => {
  const { repair } = setup()
  const counts = ['t', 't', 'u'].map((wire) => decodeCounted(repair.seal(wire, Uint8Array.of(1))))
  assert.deepEqual(
    counts.map(({ run, count }) => [run, count]),
    [
      [1_000, 1],
      [1_000, 2],
      [1_000, 1],
    ],
  )
})

test('what is missing is asked for, taken, and asked for no more', async () => {
  const { clock, note, asked, taken, outcomes } = setup((_, question) =>
    questionFromCbor(question).counts.map((count) => messageOf(count)),
  )
  note(1)
  note(4)
  await clock.advance(1_999)
  assert.deepEqual(asked, [])
  await clock.advance(10_000)
  assert.deepEqual([asked.map(({ counts }) => counts), taken], [[[2, 3]], [2, 3]])
  assert.deepEqual(outcomes, { asked: 2, repaired: 2 })
  assert.equal(clock.waiting, 0, 'nobody waits when nothing is missing')
})

test('what comes by itself meanwhile is not asked for', async () => {
  const { clock, note, asked } = setup()
  note(1)
  note(3)
  await clock.advance(1_500)
  note(2)
  await clock.advance(10_000)
  assert.deepEqual([asked, clock.waiting], [[], 0])
})

test('who has it not is asked once, who does not answer again, and then it is given up', async () => {
  const { clock, note, asked, outcomes } = setup((peer) => (peer === 'p' ? new Error('no') : []))
  note(1)
  note(3)
  await clock.advance(90_000)
  const times = (one: string) => asked.filter(({ peer }) => peer === one).length
  assert.deepEqual([times('q'), times('r'), times('s'), times('p')], [1, 1, 1, 3])
  assert.deepEqual([asked.length, outcomes], [6, { asked: 6, given_up: 1 }])
  assert.equal(clock.waiting, 0)
})

test('with nobody in the mesh it is given up as well', async () => {
  const { clock, note, outcomes } = setup(() => [], [])
  note(1)
  note(3)
  await clock.advance(90_000)
  assert.deepEqual([outcomes, clock.waiting], [{ given_up: 1 }, 0])
})

test('what was not asked for is not taken from an answer, and is not old because of it', async () => {
  const { clock, note, taken, repair } = setup(() => [messageOf(9), messageOf(2, { run: 7 })])
  note(1)
  note(3)
  await clock.advance(3_000)
  assert.deepEqual(taken, [])
  const missing = { run: 1, count: 2, bytes: new Uint8Array() }
  assert.equal(repair.isRepaired('t', author, missing), false, 'it is missing, but nobody gave it')
})

test('all questions together are few, however many authors leave gaps, and none stands before all', async () => {
  const { clock, repair, asked } = setup()
  const authors = Array.from({ length: 50 }, () => generateKeys(secureRandom).signer.peer)
  for (const peer of authors) {
    for (const count of [1, 3]) {
      repair.noted('t', peer, { run: 1, count, bytes: new Uint8Array() })
    }
  }
  await clock.advance(2_000)
  assert.equal(asked.length, 16)
  assert.ok(asked.some(({ author: whose }) => authors.indexOf(whose) >= 16))
})

test('what is kept is given as it was signed, to one peer four times a second', async () => {
  const { repair, ask, outcomes, clock } = setup()
  for (const count of [1, 2, 3]) repair.keep(messageOf(count))
  assert.deepEqual(answerFromCbor(await ask([2, 9, 3]), 't'), [messageOf(2), messageOf(3)])
  for (let i = 0; i < 7; i += 1) await ask([1])
  await assert.rejects(ask([1]), coded('PUBSUB_REPAIR_REFUSED'))
  assert.deepEqual(answerFromCbor(await ask([1], peers[1]), 't'), [messageOf(1)])
  await clock.advance(1_000)
  await ask([1])
  assert.equal(outcomes.served, 11)
})

test('an answer has at most half a MiB of messages, or one', async () => {
  const { repair, ask } = setup()
  for (const count of [1, 2, 3]) repair.keep(messageOf(count, { size: 200_000 }))
  assert.equal(answerFromCbor(await ask([1, 2, 3]), 't').length, 2)
})

test('one peer is given half a MiB a second, and all together not more than eight of them', async () => {
  const { repair, ask, clock } = setup()
  for (const count of [1, 2]) repair.keep(messageOf(count, { size: 260_000 }))
  const tooMuch = coded('PUBSUB_REPAIR_REFUSED')
  for (const peer of ['p', 'q', 'r', 's', 't', 'u', 'v', 'w'] as PeerId[]) {
    for (let i = 0; i < 2; i += 1) assert.equal(((await ask([1, 2], peer)) as Cbor[]).length, 2)
    await assert.rejects(ask([1], peer), tooMuch)
  }
  await assert.rejects(ask([1, 2], 'x' as PeerId), tooMuch)
  await clock.advance(1_000)
  assert.equal(((await ask([1, 2], 'x' as PeerId)) as Cbor[]).length, 2)
})

test('nothing is kept of topics without the rule, nor of those that nobody reads any more', async () => {
  const { repair, ask } = setup()
  repair.keep({ ...messageOf(1), data: Uint8Array.of(BARE) })
  repair.keep({ ...messageOf(1), topic: 'other' })
  repair.keep(messageOf(1))
  repair.forget('t')
  assert.deepEqual(await ask([1]), [])
})

test('a question that is none is refused', async () => {
  const { ask } = setup()
  await assert.rejects(ask([]), coded('WIRE_MALFORMED'))
})

test('stop() ends the asking', async () => {
  const { clock, note, repair, asked } = setup()
  note(1)
  note(3)
  await clock.advance(500)
  repair.stop()
  await clock.advance(60_000)
  assert.deepEqual([asked, clock.waiting], [[], 0])
})

test('who asks for heads is told what was taken in its time, but for what may be on its way to it', async () => {
  const { repair, clock, heads } = setup()
  repair.keep(messageOf(1))
  await clock.advance(10_000)
  for (const count of [2, 3]) repair.keep(messageOf(count))
  await clock.advance(1_000)
  repair.keep(messageOf(4))
  await clock.advance(1_500)
  assert.deepEqual(await heads(5_000), [{ author, run: 1, first: 2, last: 3 }])
  assert.deepEqual(await heads(60_000), [{ author, run: 1, first: 1, last: 3 }])
  assert.deepEqual(await heads(1_000), [])
})

const given: Answers = (_, question) =>
  questionFromCbor(question).counts.map((count) => messageOf(count))

test('what a peer took and nothing came after is asked of that peer, and taken however old', async () => {
  const { repair, note, taken, clock, asked, is, tell, looks } = setup(given, peers.slice(0, 1))
  note(1)
  tell(1, 3)
  repair.listen('t')
  await clock.advance(1)
  assert.deepEqual([looks.length, asked], [1, [{ peer: 'p', author, counts: [2, 3] }]])
  assert.deepEqual(taken, [2, 3])
  assert.equal(is(4), false, 'nobody gave it')
  await clock.advance(60_000)
  assert.deepEqual([asked.length, taken.length], [1, 2], 'and is not lacking any more')
})

test('each peer is asked what it took when it joins the mesh, and one of them every ten beats', async () => {
  const mesh = peers.slice(0, 2)
  const { repair, clock, looks, meshes } = setup(given, mesh)
  repair.listen('none')
  repair.listen('t')
  repair.listen('t')
  await clock.advance(5_000)
  assert.deepEqual(looks, [
    { peer: 'p', spanMs: 0, atMs: 1_000 },
    { peer: 'q', spanMs: 1_000, atMs: 2_000 },
  ])
  mesh.push('r' as PeerId)
  meshes()
  await clock.advance(1)
  assert.deepEqual(looks.at(-1), { peer: 'r', spanMs: 5_000, atMs: 6_000 })
  await clock.advance(200_000)
  assert.ok(looks.length >= 20 && looks.length <= 23, `${looks.length} looks`)
  assert.equal(looks.at(-1)?.spanMs, 120_000)
  mesh.length = 0
  await clock.advance(30_000)
  const before = looks.length
  mesh.push('r' as PeerId)
  meshes()
  await clock.advance(1)
  assert.equal(looks.length, before + 1, 'who left and comes back')
  repair.forget('t')
  await clock.advance(60_000)
  assert.deepEqual([looks.length, clock.waiting], [before + 1, 0])
})

test('a peer that tells of what it has not costs few questions a look, which wait for their turn', async () => {
  const { repair, clock, tell, asked, note } = setup(() => [], peers.slice(0, 1))
  note(1)
  tell(1, Number.MAX_SAFE_INTEGER)
  repair.listen('t')
  await clock.advance(9_000)
  assert.deepEqual([asked.length, asked.at(-1)?.counts.at(-1)], [4, 257])
  repair.stop()
  await clock.advance(60_000)
  assert.deepEqual([asked.length, clock.waiting], [4, 0])

  const many = setup(() => [], peers.slice(0, 1))
  const authors = Array.from({ length: 100 }, () => generateKeys(secureRandom).signer.peer)
  many.tell(1, 1, authors)
  many.repair.listen('t')
  await many.clock.advance(1)
  assert.equal(many.asked.length, 15, 'what may be asked at once, with the look')
  await many.clock.advance(9_000)
  assert.equal(many.asked.length, 32)
})
