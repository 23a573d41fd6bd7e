/**
 * What an agent does not take when it comes on the other ways: published on the topic of messages
 * by its author, and out of the file of a node that keeps messages. As over a stream, nobody is told
 * of any, each is counted by its code and way, and the log says why; and who forges is heard no more.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { mailHash } from '../../src/agent/mailbox-protocol.ts'
import { MailStore } from '../../src/agent/mailbox-store.ts'
import { MESSAGE_TOPIC } from '../../src/agent/message-topic.ts'
import { ENVELOPE_BYTES_MAX } from '../../src/agent/protocol.ts'
import { systemClock } from '../../src/base/index.ts'
import {
  emptyRegistry,
  folderOf,
  HOUR_MS,
  linesOf,
  type Receiver,
  receiver,
  refusedBy,
  sender,
  wrongMessages,
} from '../support/hostile-agent.ts'
import { addressOf, eventually, testNode } from '../support/nodes.ts'

/** Somebody waits for what is counted, as nobody is answered on these ways. */
async function assertCounted(
  at: Receiver,
  { code, route, why }: { code: string; route: 'gossip' | 'mailbox'; why: RegExp },
  from: { readonly count: number; readonly lines: number },
): Promise<void> {
  await eventually(async () => {
    return (await refusedBy(at, code, route)) > from.count ? true : undefined
  })
  assert.equal(await refusedBy(at, code, route), from.count + 1, code)
  const line = linesOf(at, 'message refused').slice(from.lines)
  const mine = line.find((one) => one.code === code && one.route === route)
  assert.match(String(mine?.reason), why)
}

test('published by its author: forged, of another, foreign, late, early and misspelt are each refused', async (t) => {
  const at = await receiver(t, await folderOf(t))
  const [code, route] = ['AGENT_AUTHOR_FOREIGN', 'gossip'] as const
  const first = await sender(t, at.node)
  await first.publish(await first.message())
  await eventually(async () => (at.told.length === 1 ? true : undefined))
  let refused = 0
  for (let n = 0; ; n += 1) {
    // Whoever forged is not heard for a while: each has its own author.
    const from = await sender(t, at.node)
    const [what, ...more] = (await wrongMessages(at, from)).slice(n)
    if (what === undefined) break
    const [code, bytes, why] = what
    // What is for somebody else is nobody's fault here; what is too large fits in no topic.
    if (code === 'AGENT_OTHER_RECIPIENT' || code === 'AGENT_TOO_LARGE') continue
    const before = {
      count: await refusedBy(at, code, route),
      lines: linesOf(at, 'message refused').length,
    }
    await from.publish(bytes)
    await assertCounted(at, { code, route, why }, before)
    refused += 1
    assert.ok(more.length < 20)
  }
  assert.equal(refused, 8)
  const [thief, victim] = [await sender(t, at.node), await sender(t, at.node)]
  const before = { count: 0, lines: 0 }
  await thief.publish(await victim.message())
  await assertCounted(at, { code, route, why: /somebody else wrote it/ }, before)
  assert.equal(at.told.length, 1)
  assert.equal(at.node.agent?.inbox.list().messages.length, 1)
})

test('published again by its author, a message is not told again, and is counted and named', async (t) => {
  const at = await receiver(t, await folderOf(t))
  const from = await sender(t, at.node)
  const [private_, publicly] = [
    await from.message(),
    await from.message({ to: { topic: MESSAGE_TOPIC } }, { isSealed: false }),
  ]
  for (const bytes of [private_, publicly]) await from.publish(bytes)
  await eventually(async () => (at.told.length === 2 ? true : undefined))
  const now = Date.now.bind(Date)
  for (const [n, aheadMs] of [0, 121_000].entries()) {
    const moved = t.mock.method(Date, 'now', () => now() + aheadMs)
    for (const bytes of [private_, publicly]) await from.publish(bytes)
    const wanted = 2 * (n + 1)
    await eventually(async () => {
      return (await refusedBy(at, 'AGENT_REPLAYED', 'gossip')) === wanted ? true : undefined
    })
    moved.mock.restore()
  }
  const lines = linesOf(at, 'message came again, and was not taken again')
  assert.deepEqual(
    [...new Set(lines.map(({ id }) => id))].sort(),
    at.told.map(({ id }) => id).sort(),
  )
  assert.equal(at.told.length, 2)
})

