import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  agentOf,
  DAY_MS,
  draftOf,
  messageOf,
  NETWORK,
  NOW_MS,
  takenBy,
} from '../../test/support/agent-messages.ts'
import { equalBytes, hasCode, toHex } from '../base/index.ts'
import { ethAddress, signBinding } from '../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { envelopeHash, openEnvelope, writeEnvelope } from './envelope.ts'
import { type Draft, headerOf, readEnvelope, recipientText } from './envelope-codec.ts'
import { BODY_BYTES_MAX, ENVELOPE_BYTES_MAX, LIFE_MS_MAX, SEAL_BYTES } from './protocol.ts'

const [alice, bob, eve] = await Promise.all(['alice', 'bob', 'eve'].map((name) => agentOf(name)))
assert.ok(alice !== undefined && bob !== undefined && eve !== undefined)
const scope = { network: NETWORK }
const truth = await messageOf(alice, bob)

const REFUSALS = [
  'AGENT_ENVELOPE_INVALID',
  'AGENT_OTHER_NETWORK',
  'AGENT_OTHER_RECIPIENT',
  'AGENT_FROM_FUTURE',
  'AGENT_EXPIRED',
  'AGENT_BINDING_EARLY',
  'AGENT_BINDING_INVALID',
  'AGENT_SIGNATURE_INVALID',
] as const

/** The fields of `truth` with one changed, as whoever holds no key could send them. */
function bent(key: number, value: Cbor | undefined): Uint8Array {
  const fields = new Map(decodeCbor(truth, 'truth', ENVELOPE_BYTES_MAX) as Map<Cbor, Cbor>)
  if (value === undefined) fields.delete(key)
  else fields.set(key, value)
  return encodeCbor(fields)
}

/** A clear message for everybody, which needs no recipient's key. */
const broadcast = (more: Partial<Draft> = {}) =>
  draftOf(alice, bob, { to: { topic: 'agent-messages' }, ...more })

const hex = (bytes: Uint8Array | undefined) => bytes && toHex(bytes)

test('a message comes back as it was said, with the address that its binding proves', async () => {
  const said = fc.record(
    {
      conversation: fc.stringMatching(/^[ -~]{1,64}$/),
      replyTo: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      sequence: fc.nat(),
      contentType: fc.stringMatching(/^[a-z]{1,60}\/[a-z0-9]{1,60}$/),
      body: fc.uint8Array({ maxLength: 300 }),
    },
    { requiredKeys: ['body'] },
  )
  await fc.assert(
    fc.asyncProperty(said, async (more) => {
      const draft = draftOf(alice, bob, more)
      const sealed = alice.sealer.seal(draft, bob.preKey)
      const envelope = takenBy(bob, await writeEnvelope(sealed, alice.signer, scope))
      assert.deepEqual(envelope.from, { peer: alice.peer, address: alice.eth.address })
      for (const key of ['to', 'sentAtMs', 'expiresAtMs', 'kind', 'conversation'] as const) {
        assert.deepEqual(envelope[key], draft[key])
      }
      for (const key of ['sequence', 'contentType'] as const) {
        assert.equal(envelope[key], draft[key])
      }
      assert.ok(equalBytes(envelope.id, draft.id))
      assert.equal(hex(envelope.replyTo), hex(more.replyTo))
      assert.ok(equalBytes(bob.opener.open(envelope), more.body))
    }),
    { numRuns: 50 },
  )
})

test('who speaks for no address, to a peer or to a topic, is taken as a peer', async () => {
  const { binding: _, ...plain } = draftOf(alice, bob, { to: { peer: bob.peer } })
  const sealed = alice.sealer.seal(plain, bob.preKey)
  const direct = takenBy(bob, await writeEnvelope(sealed, alice.signer, scope))
  assert.deepEqual(direct.from, { peer: alice.peer })
  assert.deepEqual(direct.to, { peer: bob.peer })
  const said = takenBy(bob, await writeEnvelope(broadcast(), alice.signer, scope))
  assert.deepEqual(said.to, { topic: 'agent-messages' })
  assert.equal(said.from.address, alice.eth.address)
})

