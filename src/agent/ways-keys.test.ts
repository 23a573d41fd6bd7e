/** Which keys a message is sealed against, when those of its recipient are old, odd or away. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom } from '../base/index.ts'
import { signerFromSeed } from '../identity/index.ts'
import type { Cbor } from '../wire/index.ts'
import { readEnvelope } from './envelope-codec.ts'
import { PreKeys, packPreKey } from './pre-keys.ts'
import { Sealer } from './seal.ts'
import { AgentWays, KEYS } from './ways.ts'

const START_MS = 1_800_000_000_000
const DAY_MS = 86_400_000
const network = 'test'

/** Ways to one recipient, whose keys are asked for; `answer` is what it says, or why it does not. */
async function setup() {
  const clock = new FakeClock(START_MS)
  const random = seededRandom('ways')
  const [ann, bob] = [1, 2].map((n) => signerFromSeed(new Uint8Array(32).fill(n)))
  assert.ok(ann && bob)
  const store = { load: async () => [], save: async () => undefined }
  const preKeys = new PreKeys({ signer: bob, network, clock, random, store })
  const listed = async (): Promise<Cbor[]> => (await preKeys.current()).map(packPreKey)
  const said: { answer: () => Promise<Cbor> } = { answer: listed }
  const ways = new AgentWays({
    self: ann.peer,
    network,
    clock,
    signer: ann,
    sealer: new Sealer({ random, clock, network, from: ann.peer }),
    binding: () => undefined,
    finder: { find: async () => undefined },
    rpc: { call: async (_, method) => (method === KEYS ? said.answer() : null) },
    connect: async () => undefined,
    pubsub: null,
    mailbox: null,
  })
  const times = { sentAt: START_MS, expiresAt: START_MS + 7 * DAY_MS }
  const draft = { id: 'ab'.repeat(16), to: bob.peer, body: new Uint8Array(9), ...times }
  const waits = { signal: new AbortController().signal, afresh: false }
  return { ways, clock, draft, waits, said, listed }
}

test('one key of a recipient that cannot be used spoils none of the others', async () => {
  const { ways, draft, waits, said, listed } = await setup()
  const [good] = await listed()
  assert.ok(good !== undefined)
  const [id, publicKey, , signature] = good as Cbor[] as [Cbor, Cbor, Cbor, Cbor]
  said.answer = async () => [good, [id, publicKey, START_MS - 1, signature], 'no key', []]
  const sealed = await ways.seal(draft, undefined, waits)
  assert.deepEqual(readEnvelope(sealed.bytes).preKey, id)
})

test('a recipient without a key that can be used cannot be sealed for now', async () => {
  const { ways, draft, waits, said } = await setup()
  for (const answer of [[], ['no key'], null, 7]) {
    said.answer = async () => answer
    await assert.rejects(ways.seal(draft, undefined, waits), coded('AGENT_RECIPIENT_KEYLESS'))
  }
})

test('what was sealed in time goes on being sent while nobody tells a newer key', async () => {
  const { ways, clock, draft, waits, said } = await setup()
  const first = await ways.seal(draft, undefined, waits)
  await clock.advance(3 * DAY_MS)
  said.answer = async () => Promise.reject(new TypeError('away'))
  assert.equal(await ways.seal(draft, first, waits), first)
  said.answer = async () => []
  assert.equal(await ways.seal(draft, first, waits), first)
  // Unless the recipient said that it cannot open it.
  const afresh = { ...waits, afresh: true }
  await assert.rejects(ways.seal(draft, first, afresh), coded('AGENT_RECIPIENT_KEYLESS'))
})

test('a newer key takes the place of one that is not to be sealed against any more', async () => {
  const { ways, clock, draft, waits } = await setup()
  const first = await ways.seal(draft, undefined, waits)
  assert.equal(await ways.seal(draft, first, waits), first)
  await clock.advance(3 * DAY_MS)
  const next = await ways.seal(draft, first, waits)
  assert.notDeepEqual(next.hash, first.hash)
  assert.deepEqual(readEnvelope(next.bytes).id, readEnvelope(first.bytes).id)
})