test('who hands over forgeries on a stream is heard on no topic for a while, and others are', async (t) => {
  const at = await receiver(t, await folderOf(t))
  const [forger, honest] = [await sender(t, at.node), await sender(t, at.node)]
  await forger.publish(await forger.message())
  await eventually(async () => (at.told.length === 1 ? true : undefined))
  const [forged] = await wrongMessages(at, forger)
  for (let n = 0; n < 3; n += 1) {
    await assert.rejects(forger.deliver(forged?.[1] ?? new Uint8Array()))
  }
  await forger.publish(await forger.message())
  await honest.publish(await honest.message())
  await eventually(async () => (at.told.length === 2 ? true : undefined))
  await wait(300)
  assert.deepEqual(
    at.told.map((message) => message.from.peer),
    [forger.peer, honest.peer],
  )
})

/** Puts messages into the file of a running keeper, as whoever runs it could. */
function plant(dataDir: string, box: string, all: readonly Uint8Array[], by: string): void {
  const store = new MailStore(join(dataDir, 'mailbox.sqlite'))
  for (const envelope of all) {
    const hash = mailHash(envelope)
    const expiresMs = systemClock.now() + HOUR_MS
    const mail = { box, sender: by as never, id: hash.slice(0, 16), hash, origin: by, expiresMs }
    store.add({ ...mail, envelope })
  }
  store.close()
}

async function keeper(t: TestContext) {
  const kept = await testNode()
  t.after(() => kept[Symbol.asyncDispose]())
  return kept
}

test('out of a mailbox: forged, re-targeted, foreign, late, early, misspelt and oversized are each refused', async (t) => {
  const carol = await keeper(t)
  const bootstrap = [addressOf(carol, 'tcp')]
  const dataDir = await folderOf(t)
  const first = await receiver(t, dataDir, { bootstrap })
  const from = await sender(t, first.node)
  const good = await from.message()
  const taken = await from.message()
  await from.deliver(taken)
  const wrong = await wrongMessages(first, from)
  const box = (first.node.ethAddress ?? '').toLowerCase()
  await first.node.stop()
  // No page carries what is larger than any envelope.
  const planted = wrong.filter(([, bytes]) => bytes.length <= ENVELOPE_BYTES_MAX)
  const all = [good, taken, ...planted.map(([, bytes]) => bytes)]
  plant(carol.node.dataDir.path, box, all, from.peer)

  const at = await receiver(t, dataDir, { bootstrap })
  await eventually(async () => {
    return linesOf(at, 'message refused').length >= planted.length ? true : undefined
  })
  const route = 'mailbox'
  const lines = linesOf(at, 'message refused').filter((line) => line.route === route)
  for (const [code, , why] of planted) {
    const same = planted.filter(([other]) => other === code).length
    assert.equal(await refusedBy(at, code, route), same, code)
    const explained = lines.some((line) => line.code === code && why.test(String(line.reason)))
    assert.ok(explained, code)
  }
  await eventually(async () => (at.told.length === 1 ? true : undefined))
  assert.equal(await refusedBy(at, 'AGENT_REPLAYED', route), 1)
  assert.equal(at.node.agent?.inbox.list().messages.length, 2)
})

test('without an entry in the registry, on the topic and out of a mailbox a sender is refused as well', async (t) => {
  const RPC_URL = await emptyRegistry(t)
  const environment = { RPC_URL, REGISTRY_ADDRESS: `0x${'1'.repeat(40)}` }
  const agent = { requireRegistered: true }
  const carol = await keeper(t)
  const bootstrap = [addressOf(carol, 'tcp')]
  const dataDir = await folderOf(t)
  const first = await receiver(t, dataDir, { environment, agent, bootstrap })
  const from = await sender(t, first.node)
  const code = 'AGENT_SENDER_REFUSED'
  const [unregistered, nameless] = [
    { code, why: /the sender is unregistered/ },
    { code, why: /the sender is without an Ethereum address/ },
  ]
  const without = () => from.message({}, { hasAddress: false })
  await from.publish(await from.message())
  await assertCounted(first, { ...unregistered, route: 'gossip' }, { count: 0, lines: 0 })
  const lines = linesOf(first, 'message refused').length
  await from.publish(await without())
  await assertCounted(first, { ...nameless, route: 'gossip' }, { count: 1, lines })
  const box = (first.node.ethAddress ?? '').toLowerCase()
  const all = [await from.message(), await without()]
  await first.node.stop()
  plant(carol.node.dataDir.path, box, all, from.peer)
  const at = await receiver(t, dataDir, { environment, agent, bootstrap })
  await eventually(async () => {
    return (await refusedBy(at, code, 'mailbox')) >= 2 ? true : undefined
  })
  const reasons = linesOf(at, 'message refused').map(({ reason }) => String(reason))
  for (const { why } of [unregistered, nameless]) assert.ok(reasons.some((one) => why.test(one)))
  assert.deepEqual([first.told, at.told], [[], []])
})
