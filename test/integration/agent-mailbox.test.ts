/**
 * A message for an agent that is away: sealed, left with nodes that serve the DHT, fetched by the
 * agent when it is back, and asked away.
 *
 *   alice ──put──▶ carol, dave, erin ◀──take, ack── bob, who was away meanwhile
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AgentFace } from '../../src/agent/index.ts'
import { MailStore } from '../../src/agent/mailbox-store.ts'
import { utf8 } from '../../src/base/index.ts'
import { createNode, type Node } from '../../src/node/index.ts'
import { addressOf, eventually, findAgent, type TestNode, testNode } from '../support/nodes.ts'

const QUIET = { level: 'silent' } as const
const agent = { enabled: true }
/** Agents ask and publish; the three between them keep. */
const asking = { mode: 'client' } as const

function agentOf(node: Node): AgentFace {
  assert.ok(node.agent)
  return node.agent
}

/** How many messages for this address lie in the files of these nodes. */
function keptFor(address: string, keepers: readonly TestNode[]) {
  return keepers.map(({ node }) => {
    const store = new MailStore(join(node.dataDir.path, 'mailbox.sqlite'))
    const { mails } = store.of('box', address.toLowerCase())
    store.close()
    return mails
  })
}

async function folder(stack: AsyncDisposableStack): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-mailbox-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  return dataDir
}

test('who was away gets a message once, from its keepers alone, and its sender hears of it', async () => {
  await using stack = new AsyncDisposableStack()
  const carol = stack.use(await testNode())
  const bootstrap = { nodes: [addressOf(carol, 'tcp')] }
  const dave = stack.use(await testNode({ bootstrap }))
  const erin = stack.use(await testNode({ bootstrap }))
  const keepers = [carol, dave, erin]
  const start = async (dataDir: string) => {
    const options = { preset: 'test', agent, dht: asking, bootstrap, dataDir, log: QUIET } as const
    const node = await createNode(options)
    stack.defer(() => node.stop())
    return node
  }
  const [ofAlice, ofBob] = [await folder(stack), await folder(stack)]
  const [alice, bob] = [await start(ofAlice), await start(ofBob)]
  const to = bob.ethAddress ?? ''
  await eventually(() => findAgent(alice, to))
  await bob.stop()

  const sent = await agentOf(alice).send(to, utf8('while you were away'))
  assert.ok(['queued', 'sent', 'stored'].includes(sent.state), sent.state)
  const stored = await eventually(async () => {
    const mails = keptFor(to, keepers)
    return mails.reduce((sum, n) => sum + n, 0) > 0 ? mails : undefined
  })
  assert.ok(stored.every((mails) => mails <= 1))
  // Now nobody else can hand it over.
  await alice.stop()

  const back = await start(ofBob)
  assert.equal(back.ethAddress, to)
  const received: string[] = []
  agentOf(back).on('message', ({ id }) => void received.push(id))
  const signal = AbortSignal.timeout(60_000)
  const message = await agentOf(back).inbox.wait({ after: 0, signal })
  assert.equal(message.id, sent.id)
  assert.equal(message.route, 'mailbox')
  assert.equal(Buffer.from(message.body).toString(), 'while you were away')
  await eventually(async () =>
    keptFor(to, keepers).every((mails) => mails === 0) ? true : undefined,
  )

  const again = await start(ofAlice)
  const states: string[] = []
  agentOf(again).on('delivery', ({ id, state }) => {
    if (id === sent.id) states.push(state)
  })
  await eventually(async () => (states.includes('delivered') ? true : undefined))
  assert.ok(received.length <= 1)
  assert.equal(agentOf(back).inbox.list().messages.length, 1)
})
