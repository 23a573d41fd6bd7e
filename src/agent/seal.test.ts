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
import { FakeClock } from '../../test/support/fake-clock.ts'
import { equalBytes, toHex } from '../base/index.ts'
import { agreementOf } from '../identity/index.ts'
import { writeEnvelope } from './envelope.ts'
import { readEnvelope } from './envelope-codec.ts'
import { x25519Keys } from './hpke.ts'
import { PreKeys } from './pre-keys.ts'
import { SEAL_BYTES } from './protocol.ts'
import { Opener, Sealer } from './seal.ts'

const clock = new FakeClock(NOW_MS)
const [alice, bob, eve] = await Promise.all(
  ['alice', 'bob', 'eve'].map((name) => agentOf(name, clock)),
)
assert.ok(alice !== undefined && bob !== undefined && eve !== undefined)

test('messages come back in any order, and each costs the same few bytes', async () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(bodies, fc.nat(), async (all, turn) => {
      const sent = await Promise.all(all.map((body) => messageOf(alice, bob, { body })))
      for (const i of sent.keys()) {
        const at = (i + turn) % sent.length
        const envelope = takenBy(bob, sent[at] ?? assert.fail())
        const body = all[at] ?? assert.fail()
        assert.equal(envelope.body.length, body.length + SEAL_BYTES)
        assert.ok(equalBytes(bob.opener.open(envelope), body))
        assert.ok(equalBytes(bob.opener.open(envelope), body), 'also a second time')
      }
    }),
    { numRuns: 30 },
  )
})

test('no bit of a sealed body or of its header can be another', async () => {
  const sealed = alice.sealer.seal(draftOf(alice, bob, { conversation: 'c' }), bob.preKey)
  const whole = readEnvelope(await writeEnvelope(sealed, alice.signer, { network: NETWORK }))
  assert.equal(Buffer.from(bob.opener.open(whole)).toString(), 'hello')
  for (const part of ['body', 'header', 'preKey'] as const) {
    const bytes = whole[part] ?? assert.fail()
    for (const [at, byte] of bytes.entries()) {
      const bent = Uint8Array.from(bytes)
      bent[at] = byte ^ (1 << (at % 8))
      const code = part === 'preKey' ? 'AGENT_PRE_KEY_GONE' : 'AGENT_BODY_CLOSED'
      assert.throws(() => bob.opener.open({ ...whole, [part]: bent }), { code }, `${part} ${at}`)
    }
  }
})

test('a body that another sender claims stays closed, though its number is known', async () => {
  const whole = takenBy(bob, await messageOf(alice, bob))
  bob.opener.open(whole)
  const claimed = { ...whole, from: { peer: eve.peer } }
  assert.throws(() => bob.opener.open(claimed), { code: 'AGENT_BODY_CLOSED' })
})

test('one agreement serves a minute and no longer; no two messages share key and number', () => {
  const seen = new Set<string>()
  const sealOnce = () => {
    const { body } = alice.sealer.seal(draftOf(alice, eve), eve.preKey)
    const name = toHex(body.subarray(0, 36))
    assert.ok(!seen.has(name))
    seen.add(name)
    return toHex(body.subarray(0, 32))
  }
  const [first, second] = [sealOnce(), sealOnce()]
  assert.equal(first, second)
  return clock.advance(60_001).then(() => assert.notEqual(sealOnce(), first))
})

test('an agreement serves 4,096 messages at most', () => {
  const draft = draftOf(alice, bob, { body: new Uint8Array() })
  const sealer = new Sealer({ ...alice, from: alice.peer })
  const first = toHex(sealer.seal(draft, bob.preKey).body.subarray(0, 32))
  for (let i = 1; i < 4_095; i += 1) sealer.seal(draft, bob.preKey)
  const last = sealer.seal(draft, bob.preKey).body
  assert.equal(toHex(last.subarray(0, 36)), `${first}00000fff`)
  const next = sealer.seal(draft, bob.preKey).body
  assert.notEqual(toHex(next.subarray(0, 32)), first)
  assert.equal(toHex(next.subarray(32, 36)), '00000000')
})

