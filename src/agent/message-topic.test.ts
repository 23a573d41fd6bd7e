import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { utf8 } from '../base/index.ts'
import { signerFromSeed } from '../identity/index.ts'
import { writeEnvelope } from './envelope.ts'
import { type Heard, heardOf, MESSAGE_TOPIC, messageTopicRules } from './message-topic.ts'

const signer = signerFromSeed(new Uint8Array(32).fill(1))
const other = signerFromSeed(new Uint8Array(32).fill(2))

async function envelope(network: string): Promise<Uint8Array> {
  const said = { from: { peer: signer.peer }, to: { topic: MESSAGE_TOPIC }, id: new Uint8Array(16) }
  const times = { sentAtMs: 1_000, expiresAtMs: 2_000 }
  const draft = { ...said, ...times, kind: 'message' as const, body: utf8('to all') }
  return writeEnvelope(draft, signer, { network })
}

test('the topic carries envelopes of its own network, as their authors made them', async () => {
  const { schema, isAuthor, codec } = messageTopicRules('test')
  const bytes = await envelope('test')
  const heard = schema?.(codec?.decode(bytes)) as Heard
  assert.deepEqual(codec?.encode(heard), bytes)
  assert.equal(isAuthor?.(heard, signer.peer), true)
  assert.equal(isAuthor(heard, other.peer), false)
})

test('what is no envelope, or one of another network, is not passed on', async () => {
  assert.throws(() => heardOf(utf8('hello'), 'test'), coded('AGENT_ENVELOPE_INVALID'))
  const foreign = await envelope('other')
  assert.throws(() => heardOf(foreign, 'test'), coded('AGENT_OTHER_NETWORK'))
})

test("OpenPond's form is nobody's fault, and read only where its owner wants that", () => {
  const json = utf8('{"message":{}}')
  const [off, on] = [messageTopicRules('test'), messageTopicRules('test', { openpond: true })]
  assert.equal(off.bare?.is(json), true)
  assert.equal(off.bare.is(Uint8Array.of(0x83, 0x7b)), false)
  assert.throws(() => off.schema?.(json), coded('AGENT_ENVELOPE_INVALID'))
  const heard = on.schema?.(json)
  assert.deepEqual(heard, { openpond: json })
  assert.deepEqual(on.codec?.encode(heard), json)
  assert.equal(on.isAuthor?.({ openpond: json }, signer.peer), false, 'not as one of ours')
})
