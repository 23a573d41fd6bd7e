import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeOf } from '../../test/support/mail.ts'
import { silentLog } from '../base/index.ts'
import type { Message, Pubsub } from '../pubsub/index.ts'
import { type HearingDeps, hearMessages } from './hearing.ts'
import type { OnTopic } from './message-topic.ts'

const { peer } = nodeOf(1)

/** `count` messages on the topic, and then silence until `over` aborts; `taken` are those begun. */
function setup(count: number, take: (n: number) => Promise<unknown>, waiting = () => 0) {
  const over = new AbortController()
  const taken: number[] = []
  async function* said() {
    for (let n = 0; n < count; n += 1) {
      const value = { openpond: Uint8Array.of(n % 256, n >> 8) }
      yield { topic: 't', from: peer, value, atMs: 0, id: `${n}` } satisfies Message<OnTopic>
    }
    if (over.signal.aborted) return
    await new Promise((resolve) => over.signal.addEventListener('abort', resolve))
  }
  const pubsub = { topic: () => undefined, subscribe: said } as unknown as Pubsub
  const deps: HearingDeps = {
    network: 'test',
    openpond: true,
    take: (heard) => {
      const [low = 0, high = 0] = 'openpond' in heard ? heard.openpond : []
      const n = low + 256 * high
      taken.push(n)
      return take(n)
    },
    waiting,
    refused: () => undefined,
    log: silentLog,
  }
  const hearing = hearMessages(pubsub, deps, over.signal)
  return { taken, hearing, end: () => over.abort() }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('what comes in one turn is taken together, in its order, and so much at once', async () => {
  const taking: PromiseWithResolvers<void>[] = []
  const { taken, hearing, end } = setup(100, () => {
    const one = Promise.withResolvers<void>()
    taking.push(one)
    return one.promise
  })
  await turn()
  assert.deepEqual(
    taken,
    Array.from({ length: 64 }, (_, n) => n),
  )
  taking[0]?.resolve()
  taking[1]?.reject(new TypeError('refused'))
  await turn()
  assert.equal(taken.length, 66)
  end()
  const isOver = () => taken.length === 100
  while (!isOver()) {
    for (const one of taking) one.resolve()
    await turn()
  }
  for (const one of taking) one.resolve()
  await hearing
})

test('messages that wait for the registry hold up no others', async () => {
  const slow = Promise.withResolvers<void>()
  const { taken, hearing, end } = setup(
    300,
    (n) => (n < 200 ? slow.promise : Promise.resolve()),
    () => Math.min(200, taken.length),
  )
  await turn()
  assert.equal(taken.length, 300)
  end()
  slow.resolve()
  await hearing
})

test('a topic that breaks ends the hearing without a word to whoever waits for it', async () => {
  const pubsub = {
    topic: () => undefined,
    subscribe: () => {
      throw new TypeError('in use')
    },
  } as unknown as Pubsub
  const { signal } = new AbortController()
  const deps = { network: 'test', openpond: false, log: silentLog }
  const take = async () => undefined
  const none = () => undefined
  await hearMessages(pubsub, { ...deps, take, waiting: () => 0, refused: none }, signal)
})
