/**
 * What an agent does not take, end to end: a peer that holds keys of its own hands a running node
 * messages that are wrong in one way each. Nobody is told of any, each is counted, and the log says why.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/base/index.ts'
import { coded } from '../support/expect.ts'
import {
  assertRefused,
  copiesAt,
  emptyRegistry,
  folderOf,
  linesOf,
  MINUTE_MS,
  type Receiver,
  receiver,
  refusedBy,
  sender,
  wrongMessages,
} from '../support/hostile-agent.ts'
import { eventually } from '../support/nodes.ts'

test('forged, re-targeted, foreign, late, early, misspelt and oversized messages are each refused', async (t) => {
  const at = await receiver(t, await folderOf(t))
  const from = await sender(t, at.node)
  const good = await from.message()
  assert.ok((await from.deliver(good)) instanceof Uint8Array)
  assert.equal(at.told.length, 1)

  const wrong = await wrongMessages(at, from)
  for (const [code, bytes, why] of wrong) await assertRefused(at, from, { bytes, code, why })
  assert.equal(at.node.agent?.inbox.list().messages.length, 1)
})

test('a message that comes again, at once, after 121 s or a restart, is not told again', async (t) => {
  const dataDir = await folderOf(t)
  const first = await receiver(t, dataDir)
  const from = await sender(t, first.node)
  const long = await from.message()
  const short = await from.message({ expiresAtMs: systemClock.now() + MINUTE_MS })
  for (const bytes of [long, short]) assert.ok((await from.deliver(bytes)) instanceof Uint8Array)
  assert.equal(first.told.length, 2)

  const assertCopy = async (at: Receiver, told: number) => {
    const copies = await copiesAt(at)
    assert.ok((await from.deliver(long)) instanceof Uint8Array)
    assert.equal(await copiesAt(at), copies + 1)
    assert.equal(await refusedBy(at, 'AGENT_REPLAYED'), copies + 1)
    const [line] = linesOf(at, 'message came again, and was not taken again').slice(-1)
    assert.ok(String(line?.from).endsWith(from.peer.slice(-6)))
    assert.match(String(line?.id), /^[0-9a-f]{32}$/)
    assert.equal(at.told.length, told)
  }
  await assertCopy(first, 2)

  const now = Date.now.bind(Date)
  const moved = t.mock.method(Date, 'now', () => now() + 121_000)
  await assertCopy(first, 2)
  const late = { bytes: short, code: 'AGENT_EXPIRED', why: /it expired \d+ ms ago/ }
  await assertRefused(first, from, late)
  await first.node.stop()

  const second = await receiver(t, dataDir)
  await from.meet(second.node)
  await assertCopy(second, 0)
  await assertRefused(second, from, late)
  moved.mock.restore()
  assert.equal(second.node.agent?.inbox.list().messages.length, 2)
})

test('a sender without an entry in the registry, or without an address, is refused where it matters', async (t) => {
  const RPC_URL = await emptyRegistry(t)
  const environment = { RPC_URL, REGISTRY_ADDRESS: `0x${'1'.repeat(40)}` }
  const agent = { requireRegistered: true }
  const at = await receiver(t, await folderOf(t), { environment, agent })
  const from = await sender(t, at.node)
  const code = 'AGENT_SENDER_REFUSED'
  // A message does not wait long for the registry's first answer; its sender comes again.
  await eventually(async () => {
    const refusal: unknown = await from.deliver(await from.message()).catch((e: unknown) => e)
    if (coded('AGENT_SENDER_UNCHECKED')(refusal)) return undefined
    assert.ok(coded(code)(refusal), String(refusal))
    return true
  })
  const unregistered = await from.message()
  await assertRefused(at, from, { bytes: unregistered, code, why: /the sender is unregistered/ })
  const nameless = await from.message({}, { hasAddress: false })
  const why = /the sender is without an Ethereum address/
  await assertRefused(at, from, { bytes: nameless, code, why })
})
