/**
 * Each of the nine standard tools called by its name from another node, over loopback. Three nodes:
 * Alice calls Bob's tools, and what Bob calls for her is at Carol's.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../src/base/index.ts'
import { type ToolArgs, tool, z } from '../../src/mcp/index.ts'
import type { Node } from '../../src/node/index.ts'
import { STANDARD_TOOLS, type StandardTool } from '../../src/node/tools/names.ts'
import { type ModelServer, modelServer } from '../support/model-server.ts'
import { addressOf, testNode } from '../support/nodes.ts'

const NINE = [
  'query_network',
  'find_peers',
  'relay_message',
  'run_inference',
  'forward_to_peer',
  'aggregate_results',
  'get_status',
  'list_connections',
  'configure',
] as const

/** Those that strangers may use as well. */
const FREE: readonly string[] = ['query_network', 'find_peers']

/** Alice knows Bob, Bob knows Carol; each of them two runs a model that says who it is. */
async function three() {
  await using made = new AsyncDisposableStack()
  const bobsModel = made.use(await modelServer({ word: 'bob' }))
  const carolsModel = made.use(await modelServer({ word: 'carol' }))
  const runs = ({ url }: ModelServer) => {
    return { mcp: { inference: { own: { kind: 'openai' as const, url } } } }
  }
  const carol = made.use(await testNode(runs(carolsModel)))
  const nodes = [addressOf(carol, 'tcp')]
  const bob = made.use(await testNode({ ...runs(bobsModel), bootstrap: { nodes } }))
  const alice = made.use(await testNode({ bootstrap: { nodes: [addressOf(bob, 'tcp')] } }))
  await bob.node.connect(addressOf(carol, 'tcp'))
  await alice.node.connect(addressOf(bob, 'tcp'))
  const end = made.move()
  return {
    alice: alice.node,
    bob: bob.node,
    carol: carol.node,
    carolsModel,
    [Symbol.asyncDispose]: () => end.disposeAsync(),
  }
}

/** The operator of `from` lets `to` use its standard tools, or one of them. */
async function granted(from: Node, to: Node, name?: StandardTool): Promise<string> {
  const named = name !== undefined && { tool: name }
  return (await from.grants.issue({ service: 'node', to: to.peerId, ...named })).token
}

/** What Bob may show Carol when he calls for Alice: her right, handed on to him by her. */
async function throughAlice(carol: Node, alice: Node, bob: Node): Promise<string> {
  const from = await granted(carol, alice)
  return alice.grants.delegate({ from, to: bob.peerId })
}

interface Calling {
  /** The name of the tool, once its call has succeeded. */
  readonly done: Set<string>
  readonly call: (name: StandardTool, args?: ToolArgs) => Promise<Record<string, unknown>>
}

/** Calls at `to` alone; whatever succeeds is ticked off. */
function calling(from: Node, to: Node, grants: readonly string[]): Calling {
  const done = new Set<string>()
  const call = async (name: StandardTool, args: ToolArgs = {}) => {
    const result = await from.tools.call(name, args, { peer: to.peerId, grants })
    assert.equal(result.peer, to.peerId, name)
    assert.notEqual(result.isError, true, JSON.stringify(result.content))
    done.add(name)
    return result.structuredContent as Record<string, unknown>
  }
  return { done, call }
}

test('all nine are called by name from another node, by grant', async () => {
  await using net = await three()
  const { alice, bob, carol } = net
  const lent = await throughAlice(carol, alice, bob)
  const { done, call } = calling(alice, bob, [await granted(bob, alice), lent])
  const ask = tool('ask', { idempotent: true, output: z.object({ n: z.number() }) }, () => {
    return { n: 42 }
  })
  await using _ = await carol.expose('oracle', [ask])
  const read: string[] = []
  carol.onMessage(({ from, body }) => read.push(`${from} ${body}`))

  const about = await call('query_network', { what: 'peer', key: bob.peerId })
  assert.equal((about.peer as { peer: string }).peer, bob.peerId)
  const near = (await call('find_peers', { connected: true })).peers as { peer: string }[]
  assert.deepEqual(near.map(({ peer }) => peer).sort(), [alice.peerId, carol.peerId].sort())
  const sent = await call('relay_message', { to: carol.peerId, body: 'from Alice' })
  assert.equal(sent.outcome, 'delivered')
  assert.deepEqual(read, [`${bob.peerId} from Alice`])
  assert.equal((await call('run_inference', { prompt: 'hello' })).text, 'bob hello')
  const forwarded = await call('forward_to_peer', { prompt: 'hello', peer: carol.peerId })
  assert.deepEqual([forwarded.text, forwarded.peer], ['carol hello', carol.peerId])
  const peers = [carol.peerId]
  const asked = await call('aggregate_results', { tool: 'ask', service: 'oracle', peers })
  assert.deepEqual([asked.value, asked.agreed], [{ n: 42 }, peers])
  assert.equal((await call('get_status')).peerId, bob.peerId)
  assert.equal((await call('list_connections')).total, 2)
  const changed = await call('configure', { changes: { 'mcp.attempts_max': 5 } })
  assert.deepEqual(
    [changed.now, changed.previous],
    [['mcp.attempts_max'], { 'mcp.attempts_max': 3 }],
  )
  assert.match(bob.configToml(), /attempts_max = 5/)

  assert.deepEqual([...done], [...NINE])
  assert.deepEqual([...NINE], [...STANDARD_TOOLS])
})

