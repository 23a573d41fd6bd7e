/** The nine standard tools, called by name from another node, over loopback. */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { CodedError, systemClock } from '../../src/base/index.ts'
import { tool, z } from '../../src/mcp/index.ts'
import type { Node, NodeOptions } from '../../src/node/index.ts'
import { STANDARD_TOOLS } from '../../src/node/tools/names.ts'
import type { Json } from '../../src/wire/index.ts'
import { modelServer } from '../support/model-server.ts'
import { addressOf, eventually, type TestNode, testNode } from '../support/nodes.ts'

/** What `aggregate_results` answers with. */
interface Aggregated {
  readonly value: unknown
  readonly decided: boolean
  readonly note: string | null
  readonly agreed: readonly string[]
  readonly dissent: readonly string[]
  readonly failed: readonly { readonly peer: string; readonly code: string }[]
}

interface Pair extends AsyncDisposable {
  readonly near: Node
  readonly far: Node
  readonly all: readonly TestNode[]
}

/** Two nodes that know each other; `options` are those of `far`. */
async function pair(options: NodeOptions = {}, own: NodeOptions = {}): Promise<Pair> {
  const far = await testNode(options)
  const near = await testNode({ ...own, bootstrap: { nodes: [addressOf(far, 'tcp')] } })
  await near.node.connect(addressOf(far, 'tcp'))
  const stop = async () => {
    await near[Symbol.asyncDispose]()
    await far[Symbol.asyncDispose]()
  }
  return { near: near.node, far: far.node, all: [near, far], [Symbol.asyncDispose]: stop }
}

/** The operator of `from` lets `to` use its standard tools. */
async function grant(from: Node, to: Node): Promise<void> {
  const { token } = await from.grants.issue({ service: 'node', to: to.peerId })
  await to.grants.accept(token)
}

test('each node offers all nine, and lists to a stranger what strangers may use', async () => {
  await using net = await pair()
  const [own] = net.far.services.list().filter(({ name }) => name === 'node')
  assert.deepEqual(
    own?.tools.map(({ name }) => name),
    [...STANDARD_TOOLS],
  )
  const found = await net.near.callPeer(net.far.peerId, 'find_peers', {})
  assert.equal(found.peer, net.far.peerId)
  const { peers } = found.structuredContent as { peers: { peer: string }[] }
  assert.ok(peers.some(({ peer }) => peer === net.near.peerId))
})

test('a peer without a grant is refused all that is for the operator', async () => {
  await using net = await pair()
  const { near, far } = net
  const before = far.configToml()
  const calls = [
    ['configure', { changes: { 'log.level': 'debug' } }],
    ['get_status', {}],
    ['list_connections', {}],
    ['relay_message', { to: near.peerId, body: 'x' }],
    ['run_inference', { prompt: 'x' }],
    ['forward_to_peer', { prompt: 'x' }],
    ['aggregate_results', { tool: 'get_status' }],
  ] as const
  for (const [name, args] of calls) {
    await assert.rejects(near.callPeer(far.peerId, name, args), (error: Error) => {
      return error instanceof CodedError && /ACCESS_GRANT_MISSING/.test(error.message)
    })
  }
  assert.equal(far.configToml(), before)
})

test('network tools: a record, a peer, tools and peers are found; none is invented', async () => {
  await using net = await pair()
  const { near, far } = net
  const query = async (args: Record<string, string | number>) => {
    const { structuredContent } = await near.callPeer(far.peerId, 'query_network', args)
    return structuredContent as { found: boolean } & Record<string, unknown>
  }
  const key = `/data/${far.peerId}/greeting`
  await far.dht.put(key, Buffer.from('hello'))
  const record = await query({ what: 'record', key })
  assert.deepEqual([record.found, record.value, record.publisher], [true, 'hello', far.peerId])
  assert.equal((await query({ what: 'record', key: `/data/${far.peerId}/nothing` })).found, false)
  const peer = await query({ what: 'peer', key: far.peerId })
  assert.equal((peer.peer as { peer: string }).peer, far.peerId)

  const add = tool('add', { input: z.object({ a: z.number() }) }, ({ a }) => ({ sum: a + 1 }))
  await using _ = await far.expose('calc', [add])
  const tools = await query({ what: 'tools', tool: 'add' })
  assert.equal((tools.tools as { service: string }[]).at(0)?.service, 'calc')
  const bad = await near.callPeer(far.peerId, 'query_network', { what: 'peer', key: 'nobody' })
  assert.equal(bad.isError, true)
  assert.match(JSON.stringify(bad.content), /NODE_TOOL_ARGUMENT/)
})