test('no bit of a message can be another', () => {
  for (const [at, byte] of truth.entries()) {
    const bytes = Uint8Array.from(truth)
    bytes[at] = byte ^ (1 << (at % 8))
    assert.throws(
      () => takenBy(bob, bytes),
      (error) => hasCode(error, ...REFUSALS),
      `byte ${at}`,
    )
  }
})

test('what somebody else signed is refused as forged', async () => {
  const sealed = alice.sealer.seal(draftOf(alice, bob), bob.preKey)
  const forged = await writeEnvelope(sealed, eve.signer, scope)
  assert.throws(() => takenBy(bob, forged), { code: 'AGENT_SIGNATURE_INVALID' })
})

test('a message for one is refused by another, and for its new recipient when re-targeted', () => {
  assert.throws(() => takenBy(eve, truth), { code: 'AGENT_OTHER_RECIPIENT' })
  const retargeted = bent(5, [1, Buffer.from(eve.eth.address.slice(2), 'hex')])
  assert.throws(() => takenBy(eve, retargeted), { code: 'AGENT_SIGNATURE_INVALID' })
})

test('a message of another network is refused, also under the name of this one', async () => {
  const sealed = alice.sealer.seal(draftOf(alice, bob), bob.preKey)
  const elsewhere = await writeEnvelope(sealed, alice.signer, { network: 'elsewhere' })
  assert.throws(() => takenBy(bob, elsewhere), { code: 'AGENT_OTHER_NETWORK' })
  const { binding: _, ...plain } = sealed
  const fields = decodeCbor(
    await writeEnvelope(plain, alice.signer, { network: 'elsewhere' }),
    'message',
    ENVELOPE_BYTES_MAX,
  ) as Map<Cbor, Cbor>
  const renamed = encodeCbor(new Map([...fields, [2, NETWORK]]))
  assert.throws(() => takenBy(bob, renamed), { code: 'AGENT_SIGNATURE_INVALID' })
})

test('a message lives until its expiry and not from further ahead than a minute', async () => {
  const at = (nowMs: number) => {
    return () => openEnvelope(truth, { ...scope, nowMs, isFor: () => true })
  }
  assert.throws(at(NOW_MS + 3_600_000), { code: 'AGENT_EXPIRED' })
  assert.doesNotThrow(at(NOW_MS + 3_599_999))
  assert.doesNotThrow(at(NOW_MS - 60_000))
  assert.throws(at(NOW_MS - 60_001), { code: 'AGENT_FROM_FUTURE', retryable: true })
})

test('no message lives longer than a week, or ends before it begins', async () => {
  for (const lifeMs of [LIFE_MS_MAX + 1, 0, -1]) {
    const draft = broadcast({ expiresAtMs: NOW_MS + lifeMs })
    const wrong = { code: 'AGENT_ENVELOPE_INVALID' }
    await assert.rejects(writeEnvelope(draft, alice.signer, scope), wrong)
    assert.throws(() => readEnvelope(bent(8, Math.max(0, NOW_MS + lifeMs))), wrong)
  }
})

test('a binding of another peer, of a time before, or with a high s proves nothing', async () => {
  const stolen = { ...draftOf(eve, bob), binding: alice.binding }
  const borrowed = await writeEnvelope(eve.sealer.seal(stolen, bob.preKey), eve.signer, scope)
  assert.throws(() => takenBy(bob, borrowed), { code: 'AGENT_BINDING_INVALID' })

  const times = { version: 1, issuedMs: NOW_MS - 2 * DAY_MS, expiresMs: NOW_MS - DAY_MS }
  const over = await signBinding(times, { eth: alice.eth, node: alice.signer }, NETWORK)
  const late = await messageOf(alice, bob, { binding: over })
  assert.throws(() => takenBy(bob, late), { code: 'AGENT_BINDING_INVALID' })

  const high = await messageOf(alice, bob, { binding: withHighS(alice.binding) })
  assert.throws(() => takenBy(bob, high), { code: 'AGENT_BINDING_INVALID' })
})