test('without a grant seven of the nine are refused, and with one of another tool as well', async () => {
  await using net = await three()
  const { alice, bob, carol } = net
  const before = bob.configToml()
  const args: Partial<Record<StandardTool, ToolArgs>> = {
    relay_message: { to: carol.peerId, body: 'x' },
    run_inference: { prompt: 'x' },
    forward_to_peer: { prompt: 'x', peer: carol.peerId },
    aggregate_results: { tool: 'get_status', peers: [carol.peerId] },
    configure: { changes: { 'mcp.attempts_max': 5 } },
  }
  const own = { get_status: await granted(bob, alice, 'get_status') }
  const other = await granted(bob, alice, 'list_connections')
  for (const name of NINE.filter((each) => !FREE.includes(each))) {
    const wrong = name === 'list_connections' ? own.get_status : other
    for (const grants of [[], [wrong]]) {
      const call = alice.tools.call(name, args[name] ?? {}, { peer: bob.peerId, grants })
      await assert.rejects(call, (error) => {
        assert.ok(hasCode(error, 'MCP_GRANT_REFUSED'), `${name}: ${String(error)}`)
        return (error.facts as { code: string }).code === 'ACCESS_GRANT_MISSING'
      })
    }
  }
  assert.equal(bob.configToml(), before)
  assert.deepEqual(
    net.carolsModel.asked.map(({ path }) => path),
    ['/v1/models'],
  )
})

test('forward_to_peer: Carol serves Alice through Bob only by a token that Alice handed on', async () => {
  await using net = await three()
  const { alice, bob, carol } = net
  const forAlice = await granted(bob, alice, 'forward_to_peer')
  // Bob may run Carol's model himself. That is no right of Alice.
  await bob.grants.accept(await granted(carol, bob, 'run_inference'))
  const prompt = { prompt: 'hello', peer: carol.peerId }
  const own = await bob.tools.call('forward_to_peer', prompt)
  assert.equal(own.structuredContent?.text, 'carol hello', JSON.stringify(own.content))

  const ask = (grants: readonly string[]) => {
    const target = { peer: bob.peerId, grants: [forAlice, ...grants] }
    return alice.tools.call('forward_to_peer', prompt, target)
  }
  const hers = await granted(carol, alice, 'run_inference')
  const other = await alice.grants.delegate({
    from: await granted(carol, alice, 'get_status'),
    to: bob.peerId,
  })
  for (const grants of [[], [hers], [other]]) {
    const { isError, content } = await ask(grants)
    assert.equal(isError, true)
    assert.match(JSON.stringify(content), /NODE_INFERENCE_FAILED.*GRANT/)
  }
  assert.equal(asks(net.carolsModel), 1, 'hers alone, and what is for another tool, run nothing')

  const lent = await alice.grants.delegate({ from: hers, to: bob.peerId })
  const { structuredContent, content } = await ask([lent])
  assert.equal(structuredContent?.text, 'carol hello', JSON.stringify(content))
  const served = carol.grants.audit().find(({ chain }) => chain.length === 3)
  const hands = [carol, alice, bob].map(({ peerId }) => peerId)
  assert.deepEqual([served?.tool, served?.outcome, served?.chain], ['run_inference', 'ok', hands])
})

test('aggregate_results lends as little: what Carol grants Bob alone is no answer for Alice', async () => {
  await using net = await three()
  const { alice, bob, carol } = net
  const forAlice = await granted(bob, alice, 'aggregate_results')
  await bob.grants.accept(await granted(carol, bob))
  const args = { tool: 'get_status', peers: [carol.peerId], path: 'peerId' }
  const ask = async (grants: readonly string[]) => {
    const target = { peer: bob.peerId, grants: [forAlice, ...grants] }
    const { structuredContent } = await alice.tools.call('aggregate_results', args, target)
    return structuredContent as { value: unknown; failed: { peer: string; reason: string }[] }
  }
  const refused = await ask([])
  assert.equal(refused.value, null)
  assert.match(refused.failed[0]?.reason ?? '', /GRANT/)
  const allowed = await ask([await throughAlice(carol, alice, bob)])
  assert.equal(allowed.value, carol.peerId, JSON.stringify(allowed.failed))
})

/** How often it was asked to run a model. */
function asks({ asked }: ModelServer): number {
  return asked.filter(({ path }) => path === '/v1/chat/completions').length
}