test('management tools: status, connections, and configure with revert, by grant', async () => {
  await using net = await pair()
  const { near, far } = net
  await grant(far, near)
  const heard: unknown[] = []
  far.events.tools?.on('configured', (audit) => heard.push(audit))
  const call = async (name: string, args: Record<string, unknown> = {}) => {
    const result = await near.callPeer(far.peerId, name, args as Record<string, never>)
    assert.notEqual(result.isError, true, JSON.stringify(result.content))
    return result.structuredContent as Record<string, unknown>
  }
  assert.equal((await call('get_status')).peerId, far.peerId)
  const { peers } = (await call('list_connections')) as { peers: { peer: string }[] }
  assert.deepEqual(
    peers.map(({ peer }) => peer),
    [near.peerId],
  )

  const changed = await call('configure', { changes: { 'mcp.request_timeout': 12 }, persist: true })
  assert.deepEqual(
    [changed.now, changed.previous],
    [['mcp.request_timeout'], { 'mcp.request_timeout': 30 }],
  )
  assert.match(far.configToml(), /request_timeout = 12/)
  const file = await readFile(String(changed.file), 'utf8')
  assert.match(file, /\[mcp\]\nrequest_timeout = 12/)
  const reverted = await call('configure', { revert: true })
  assert.equal(reverted.revertible, 0)
  assert.match(far.configToml(), /request_timeout = 30/)
  assert.doesNotMatch(await readFile(String(changed.file), 'utf8'), /request_timeout/)
  assert.deepEqual(
    heard.map((audit) => (audit as { caller: string }).caller),
    [near.peerId, near.peerId],
  )

  const wrong = await near.callPeer(far.peerId, 'configure', {
    changes: { 'mcp.request_timeout': -1 },
  })
  assert.equal(wrong.isError, true)
  assert.match(JSON.stringify(wrong.content), /NODE_CONFIG_VALUE_INVALID/)
})

test('a message goes directly, through a relay where it must, and is refused by a full inbox', async () => {
  await using net = await pair()
  const { near, far } = net
  const direct = await near.tools.call('relay_message', { to: far.peerId, body: 'hello' })
  const receipt = direct.structuredContent as { outcome: string; id: string }
  assert.equal(receipt.outcome, 'delivered')
  const read: string[] = []
  const off = far.onMessage(({ from, body }) => read.push(`${from} ${body}`))
  assert.deepEqual(read, [`${near.peerId} hello`], 'what waited is handed over')
  await near.tools.call('relay_message', { to: far.peerId, body: 'again' })
  assert.deepEqual(read.length, 2)
  off()

  // A peer that nobody can dial: it listens nowhere, and is connected to `far` alone.
  await using hidden = await testNode({ net: { listen: [] } })
  await hidden.node.connect(addressOf({ node: far } as TestNode, 'tcp'))
  const relayed = await near.tools.call('relay_message', { to: hidden.node.peerId, body: 'psst' })
  const through = relayed.structuredContent as { outcome: string; via: string }
  assert.deepEqual(
    [through.outcome, through.via],
    ['delivered', far.peerId],
    JSON.stringify(relayed),
  )

  for (let i = 0; i < 32; i += 1)
    await near.tools.call('relay_message', { to: far.peerId, body: 'x' })
  const full = await near.tools.call('relay_message', { to: far.peerId, body: 'x' })
  const refused = full.structuredContent as { outcome: string; reason: string }
  assert.equal(refused.outcome, 'refused')
  assert.match(refused.reason, /inbox holds 32 messages of this author/)
})