/** The other spelling of the ETH signature in a binding: s becomes order − s, and v the other. */
function withHighS(binding: Uint8Array): Uint8Array {
  const fields = decodeCbor(binding, 'binding', 512) as Map<Cbor, Cbor>
  const signature = Buffer.from(fields.get(6) as Uint8Array)
  const order = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n
  const s = order - BigInt(`0x${signature.subarray(32, 64).toString('hex')}`)
  signature.write(s.toString(16).padStart(64, '0'), 32, 'hex')
  signature[64] = signature[64] === 27 ? 28 : 27
  return encodeCbor(new Map([...fields, [6, Uint8Array.from(signature)]]))
}

test('a message that was kept for somebody holds after its binding has ended', async () => {
  const bytes = await messageOf(alice, bob, { expiresAtMs: NOW_MS + LIFE_MS_MAX })
  const nowMs = NOW_MS + 5 * DAY_MS
  const kept = openEnvelope(bytes, { ...scope, nowMs, isFor: () => true })
  assert.equal(kept.from.address, alice.eth.address)
})

test('a message that waited until its sender had a newer binding holds, and none of tomorrow', async () => {
  const boundAt = (issuedMs: number) => {
    const times = { version: issuedMs, issuedMs, expiresMs: issuedMs + DAY_MS }
    return signBinding(times, { eth: alice.eth, node: alice.signer }, NETWORK)
  }
  const nowMs = NOW_MS + DAY_MS / 2
  const take = (bytes: Uint8Array) => openEnvelope(bytes, { ...scope, nowMs, isFor: () => true })
  const expiresAtMs = NOW_MS + DAY_MS
  const newer = await messageOf(alice, bob, { expiresAtMs, binding: await boundAt(nowMs) })
  assert.equal(take(newer).from.address, alice.eth.address)
  const ahead = { expiresAtMs, binding: await boundAt(nowMs + 60_001) }
  const early = await messageOf(alice, bob, ahead)
  // Whose clock is wrong is not known: it may be taken later.
  assert.throws(() => take(early), { code: 'AGENT_BINDING_EARLY', retryable: true })
})

test('the same fields in another order are refused: there is one encoding', () => {
  const fields = decodeCbor(truth, 'truth', ENVELOPE_BYTES_MAX) as Map<Cbor, Cbor>
  const pairs = [...fields].reverse().map(([key, value]) => encodeCbor([key, value]).subarray(1))
  const reordered = Buffer.concat([truth.subarray(0, 1), ...pairs])
  assert.equal(reordered.length, truth.length)
  assert.throws(() => takenBy(bob, reordered), { code: 'AGENT_ENVELOPE_INVALID' })
  assert.throws(() => takenBy(bob, Buffer.concat([truth, Uint8Array.of(0)])), {
    code: 'AGENT_ENVELOPE_INVALID',
  })
})

test('what is read stays as it came, and its header is the fields before the body', async () => {
  for (const size of [0, 23, 24, 255, 256, 65_535, 65_536]) {
    const draft = broadcast({ body: new Uint8Array(size) })
    const bytes: Uint8Array = Buffer.from(await writeEnvelope(draft, alice.signer, scope))
    const before = Buffer.from(bytes)
    const { header } = takenBy(bob, bytes)
    assert.ok(equalBytes(bytes, before), `${size} bytes`)
    assert.ok(equalBytes(header, headerOf(draft, NETWORK)), `${size} bytes`)
    const fields = decodeCbor(bytes, 'message', ENVELOPE_BYTES_MAX) as Map<Cbor, Cbor>
    assert.ok(equalBytes(encodeCbor(fields), bytes), `${size} bytes`)
  }
})

