import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom, toHex, utf8 } from '../base/index.ts'
import { ethAddress, ethSigner } from '../identity/index.ts'
import { OPENPOND_AGE_MS_MAX, OPENPOND_BYTES_MAX, readOpenPond, writeOpenPond } from './openpond.ts'

const NOW_MS = 1_737_000_000_000
const random = seededRandom('openpond')
const [alice, bob, eve] = [1, 2, 3].map((n) => ethSigner(new Uint8Array(32).fill(n)))
assert.ok(alice !== undefined && bob !== undefined && eve !== undefined)
const rules = { nowMs: NOW_MS, own: bob.address }
const said = { to: bob.address, body: utf8('hällo'), sentAtMs: NOW_MS }

/** The fields as OpenPond's `sendMessage` puts them, in its order. */
const fields: Record<string, unknown> = {
  messageId: `${alice.address}-${NOW_MS}-k3jx9a`,
  fromAgentId: alice.address,
  toAgentId: bob.address,
  content: { encrypted: [104, 105] },
  timestamp: NOW_MS,
  nonce: NOW_MS,
}

/** Signed as OpenPond does, by `signer`, and wrapped as it publishes. */
function signed(message: Record<string, unknown>, signer = alice): Uint8Array {
  const signature = `0x${toHex(signer?.signMessage(JSON.stringify(message)) ?? assert.fail())}`
  return utf8(JSON.stringify({ message: { ...message, signature } }))
}

test('a message comes back as it was written, for one or for all', () => {
  const given = fc.record(
    {
      body: fc.uint8Array({ maxLength: 100 }),
      conversation: fc.stringMatching(/^[ -~]{1,64}$/),
      replyTo: fc.stringMatching(/^[ -~]{1,64}$/),
      to: fc.constant(bob.address),
    },
    { requiredKeys: ['body'] },
  )
  fc.assert(
    fc.property(given, (more) => {
      const read = readOpenPond(writeOpenPond({ sentAtMs: NOW_MS, ...more }, alice, random), rules)
      const { messageId, body, peer, ...rest } = read
      assert.ok(peer.startsWith('16Uiu2HA'))
      assert.ok(messageId.startsWith(`${alice.address}-${NOW_MS}-`))
      assert.deepEqual(Buffer.from(body), Buffer.from(more.body))
      const { body: _, ...expected } = more
      assert.deepEqual(rest, { from: alice.address, sentAtMs: NOW_MS, ...expected })
    }),
    { numRuns: 50 },
  )
})

test("what OpenPond's own node signs is believed, whatever order and spacing it comes in", () => {
  assert.equal(Buffer.from(readOpenPond(signed(fields), rules).body).toString(), 'hi')
  const turned = Object.fromEntries(Object.entries(fields).reverse())
  assert.equal(readOpenPond(signed(turned), rules).from, alice.address)
  const spaced = JSON.stringify(JSON.parse(Buffer.from(signed(fields)).toString()), null, 2)
  assert.equal(readOpenPond(utf8(spaced), rules).from, alice.address)
  const extra = { ...fields, content: 'text', version: { major: 1 } }
  assert.equal(Buffer.from(readOpenPond(signed(extra), rules).body).toString(), 'text')
  const lower = { ...fields, fromAgentId: alice.address.toLowerCase() }
  assert.equal(readOpenPond(signed(lower), rules).from, alice.address)
})

test('a key order other than the one that was signed is refused, and so is any other change', () => {
  const forged = { code: 'AGENT_SIGNATURE_INVALID' }
  const { message } = JSON.parse(Buffer.from(signed(fields)).toString()) as {
    message: Record<string, unknown>
  }
  const put = (value: unknown) => () => readOpenPond(utf8(JSON.stringify(value)), rules)
  assert.throws(put({ message: Object.fromEntries(Object.entries(message).reverse()) }), forged)
  assert.throws(put({ message: { ...message, nonce: 1 } }), forged)
  assert.throws(put({ message: { ...message, added: 1 } }), forged)
  assert.throws(put({ message: { ...message, content: { encrypted: [104, 106] } } }), forged)
  assert.throws(() => readOpenPond(signed(fields, eve), rules), forged)
  assert.throws(put({ message: { ...message, fromAgentId: eve.address } }), forged)
})