test('run_inference streams from both kinds of server, by grant, and says what it cannot', async () => {
  await using openai = await modelServer({ word: 'openai', models: ['gpt-parrot'] })
  await using ollama = await modelServer({ word: 'ollama', models: ['llama-parrot'] })
  const inference = {
    cloud: { kind: 'openai' as const, url: openai.url, key: 'env:NO_SUCH_KEY_OF_OURS' },
    near: { kind: 'openai' as const, url: openai.url },
    local: { kind: 'ollama' as const, url: ollama.url },
    gone: { kind: 'ollama' as const, url: 'http://127.0.0.1:9', models: ['ghost'] },
  }
  await using net = await pair({ mcp: { inference } })
  const { near, far } = net
  await grant(far, near)
  const listed = far.services.list().find(({ name }) => name === 'node')?.tools
  const { description = '' } = listed?.find(({ name }) => name === 'run_inference') ?? {}
  assert.match(description, /Models: gpt-parrot, llama-parrot, ghost\./)

  const progress: string[] = []
  const run = async (args: Record<string, unknown>) => {
    const call = { ...args } as Record<string, never>
    const options = {
      onprogress: (step: { message?: string }) => progress.push(step.message ?? ''),
    }
    return near.callPeer(far.peerId, 'run_inference', call, options as object)
  }
  const one = await run({ prompt: 'to be or not', model: 'gpt-parrot' })
  assert.equal(one.structuredContent?.text, 'openai to be or not')
  assert.equal(one.structuredContent.backend, 'near')
  assert.equal(progress.join(''), 'openai to be or not')
  const two = await run({ messages: [{ role: 'user', content: 'hi' }], model: 'llama-parrot' })
  assert.equal(two.structuredContent?.text, 'ollama hi')
  assert.deepEqual(two.structuredContent.tokens, { prompt: 3, answer: 2 })

  const unavailable = [
    [{ prompt: 'x', backend: 'gone' }, /127\.0\.0\.1:9/],
    [{ prompt: 'x', backend: 'cloud', model: 'gpt-parrot' }, /NO_SUCH_KEY/],
  ] as const
  for (const [args, place] of unavailable) {
    const own = JSON.stringify((await far.tools.call('run_inference', args)).content)
    assert.match(own, place, 'its owner is told where it is')
    const told = JSON.stringify((await run(args)).content)
    assert.match(told, /NODE_INFERENCE_UNAVAILABLE.*(gone|cloud)/)
    assert.doesNotMatch(told, place)
  }
  for (const [args, wanted] of [
    [{ prompt: 'x', model: 'gpt-5', backend: 'near' }, /NODE_INFERENCE_MODEL_UNKNOWN.*gpt-parrot/],
    [{ prompt: 'x', messages: [{ role: 'user', content: 'y' }] }, /exactly one/],
  ] as const) {
    const { isError, content } = await run(args)
    assert.equal(isError, true)
    assert.match(JSON.stringify(content), wanted)
  }
})

test('forward_to_peer finds who runs models, and a caller that leaves stops the server', async () => {
  await using server = await modelServer()
  await using hanging = await modelServer({ hang: true, models: ['slow'] })
  const inference = {
    own: { kind: 'openai' as const, url: server.url },
    slow: { kind: 'ollama' as const, url: hanging.url },
  }
  await using net = await pair({ mcp: { inference } })
  const { near, far } = net
  await grant(far, near)
  const none = await near.tools.call('run_inference', { prompt: 'x' })
  assert.match(JSON.stringify(none.content), /NODE_INFERENCE_UNAVAILABLE.*no back end/)
  await eventually(async () => {
    const { entries } = await near.tools
      .find({ tool: 'run_inference' })
      .then((all) => ({ entries: all }))
    return entries.find(({ peer }) => peer === far.peerId)
  })
  const best = await near.tools.call('forward_to_peer', { prompt: 'polly', model: 'parrot' })
  assert.equal(best.structuredContent?.text, 'echo polly', JSON.stringify(best.content))
  assert.equal(best.structuredContent.peer, far.peerId)

  const leaving = new AbortController()
  const { signal } = leaving
  const call = near.tools.call(
    'forward_to_peer',
    { prompt: 'wait', model: 'slow', peer: far.peerId },
    { signal },
  )
  await eventually(async () => hanging.asked.find(({ path }) => path === '/api/chat'))
  leaving.abort(new Error('enough'))
  await assert.rejects(call)
  await eventually(async () => (hanging.left() > 0 ? true : undefined))
})

