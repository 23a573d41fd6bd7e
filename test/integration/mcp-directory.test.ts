/**
 * Finding tools between whole nodes: by tag, by words, by the arguments they take, with an
 * invitation; and not finding what was withdrawn or is not for everybody.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type Tool, tool } from '../../src/mcp/index.ts'
import { coded } from '../support/expect.ts'
import { addressOf, eventually, type TestNode, testNode } from '../support/nodes.ts'

const numbers = z.object({ a: z.number(), b: z.number() })
const add: Tool = tool('add', { description: 'Adds two numbers', input: numbers }, ({ a, b }) => {
  return { sum: a + b }
})
const words = z.object({ text: z.string() })
const shout: Tool = tool('shout', { description: 'Says it louder', input: words }, ({ text }) => {
  return text.toUpperCase()
})

/** A first node, and `count` others that joined over it. */
async function network(stack: AsyncDisposableStack, count: number): Promise<TestNode[]> {
  const first = stack.use(await testNode())
  const nodes = [first]
  for (let i = 0; i < count; i += 1) {
    const bootstrap = { nodes: [addressOf(first, 'tcp')] }
    nodes.push(stack.use(await testNode({ bootstrap })))
  }
  return nodes
}

type Query = Parameters<TestNode['node']['tools']['find']>[0]

async function names(from: TestNode, query: Query): Promise<string[]> {
  const found = await from.node.tools.find(query)
  const own = found.filter(({ peer }) => peer !== from.node.peerId)
  return own.map(({ service, tool: name }) => `${service}/${name}`).sort()
}

const until = (from: TestNode, query: Query, wanted: readonly string[]) => {
  return eventually(async () => {
    const found = await names(from, query)
    return String(found) === String(wanted) ? found : undefined
  })
}

test('tools are found by tag, by words and by what they take, and are gone when withdrawn', async () => {
  await using stack = new AsyncDisposableStack()
  const [, far, near, other] = await network(stack, 3)
  assert.ok(far && near && other)
  const calc = await far.node.expose('calc', [add], { tags: ['math', 'demo'], price: 2 })
  await other.node.expose('voice', [shout], { tags: ['demo'] })

  await until(near, { tag: 'demo' }, ['calc/add', 'voice/shout'])
  await until(near, { tag: 'math' }, ['calc/add'])
  const [found] = await near.node.tools.find({ tag: 'math' })
  assert.deepEqual([found?.peer, found?.price], [far.node.peerId, 2])
  assert.deepEqual(found?.tags, ['demo', 'math'])
  await until(near, { tag: 'demo', accepts: { text: 'string' } }, ['voice/shout'])
  await until(near, { text: 'louder' }, ['voice/shout'])

  await calc.withdraw()
  await until(near, { tag: 'math' }, [])
  await until(near, { text: 'adds numbers' }, [])
  await other.node.stop()
  await until(near, { text: 'louder' }, [])
})

test('an announcement reaches nodes that never asked', async () => {
  await using stack = new AsyncDisposableStack()
  const [, far, near] = await network(stack, 2)
  assert.ok(far && near)
  await far.node.expose('calc', [add], { tags: ['math'] })
  await eventually(async () => {
    const found = await near.node.tools.find({ text: 'two numbers' })
    return found.at(0)
  })
  const asked = await lookups(near)
  assert.deepEqual(await names(near, { text: 'two numbers' }), ['calc/add'])
  assert.equal(await lookups(near), asked, 'nobody was asked')
})

test('a node that announces nothing is found all the same', async () => {
  await using stack = new AsyncDisposableStack()
  const first = stack.use(await testNode())
  const bootstrap = { nodes: [addressOf(first, 'tcp')] }
  const quiet = { bootstrap, mcp: { announceServices: false } }
  const far = stack.use(await testNode(quiet))
  const near = stack.use(await testNode(quiet))
  await far.node.expose('calc', [add])
  await until(near, { text: 'two numbers' }, ['calc/add'])
})

test('a blinded service is found and called by who was invited, and by nobody else', async () => {
  await using stack = new AsyncDisposableStack()
  const [first, far, near, stranger] = await network(stack, 3)
  assert.ok(first && far && near && stranger)
  await far.node.expose('secret-calc', [add], { visibility: 'blinded', tags: ['hidden'] })
  const invitation = await far.node.services.invitation('secret-calc')
  await until(near, { invitation }, ['secret-calc/add'])
  const { structuredContent } = await near.node.callPeer(
    far.node.peerId,
    'add',
    { a: 40, b: 2 },
    { service: 'secret-calc' },
  )
  assert.deepEqual(structuredContent, { sum: 42 })
  for (const query of [{ tool: 'add' }, { service: 'secret-calc' }, { tag: 'hidden' }, {}]) {
    assert.deepEqual(await names(stranger, query), [], JSON.stringify(query))
  }
  assert.deepEqual(await names(stranger, { text: 'two numbers' }), [])
  const target = { service: 'secret-calc', peer: far.node.peerId }
  await stranger.node.connect(addressOf(far, 'tcp'))
  const byName = stranger.node.tools.call('add', { a: 1, b: 1 }, target)
  await assert.rejects(byName, /MCP_SERVICE_UNKNOWN/)
  const guessed = stranger.node.tools.call('add', { a: 1, b: 1 }, { ...target, service: 'absent' })
  await assert.rejects(guessed, /MCP_SERVICE_UNKNOWN/)
  await stranger.node.tools.call('add', { a: 1, b: 1 }, { ...target, invitation })
  const open = far.node.services.invitation('nothing')
  await assert.rejects(open, coded('MCP_SERVICE_UNKNOWN'))
})

test('a service for certain peers is not published; who knows of it asks for it by name', async () => {
  await using stack = new AsyncDisposableStack()
  const [, far, near] = await network(stack, 2)
  assert.ok(far && near)
  await far.node.expose('quiet', [add], { visibility: 'peers', allow: [near.node.peerId] })
  const { peerId } = far.node
  await near.node.connect(addressOf(far, 'tcp'))
  await until(near, { peer: peerId, service: 'quiet' }, ['quiet/add'])
  assert.deepEqual(await names(near, { service: 'quiet' }), [])
  assert.deepEqual(await names(near, { tool: 'add' }), [])
})

/** Questions that a node has asked of others so far. */
async function lookups({ node }: TestNode): Promise<number> {
  const { body } = await node.registry.prometheusText()
  const lines = body.split('\n').filter((line) => /^p2p_dht_lookup\w*_count/.test(line))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