test('a body of 512 KiB passes, sealed or clear, and one byte more does not', async () => {
  const most = new Uint8Array(BODY_BYTES_MAX)
  const more = new Uint8Array(BODY_BYTES_MAX + 1)
  const full: Partial<Draft> = {
    conversation: 'c'.repeat(64),
    contentType: 't'.repeat(128),
    replyTo: new Uint8Array(16),
    sequence: Number.MAX_SAFE_INTEGER,
  }
  const sealed = await messageOf(alice, bob, { ...full, body: most })
  assert.equal(bob.opener.open(takenBy(bob, sealed)).length, BODY_BYTES_MAX)
  const clear = await writeEnvelope(broadcast({ ...full, body: most }), alice.signer, scope)
  assert.equal(takenBy(bob, clear).body.length, BODY_BYTES_MAX)

  const large = { code: 'AGENT_TOO_LARGE' }
  assert.throws(() => alice.sealer.seal(draftOf(alice, bob, { body: more }), bob.preKey), large)
  await assert.rejects(writeEnvelope(broadcast({ body: more }), alice.signer, scope), large)
  const over = bent(15, new Uint8Array(BODY_BYTES_MAX + SEAL_BYTES + 1))
  assert.throws(() => takenBy(bob, over), large)
  assert.throws(() => takenBy(bob, new Uint8Array(ENVELOPE_BYTES_MAX + 1)), large)
})

test('a message for one that anybody could read is refused; a receipt may be read', async () => {
  const clear = await writeEnvelope(draftOf(alice, bob), alice.signer, scope)
  assert.throws(() => takenBy(bob, clear), { code: 'AGENT_NOT_SEALED' })
  const receipt = draftOf(alice, bob, { kind: 'receipt' })
  assert.equal(takenBy(bob, await writeEnvelope(receipt, alice.signer, scope)).kind, 'receipt')
})

test('a form that is not exactly this one is refused', () => {
  const wrong: readonly [number, Cbor | undefined][] = [
    [1, 2],
    [2, ''],
    [2, 'n'.repeat(65)],
    [2, 5],
    [3, 'alice'],
    [3, Uint8Array.of(1, 2, 3)],
    [4, new Uint8Array()],
    [4, new Uint8Array(513)],
    [5, undefined],
    [5, [1, new Uint8Array(19)]],
    [5, [2, 'bob']],
    [5, [3, 'agent-messages']],
    [5, [3, 'no topic']],
    [5, [3, 't'.repeat(65)]],
    [5, [4, new Uint8Array(20)]],
    [5, [1, new Uint8Array(20), 1]],
    [6, new Uint8Array(15)],
    [7, -1],
    [7, 'now'],
    [9, 0],
    [9, 3],
    [10, ''],
    [10, 'c'.repeat(65)],
    [10, 'a\u0007b'],
    [11, new Uint8Array(17)],
    [12, -1],
    [13, 't'.repeat(129)],
    [13, 'tëxt'],
    [14, new Uint8Array(7)],
    [15, new Uint8Array(SEAL_BYTES - 1)],
    [15, 'hello'],
    [16, new Uint8Array(63)],
    [17, 1],
    [0, 1],
  ]
  for (const [key, value] of wrong) {
    const code = 'AGENT_ENVELOPE_INVALID'
    assert.throws(() => readEnvelope(bent(key, value)), { code }, `field ${key}`)
  }
  const noMaps: readonly Cbor[] = [[1], 5, new Map([['1', 1]])]
  for (const value of noMaps) {
    assert.throws(() => readEnvelope(encodeCbor(value)), { code: 'AGENT_ENVELOPE_INVALID' })
  }
})

test('a recipient is shown as people read it, and a hash names the whole message', () => {
  const address = ethAddress(`0x${'00'.repeat(20)}`)
  assert.equal(recipientText({ address }), address)
  assert.equal(recipientText({ peer: bob.peer }), bob.peer)
  assert.equal(recipientText({ topic: 'x' }), 'topic x')
  assert.equal(envelopeHash(truth).length, 32)
  assert.notEqual(toHex(envelopeHash(truth)), toHex(envelopeHash(bent(12, 1))))
})