test('calls of calls take the time that was asked for, above the usual time of a call', async () => {
  await using server = await modelServer()
  const inference = { own: { kind: 'openai' as const, url: server.url } }
  await using net = await pair({ mcp: { inference } }, { mcp: { requestTimeoutMs: 200 } })
  const { near, far } = net
  await grant(far, near)
  const slow = tool('slow', { output: z.object({ n: z.number() }) }, async () => {
    await systemClock.sleep(600)
    return { n: 7 }
  })
  await using _ = await far.expose('house', [slow])
  const timeoutMs = 30_000
  // The server takes 5 ms for each word.
  const prompt = Array.from({ length: 120 }, () => 'word').join(' ')
  const forwarded = await near.tools.call(
    'forward_to_peer',
    { prompt, peer: far.peerId },
    { timeoutMs },
  )
  assert.equal(forwarded.structuredContent?.text, `echo ${prompt}`, JSON.stringify(forwarded))
  const args = { tool: 'slow', service: 'house', peers: [far.peerId], path: 'n' }
  const combined = await near.tools.call(
    'aggregate_results',
    { ...args, timeout_ms: timeoutMs },
    { timeoutMs },
  )
  assert.equal(combined.structuredContent?.value, 7, JSON.stringify(combined))
})

test('aggregate_results over five nodes: one lies, one is dead, and both are named', async () => {
  const nodes = await Promise.all(Array.from({ length: 5 }, () => testNode()))
  await using asker = await testNode()
  const stop = () => Promise.all(nodes.map((one) => one[Symbol.asyncDispose]()))
  try {
    for (const [i, one] of nodes.entries()) {
      await asker.node.connect(addressOf(one, 'tcp'))
      const answer = i === 4 ? 41 : 42
      const ask = tool('ask', { idempotent: true, output: z.object({ n: z.number() }) }, () => ({
        n: answer,
      }))
      await one.node.expose('oracle', [ask])
    }
    const peers = nodes.map(({ node }) => node.peerId)
    const [dead, honest1, honest2, honest3, liar] = peers
    await nodes[0]?.node.stop()
    const args = { tool: 'ask', service: 'oracle', peers, path: 'n', timeout_ms: 5_000 }
    const call = async (more: Record<string, Json>) => {
      const result = await asker.node.tools.call('aggregate_results', { ...args, ...more })
      assert.notEqual(result.isError, true, JSON.stringify(result.content))
      return result.structuredContent as unknown as Aggregated
    }
    const voted = await call({ combine: 'vote' })
    assert.deepEqual([voted.value, voted.decided, voted.note], [42, true, null])
    assert.deepEqual([...voted.agreed].sort(), [honest1, honest2, honest3].sort())
    assert.deepEqual(voted.dissent, [liar])
    const failed = voted.failed
    assert.deepEqual(
      failed.map(({ peer }) => peer),
      [dead],
    )
    assert.match(failed[0]?.code ?? '', /^[A-Z]+_/)
    assert.equal((await call({ combine: 'mean' })).value, 41.75)
    assert.equal(((await call({ combine: 'all' })).value as unknown[]).length, 4)
    assert.match(String((await call({ combine: 'first' })).value), /^4[12]$/)

    const most = tool(
      'most',
      { input: z.object({ answers: z.array(z.object({ value: z.number() })) }) },
      ({ answers }) => {
        return { max: Math.max(...answers.map(({ value }) => value)) }
      },
    )
    await using _ = await asker.node.expose('combine', [most])
    const own = await call({ combine: 'tool', combiner: { tool: 'most', service: 'combine' } })
    assert.deepEqual(own.value, { max: 42 })
  } finally {
    await stop()
  }
})
