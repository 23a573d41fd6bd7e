import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { agentVectors, NETWORK, NOW_MS } from '../../test/support/agent-vectors.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { fromHex, toHex } from '../base/index.ts'
import { ethAddress, peerId } from '../identity/index.ts'
import { openEnvelope } from './envelope.ts'
import type { Recipient } from './envelope-codec.ts'
import { x25519Keys } from './hpke.ts'
import { Opener } from './seal.ts'

type Vectors = Awaited<ReturnType<typeof agentVectors>>
const file = new URL('../../test/vectors/agent-envelope.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors
const bob = vectors.parties[1] ?? assert.fail()
const isFor = (to: Recipient) => {
  if ('address' in to) return to.address === ethAddress(bob.eth_address)
  return 'topic' in to || to.peer === peerId(bob.peer_id)
}
const rules = { network: NETWORK, nowMs: NOW_MS, isFor }

test('the vectors for other implementers are what comes out of their seeds', async () => {
  assert.deepEqual(vectors, await agentVectors())
})

test('every message of the vectors is believed and opens with what the file says', () => {
  const { id, secret } = vectors.pre_key_of_bob
  const secretOf = (wanted: Uint8Array) => {
    return toHex(wanted) === id ? x25519Keys(fromHex(secret)) : undefined
  }
  const opener = new Opener({ clock: new FakeClock(NOW_MS), network: NETWORK, secretOf })
  for (const { name, envelope, plain_body } of vectors.messages) {
    const read = openEnvelope(fromHex(envelope), { ...rules, isFor: () => true })
    assert.equal(toHex(opener.open(read)), plain_body, name)
  }
})

test('every refusal of the vectors is refused for its reason', () => {
  for (const { name, envelope, code } of vectors.refused) {
    assert.throws(() => openEnvelope(fromHex(envelope), rules), { code }, name)
  }
})
