/** Nodes as processes: a tool of a real MCP server behind one is called from another. */

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { type CliNode, errorOf, start, startNode } from '../support/cli.ts'

interface Tool {
  readonly service: string
  readonly tool: string
  readonly peer: string
}

const EVERYTHING = ['node_modules/@modelcontextprotocol/server-everything/dist/index.js', 'stdio']

test('a tool behind the second node is called from the third, and survives the second', async () => {
  await using first = await startNode()
  const joins = [`--bootstrap=${first.address()}`]
  await using second = await startNode(joins)
  await using third = await startNode(joins)
  const exposed = await exposeEverything(second)

  const tools = await eventually(async () => {
    const found = await shared(third)
    return found.some(({ tool }) => tool === 'get-sum') ? found : undefined
  })
  assert.ok(tools.length >= 5, `the server's tools: ${tools.map(({ tool }) => tool).join(' ')}`)
  for (const { peer, service } of tools) {
    assert.equal(peer, second.ready.peerId)
    assert.equal(service, 'everything')
  }

  const answer = await third.p2p('call', 'get-sum', '{"a":2,"b":40}')
  assert.equal(answer.code, 0, answer.stderr)
  assert.match(answer.stdout, /The sum of 2 and 40 is 42/)
  const full = (await third.json('call', 'get-sum', '{"a":2,"b":40}')) as {
    peer: string
    attempts: { code: string; path: string }[]
  }
  assert.equal(full.peer, second.ready.peerId)
  assert.equal(full.attempts.at(-1)?.code, 'ok')
  assert.match(full.attempts.at(-1)?.path ?? '', /^(quic|tcp)$/)

  await second.kill('SIGKILL')
  exposed.kill('SIGKILL')
  const began = performance.now()
  const dead = await third.p2p('call', 'get-sum', '{"a":2,"b":40}', '--json', '--timeout=10s')
  assert.ok(performance.now() - began < 15_000, 'the call ends within its deadline')
  assert.notEqual(dead.code, 0)
  const error = errorOf(dead)
  assert.match(error.code, /^MCP_/)
  assert.ok(JSON.stringify(error.facts).includes(second.ready.peerId), 'says whom it tried')

  await using fourth = await startNode(joins)
  await exposeEverything(fourth)
  const again = await eventually(async () => {
    const call = await third.p2p('call', 'get-sum', '{"a":2,"b":40}')
    return call.code === 0 ? call : undefined
  })
  assert.match(again.stdout, /The sum of 2 and 40 is 42/)
})

test('an attached service goes when its command ends, a detached one when it is unexposed', async () => {
  await using node = await startNode()
  const attached = await exposeEverything(node)
  assert.equal((await shared(node)).length > 0, true)
  attached.kill('SIGINT')
  await once(attached, 'exit')
  await eventually(async () => (await shared(node)).length === 0 || undefined)

  const words = ['expose', '--name', 'kept', '--detach', '--', process.execPath, ...EVERYTHING]
  assert.equal((await node.p2p(...words)).code, 0)
  await eventually(async () => (await shared(node)).length > 0 || undefined)
  assert.equal((await node.p2p('unexpose', 'kept')).code, 0)
  assert.deepEqual(await shared(node), [])
})

test('a command that is no MCP server is told apart from one that is', async () => {
  await using node = await startNode()
  const none = await node.p2p('expose', '--name', 'none', '--json', '--', '/no/such/command')
  assert.notEqual(none.code, 0)
  assert.match(none.stderr, /MCP_SERVICE_START_FAILED/)
  assert.deepEqual(await shared(node), [])
})

/** All tools that are listed, but for those that every node has of itself. */
async function shared(node: CliNode): Promise<readonly Tool[]> {
  const tools = (await node.json('tools')) as Tool[]
  return tools.filter(({ service }) => service !== 'node')
}

/** Runs `p2p expose` as a person does, in a terminal of its own, until it says it is there. */
async function exposeEverything(node: CliNode): Promise<ChildProcess> {
  const command = ['--', process.execPath, ...EVERYTHING]
  const words = ['expose', '--name', 'everything', '--json', '--data', node.dataDir, ...command]
  const child = start(words)
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  assert.ok(child.stdout !== null)
  const line = once(createInterface({ input: child.stdout }), 'line', {
    signal: AbortSignal.timeout(30_000),
  })
  const ended = once(child, 'exit').then(() => undefined)
  assert.ok((await Promise.race([line, ended])) !== undefined, errors)
  return child
}

/** Asks until there is an answer; a minute of nothing is a failure. */
async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  const until = performance.now() + 60_000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    assert.ok(performance.now() < until, 'an answer within a minute')
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}