test('whoever copies the id of a pre-key gets nothing that was meant for its owner', () => {
  const copied = { ...eve.preKey, id: bob.preKey.id }
  const ours = alice.sealer.seal(draftOf(alice, bob), bob.preKey).body
  const theirs = alice.sealer.seal(draftOf(alice, bob), copied).body
  assert.notEqual(toHex(ours.subarray(0, 32)), toHex(theirs.subarray(0, 32)))
})

test('nothing is sealed against a pre-key that has expired or is of small order', async () => {
  const invalid = { code: 'AGENT_PRE_KEY_INVALID' }
  const small = { ...bob.preKey, publicKey: new Uint8Array(32) }
  assert.throws(() => alice.sealer.seal(draftOf(alice, bob), small), invalid)
  const over = { ...bob.preKey, expiresAtMs: clock.now() }
  assert.throws(() => alice.sealer.seal(draftOf(alice, bob), over), invalid)
})

test('nothing is sealed for everybody, and a clear body needs no opening', async () => {
  const toAll = draftOf(alice, bob, { to: { topic: 'agent-messages' } })
  assert.throws(() => alice.sealer.seal(toAll, bob.preKey), { code: 'AGENT_ENVELOPE_INVALID' })
  const clear = takenBy(bob, await writeEnvelope(toAll, alice.signer, { network: NETWORK }))
  assert.equal(Buffer.from(bob.opener.open(clear)).toString(), 'hello')
})

test('who steals every identity key later opens nothing: the pre-key is what is missing', async () => {
  const time = new FakeClock(NOW_MS)
  const victim = await agentOf('victim', time)
  const sender = await agentOf('sender', time)
  const tapped = takenBy(victim, await messageOf(sender, victim))
  const thief = (kept: readonly { id: Uint8Array; secret: Uint8Array }[]) => {
    const secretOf = (id: Uint8Array) => {
      const found = kept.find((each) => equalBytes(each.id, id))
      return found && x25519Keys(found.secret)
    }
    return new Opener({ clock: time, network: NETWORK, secretOf })
  }
  // What the test would miss if it could not open at all: with the private half it opens.
  assert.equal(Buffer.from(thief(victim.kept.keys).open(tapped)).toString(), 'hello')

  await time.advance(10 * DAY_MS + 1)
  await victim.preKeys.current()
  assert.throws(() => victim.opener.open(tapped), { code: 'AGENT_PRE_KEY_GONE' })
  // The thief has what is on the disk, both identity keys, and the sender's.
  assert.throws(() => thief(victim.kept.keys).open(tapped), { code: 'AGENT_PRE_KEY_GONE' })
  const stolen = victim.identity.raw.subarray(0, 32)
  const shared = agreementOf(victim.identity)?.(sender.peer) ?? assert.fail()
  const guesses = [stolen, shared, ...victim.kept.keys.map(({ secret }) => secret)]
  for (const secret of guesses) {
    const opener = new Opener({
      clock: time,
      network: NETWORK,
      secretOf: () => x25519Keys(secret),
    })
    assert.throws(() => opener.open(tapped), { code: 'AGENT_BODY_CLOSED' })
  }
})

test('after a restart of the recipient its kept pre-keys open what was on its way', async () => {
  const bytes = await messageOf(alice, bob)
  const again = new PreKeys({
    ...bob,
    store: { load: async () => bob.kept.keys, save: async () => {} },
  })
  const opener = new Opener({ ...bob, secretOf: (id) => again.secretOf(id) })
  assert.throws(() => opener.open(takenBy(bob, bytes)), { code: 'AGENT_PRE_KEY_GONE' })
  await again.current()
  assert.equal(Buffer.from(opener.open(takenBy(bob, bytes))).toString(), 'hello')
})
