import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode, seededRandom } from '../base/index.ts'
import { generateKeys, type PeerId } from '../identity/index.ts'
import { ENVELOPE_AGE_MS_MAX } from './envelope.ts'
import { SeenEnvelopes } from './seen-envelopes.ts'

const random = seededRandom('seen')
const from = generateKeys(random).signer.peer
const other = generateKeys(random).signer.peer

test('what came is known until it is too old, and nothing makes room before', () => {
  const seen = new SeenEnvelopes()
  const first = { from, id: random.bytes(16), sentAtMs: 1_000, via: other }
  seen.add(first, 1_000)
  assert.ok(seen.has(first))
  assert.ok(!seen.has({ ...first, from: other }))
  for (let i = 1; i < 1_024; i += 1) seen.add({ ...first, id: random.bytes(16) }, 1_000)
  const next = { ...first, id: random.bytes(16) }
  assert.throws(() => seen.add(next, 1_000 + ENVELOPE_AGE_MS_MAX), { code: 'MCP_BUSY' })
  seen.add({ ...next, from: other }, 1_000)
  assert.ok(seen.has(first))
  seen.add(next, 1_001 + ENVELOPE_AGE_MS_MAX)
  assert.ok(seen.has(next) && !seen.has(first))
})

/** Calls of authors that nobody has heard of, all through `via`; how many of them were taken. */
function carry(seen: SeenEnvelopes, via: PeerId, count: number, nowMs = 1_000): number {
  let taken = 0
  try {
    for (; taken < count; taken += 1) {
      const author = `author ${via} ${taken >> 6}` as PeerId
      seen.add({ from: author, id: random.bytes(16), sentAtMs: nowMs, via }, nowMs)
    }
  } catch (error) {
    assert.ok(hasCode(error, 'MCP_BUSY'), String(error))
  }
  return taken
}

test('one peer that carries has a quarter of the room, whoever signed what it carries', () => {
  const seen = new SeenEnvelopes()
  assert.equal(carry(seen, other, 20_000), 4_096)
  assert.equal(carry(seen, from, 20_000), 3_072, 'the next has a quarter of what is left')
  for (let i = 0; i < 8; i += 1) {
    assert.ok(carry(seen, `carrier ${i}` as PeerId, 20_000) > 200, 'and there is always some')
  }
  const laterMs = 1_001 + ENVELOPE_AGE_MS_MAX
  assert.equal(carry(seen, other, 20_000, laterMs), 4_096, 'all of it is given back')
})
