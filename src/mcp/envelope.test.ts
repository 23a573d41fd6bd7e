import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode, seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import {
  ANSWER_METHOD,
  ENVELOPE_BYTES_MAX,
  type EnvelopeText,
  isSealed,
  openAnswer,
  openEnvelope,
  PARAMS_BYTES_MAX,
  sealEnvelope,
} from './envelope.ts'

const random = seededRandom('envelope')
const [alice, bob, eve] = ['a', 'b', 'e'].map((name) => generateKeys(seededRandom(name)).signer)
assert.ok(alice !== undefined && bob !== undefined && eve !== undefined)
const network = 'test'
const text: EnvelopeText = {
  id: random.bytes(16),
  method: 'tools/call',
  params: '{"name":"add"}',
  from: alice.peer,
  to: bob.peer,
  sentAtMs: 1_700_000_000_000,
}
const call = await sealEnvelope(text, alice, { network })
const back = { ...text, method: ANSWER_METHOD, from: bob.peer, to: alice.peer, params: '{}' }

test('an envelope comes back as it was signed', async () => {
  const said = fc.record({
    method: fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme-ascii' }),
    params: fc.json(),
    sentAtMs: fc.nat(),
  })
  const whole = fc.asyncProperty(said, async (each) => {
    const bytes = await sealEnvelope({ ...text, ...each }, alice, { network })
    const { signature, ...read } = openEnvelope(bytes)
    assert.deepEqual(read, { ...text, ...each })
    assert.equal(isSealed({ ...read, signature }, { network }), true)
  })
  await fc.assert(whole, { numRuns: 50 })
})

test('no byte of a call can be another', () => {
  for (const [at, byte] of call.entries()) {
    for (const bit of [at % 8, (at + 3) % 8]) {
      const bytes = Uint8Array.from(call)
      bytes[at] = byte ^ (1 << bit)
      assert.equal(holds(bytes), false)
    }
  }
})

test('a call of another network, or of another domain, holds for nobody', async () => {
  assert.equal(isSealed(openEnvelope(call), { network: 'other' }), false)
  const answer = await sealEnvelope(text, alice, { network, answers: call })
  assert.equal(isSealed(openEnvelope(answer), { network }), false)
})

test('an answer is of the callee alone, and to this very call', async () => {
  const scope = { network, answers: call }
  const of = { text, bytes: call, network }
  const answer = await sealEnvelope(back, bob, scope)
  assert.equal(openAnswer(answer, of).params, '{}')
  const again = await sealEnvelope({ ...text, params: '{"name":"sub"}' }, alice, { network })
  const untrue = [
    sealEnvelope(back, eve, scope),
    sealEnvelope({ ...back, from: eve.peer }, eve, scope),
    sealEnvelope({ ...back, to: eve.peer }, bob, scope),
    sealEnvelope({ ...back, method: 'tools/call' }, bob, scope),
    sealEnvelope(back, bob, { network: 'other', answers: call }),
    sealEnvelope(back, bob, { network, answers: again }),
  ]
  for (const bytes of await Promise.all(untrue)) {
    assert.throws(() => openAnswer(bytes, of), { code: 'MCP_ENVELOPE_INVALID' })
  }
  for (const [at, byte] of answer.entries()) {
    const bytes = Uint8Array.from(answer)
    bytes[at] = byte ^ (1 << (at % 8))
    assert.throws(() => openAnswer(bytes, of), { code: 'MCP_ENVELOPE_INVALID' })
  }
})

test('what is too long is refused by whoever would send it, and by whoever reads it', async () => {
  const long = { ...text, params: 'x'.repeat(PARAMS_BYTES_MAX + 1) }
  await assert.rejects(sealEnvelope(long, alice, { network }), { code: 'MCP_RELAYED_TOO_LARGE' })
  const most = { ...text, params: 'x'.repeat(PARAMS_BYTES_MAX), method: 'm'.repeat(64) }
  assert.ok((await sealEnvelope(most, alice, { network })).length <= ENVELOPE_BYTES_MAX)
  const huge = new Uint8Array(ENVELOPE_BYTES_MAX + 1)
  assert.throws(() => openEnvelope(huge), { code: 'MCP_ENVELOPE_INVALID' })
})

function holds(bytes: Uint8Array): boolean {
  try {
    return isSealed(openEnvelope(bytes), { network })
  } catch (error) {
    assert.ok(hasCode(error, 'MCP_ENVELOPE_INVALID'), String(error))
    return false
  }
}