test('a signature with a high s is refused: it is the second spelling of one', () => {
  const { message } = JSON.parse(Buffer.from(signed(fields)).toString()) as {
    message: { signature: string }
  }
  const order = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n
  const digits = message.signature.slice(2)
  const s = (order - BigInt(`0x${digits.slice(64, 128)}`)).toString(16).padStart(64, '0')
  const v = digits.endsWith('1b') ? '1c' : '1b'
  const signature = `0x${digits.slice(0, 64)}${s}${v}`
  const high = utf8(JSON.stringify({ message: { ...message, signature } }))
  assert.throws(() => readOpenPond(high, rules), { code: 'AGENT_SIGNATURE_INVALID' })
})

test('a message for another, from the future or of more than an hour ago is refused', () => {
  const other = { code: 'AGENT_OTHER_RECIPIENT' }
  const bytes = writeOpenPond(said, alice, random)
  assert.throws(() => readOpenPond(bytes, { ...rules, own: eve.address }), other)
  assert.throws(() => readOpenPond(bytes, { ...rules, own: undefined }), other)
  const at = (nowMs: number) => () => readOpenPond(bytes, { ...rules, nowMs })
  assert.throws(at(NOW_MS - 60_001), { code: 'AGENT_FROM_FUTURE' })
  assert.doesNotThrow(at(NOW_MS - 60_000))
  assert.throws(at(NOW_MS + OPENPOND_AGE_MS_MAX), { code: 'AGENT_EXPIRED' })
  assert.doesNotThrow(at(NOW_MS + OPENPOND_AGE_MS_MAX - 1))
})

test('what is too large is neither written nor read', () => {
  const large = { code: 'AGENT_TOO_LARGE' }
  const body = new Uint8Array(512 * 1024).fill(200)
  assert.throws(() => writeOpenPond({ ...said, body }, alice, random), large)
  assert.throws(() => readOpenPond(new Uint8Array(OPENPOND_BYTES_MAX + 1), rules), large)
  const text = signed({ ...fields, content: 'x'.repeat(512 * 1024 + 1) })
  assert.throws(() => readOpenPond(text, rules), large)
})

test('a form of any other kind is refused before its signature is looked at', () => {
  const { messageId: _, ...nameless } = fields
  const { nonce: __, ...once } = fields
  const wrong = [
    utf8('{'),
    Uint8Array.of(0xff),
    utf8('[]'),
    utf8('{"message":5}'),
    utf8('{"message":{},"other":1}'),
    utf8('{"message":{"__proto__":{}}}'),
    signed(nameless),
    signed(once),
    signed({ ...fields, fromAgentId: 'alice' }),
    signed({ ...fields, fromAgentId: `0x${'aB'.repeat(20)}` }),
    signed({ ...fields, toAgentId: 5 }),
    signed({ ...fields, content: 5 }),
    signed({ ...fields, content: { encrypted: [256] } }),
    signed({ ...fields, content: { encrypted: [2 ** 32] } }),
    signed({ ...fields, content: { encrypted: ['a'] } }),
    signed({ ...fields, content: { encrypted: Uint8Array.of(1, 2) } }),
    signed({ ...fields, timestamp: -1 }),
    signed({ ...fields, timestamp: 0.5 }),
    signed({ ...fields, messageId: 'a\nb' }),
    signed({ ...fields, replyTo: '' }),
    signed({ ...fields, conversationId: 'c'.repeat(65) }),
    utf8(JSON.stringify({ message: { ...fields, signature: '0x00' } })),
    utf8(JSON.stringify({ message: fields })),
  ]
  for (const bytes of wrong) {
    const code = 'AGENT_OPENPOND_INVALID'
    assert.throws(() => readOpenPond(bytes, rules), { code }, Buffer.from(bytes).toString())
  }
  assert.equal(ethAddress(alice.address.toLowerCase()), alice.address)
})
