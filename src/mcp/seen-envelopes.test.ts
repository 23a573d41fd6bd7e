import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { ENVELOPE_AGE_MS_MAX } from './envelope.ts'
import { SeenEnvelopes } from './seen-envelopes.ts'

const random = seededRandom('seen')
const from = generateKeys(random).signer.peer
const other = generateKeys(random).signer.peer

test('what came is known until it is too old, and nothing makes room before', () => {
  const seen = new SeenEnvelopes()
  const first = { from, id: random.bytes(16), sentAtMs: 1_000 }
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
