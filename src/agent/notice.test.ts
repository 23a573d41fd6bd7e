import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AGENTS_NETWORK, agentOf, recordValue } from '../../test/support/agents.ts'
import { coded } from '../../test/support/expect.ts'
import { CodedError } from '../base/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { decodeNotice, encodeNotice, type Notice, noticeRules } from './notice.ts'

const NOW_MS = 1_800_000_000_000
const alice = agentOf(1)
const bob = agentOf(2)
const broken = coded('AGENT_NOTICE_INVALID')
const status = {
  peers: 1,
  messagesSent: 2,
  messagesReceived: 3,
  uptimeSeconds: 4,
  memoryBytes: 5,
  dhtSize: 6,
}

async function noticeOf(over: Partial<Notice> = {}): Promise<Notice> {
  const record = await recordValue(alice, NOW_MS)
  return { record, name: 'alice', isHere: true, atMs: NOW_MS, sinceMs: NOW_MS - 5, ...over }
}

const rules = noticeRules({ network: AGENTS_NETWORK, now: () => NOW_MS })
const schema = rules.schema ?? assert.fail()
const isAuthor = rules.isAuthor ?? assert.fail()

test('a notice comes back as it went, with and without a status', async () => {
  for (const notice of [await noticeOf(), await noticeOf({ status, isHere: false, name: '' })]) {
    assert.deepEqual(decodeNotice(encodeNotice(notice)), notice)
  }
})

test('a notice holds with both signatures, by the peer that is bound, for two minutes', async () => {
  const { record } = schema(await noticeOf())
  assert.deepEqual(
    [record.binding.peer, record.binding.address],
    [alice.node.peer, alice.eth.address],
  )
  const verified = schema(await noticeOf())
  assert.equal(isAuthor(verified, alice.node.peer), true)
  assert.equal(isAuthor(verified, bob.node.peer), false, 'a recording of another')
  const at = async (over: Partial<Notice>) => schema(await noticeOf({ sinceMs: 0, ...over }))
  await assert.rejects(at({ atMs: NOW_MS - 120_000 }), broken)
  await assert.rejects(at({ atMs: NOW_MS + 60_001 }), broken)
  await assert.rejects(at({ sinceMs: NOW_MS + 1 }), broken)
  assert.equal((await at({ atMs: NOW_MS - 119_999 })).isHere, true)
})

test('a binding of another network, or with one signature, makes no notice', async () => {
  const elsewhere = await recordValue(alice, NOW_MS, { network: 'elsewhere' })
  const forged = await recordValue(
    { ...alice, eth: { ...bob.eth, address: alice.eth.address } },
    NOW_MS,
  )
  for (const record of [elsewhere, forged]) {
    const notice = await noticeOf({ record })
    assert.throws(() => schema(notice), coded('IDENTITY_BINDING_INVALID'))
  }
})

test('notices of another form are refused before a signature is looked at', async () => {
  const fields = decodeCbor(encodeNotice(await noticeOf({ status })), 'notice', 4_096)
  assert.ok(fields instanceof Map)
  const wrong: readonly (readonly [number, Cbor])[] = [
    [1, 'text'],
    [2, 7],
    [2, 'x'.repeat(65)],
    [2, '\u001b[2J'],
    [2, '\u202e'],
    [3, 2],
    [4, -1],
    [5, 'x'],
    [6, [1, 2, 3, 4, 5]],
    [6, [1, 2, 3, 4, 5, -6]],
    [6, 1],
    [7, 1],
  ]
  for (const [key, value] of wrong) {
    const bytes = encodeCbor(new Map([...(fields as Map<Cbor, Cbor>), [key, value]]))
    assert.throws(() => decodeNotice(bytes), broken, `field ${key}`)
  }
  assert.throws(() => decodeNotice(encodeCbor([])), broken)
  assert.throws(() => decodeNotice(new Uint8Array(3_073)), coded('WIRE_TOO_LONG'))
})

test('whatever bytes come, they are a notice or an error with a code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.throws(
        () => schema(decodeNotice(bytes)),
        (error) => error instanceof CodedError,
      )
    }),
  )
})
