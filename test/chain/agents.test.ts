/** Whole nodes whose registry is on a real chain: who is blocked or a stranger is not heard. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AgentFace } from '../../src/agent/index.ts'
import { utf8 } from '../../src/base/index.ts'
import { ethAddress } from '../../src/identity/index.ts'
import { type Node, openNode, resolveOptions } from '../../src/node/index.ts'
import { eventually } from '../support/nodes.ts'
import { missing } from './anvil.ts'
import { registryNet, type User } from './fixture.ts'

assert.equal(missing(), undefined)

/** How long nodes believe an answer of the registry. */
const CACHE_MS = 1_000
/** How long the chain is away: longer than that. 300000 is what the issue asks for, by hand. */
const AWAY_MS = Number(process.env.P2P_CHAIN_AWAY_MS ?? 1_500)
const NOBODY = ethAddress(`0x${'0'.repeat(40)}`)

/** A node that speaks for a user's address; its secrets come as from an environment. */
async function agentNode(
  user: User,
  place: { readonly url: string; readonly address: string },
  options: { readonly requireRegistered?: boolean; readonly bootstrap?: readonly string[] } = {},
) {
  const { requireRegistered = false, bootstrap = [] } = options
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-chain-node-'))
  const environment = {
    PRIVATE_KEY: user.key,
    RPC_URL: place.url,
    REGISTRY_ADDRESS: place.address,
  }
  const agent = { enabled: true, requireRegistered, registryCacheMs: CACHE_MS }
  const nodes = { bootstrap: { nodes: [...bootstrap] } }
  const config = resolveOptions({ preset: 'test', agent, ...nodes, dataDir }, environment)
  const node = await openNode(config, { environment, writeLog: () => undefined })
  const stop = async () => {
    await node.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
  return { node, agent: faceOf(node), [Symbol.asyncDispose]: stop }
}

function faceOf(node: Node): AgentFace {
  assert.ok(node.agent)
  return node.agent
}

test('a sender who was heard and is blocked then is heard no more once the answer is too old', async () => {
  await using net = await registryNet()
  const [us, foe] = net.others as [User, User]
  for (const user of [us, foe]) {
    await net.write(user, { name: 'registerAgent', args: ['agent', '{}', NOBODY] })
  }
  const place = { url: net.anvil.url, address: net.registry.address }
  await using here = await agentNode(us, place)
  const bootstrap = here.node.addresses.filter((address) => address.includes('/tcp/')).slice(0, 1)
  await using atFoe = await agentNode(foe, place, { bootstrap })
  const heard: string[] = []
  here.agent.on('message', ({ body }) => void heard.push(Buffer.from(body).toString()))
  const say = (words: string) => atFoe.agent.send(us.address, utf8(words), { expiresMs: 60_000 })
  await say('before')
  await eventually(async () => heard.includes('before') || undefined)

  await net.write(us, { name: 'blockAgent', args: [foe.address] })
  await new Promise((resolve) => setTimeout(resolve, CACHE_MS + 500))
  const after = await say('after')
  assert.equal(after.state, 'failed')
  assert.match(after.reason ?? '', /the sender is blocked/)

  await net.write(us, { name: 'unblockAgent', args: [foe.address] })
  await new Promise((resolve) => setTimeout(resolve, CACHE_MS + 500))
  await say('again')
  await eventually(async () => heard.includes('again') || undefined)
  assert.deepEqual(heard, ['before', 'again'])
})

test('messages of the blocked and of strangers are dropped; a chain that is away stops nobody else', async () => {
  await using net = await registryNet()
  const [us, friend, foe, stranger] = net.others as [User, User, User, User]
  for (const user of [us, friend, foe]) {
    await net.write(user, { name: 'registerAgent', args: ['agent', '{}', NOBODY] })
  }
  await net.write(us, { name: 'blockAgent', args: [foe.address] })
  const place = { url: net.anvil.url, address: net.registry.address }
  await using stack = new AsyncDisposableStack()
  const here = stack.use(await agentNode(us, place, { requireRegistered: true }))
  const bootstrap = here.node.addresses.filter((address) => address.includes('/tcp/')).slice(0, 1)
  const others = await Promise.all(
    [friend, foe, stranger].map(async (user) => agentNode(user, place, { bootstrap })),
  )
  for (const each of others) stack.use(each)
  const [atFriend, atFoe, atStranger] = others
  assert.ok(atFriend && atFoe && atStranger)

  const heard: string[] = []
  here.agent.on('message', ({ body }) => void heard.push(Buffer.from(body).toString()))
  const say = (from: { readonly agent: AgentFace }, words: string) =>
    from.agent.send(us.address, utf8(words), { expiresMs: 60_000 })
  const refused = await Promise.all([say(atFoe, 'foe'), say(atStranger, 'stranger')])
  await say(atFriend, 'friend')
  await eventually(async () => heard.includes('friend') || undefined)
  const failures = () => refused.map(({ state }) => state)
  assert.deepEqual(heard, ['friend'], JSON.stringify(failures()))
  assert.equal(here.node.status().registry?.state, 'active')

  await net.anvil.stop()
  const backAt = Date.now() + AWAY_MS
  const told = ['friend']
  do {
    await new Promise((resolve) => setTimeout(resolve, Math.min(AWAY_MS, 10_000)))
    const words = `friend ${told.length}`
    await Promise.all([say(atFriend, words), say(atFoe, `foe ${told.length}`)])
    told.push(words)
    await eventually(async () => heard.includes(words) || undefined)
    assert.deepEqual(heard, told)
    const { registry, health } = here.node.status()
    assert.equal(registry?.state, 'unavailable')
    assert.match(health.reasons.join('\n'), /no agent registry: .*ECONNREFUSED/)
  } while (Date.now() < backAt)
})
