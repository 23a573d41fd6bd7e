/**
 * Calls between nodes with no path to each other, carried by a third: one speaks IPv4 alone, one
 * IPv6 alone, and nobody relays connections.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { CodedError, hasCode } from '../../src/base/index.ts'
import { tool, z } from '../../src/mcp/index.ts'
import type { NodeOptions } from '../../src/node/index.ts'
import { eventually, type TestNode, testNode } from '../support/nodes.ts'

const SERVICE = 'far'
const NO_CIRCUITS = { relayClient: false, relayServer: 'never' } as const

interface Three extends AsyncDisposable {
  readonly caller: TestNode
  readonly relay: TestNode
  readonly callee: TestNode
  readonly ran: { count: number }
}

function addressIn({ node }: TestNode, family: '/ip4/' | '/ip6/'): string {
  const found = node.addresses.find((address) => address.startsWith(family))
  assert.ok(found !== undefined, `an address in ${family}`)
  return found
}

async function three(options: NodeOptions = {}): Promise<Three> {
  const both = { listen: ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/tcp/0'], ...NO_CIRCUITS }
  const relay = await testNode({ net: both })
  const ip6 = { family: 'ip6' as const, listen: ['/ip6/::1/tcp/0'], ...NO_CIRCUITS }
  const callee = await testNode({ net: ip6, bootstrap: { nodes: [addressIn(relay, '/ip6/')] } })
  const ip4 = { family: 'ip4' as const, listen: ['/ip4/127.0.0.1/tcp/0'], ...NO_CIRCUITS }
  const meet = { nodes: [addressIn(relay, '/ip4/')] }
  const caller = await testNode({ ...options, net: ip4, bootstrap: meet })
  const ran = { count: 0 }
  const input = z.object({ a: z.number(), b: z.number() })
  const add = tool('add', { input, idempotent: true }, ({ a, b }, { caller: peer }) => {
    return `${a + b} for ${peer}`
  })
  const count = tool('count', { input: z.object({}) }, () => {
    ran.count += 1
    return `${ran.count}`
  })
  await callee.node.expose(SERVICE, [add, count], { allow: [caller.node.peerId] })
  const all = [caller, callee, relay]
  await eventually(async () => {
    const met = [caller, callee].every(({ node }) => node.status().peers > 0)
    return met ? true : undefined
  })
  const stop = async () => {
    for (const each of all) await each[Symbol.asyncDispose]()
  }
  return { caller, relay, callee, ran, [Symbol.asyncDispose]: stop }
}

/** The relay may not have said yet what it speaks: such a call fails at once, and is made again. */
async function soon<T>(call: () => Promise<T>): Promise<T> {
  for (let left = 100; ; left -= 1) {
    try {
      return await call()
    } catch (error) {
      if (left === 0 || !hasCode(error, 'MCP_TOOL_UNAVAILABLE')) throw error
    }
    await wait(300)
  }
}

const textOf = (content: readonly unknown[]) => (content[0] as { text: string }).text

test('a node calls one that it cannot dial through one that can, with its own rights', async () => {
  await using net = await three()
  const { caller, callee, relay, ran } = net
  const to = { service: SERVICE, peer: callee.node.peerId }
  const call = (name: string, args = {}) =>
    caller.node.tools.call(name, args, { ...to, explain: true })

  const sum = await soon(() => call('add', { a: 2, b: 40 }))
  assert.equal(textOf(sum.content), `42 for ${caller.node.peerId}`)
  const [tried] = sum.explain?.tried ?? []
  assert.deepEqual([tried?.path, tried?.via], ['relayed', relay.node.peerId])
  const met = await caller.node.peers()
  assert.deepEqual(
    met.map(({ peer }) => peer),
    [relay.node.peerId],
  )

  for (const turn of [1, 2]) assert.equal(textOf((await call('count')).content), `${turn}`)
  assert.equal(ran.count, 2)
  const key = 'a-key-of-the-callers-own'
  for (const _ of [1, 2]) {
    const kept = await caller.node.tools.call('count', {}, { ...to, key })
    assert.equal(textOf(kept.content), '3')
  }
  assert.equal(ran.count, 3)

  // The relay itself has a path, and no right to the service.
  await assert.rejects(relay.node.tools.call('add', { a: 1, b: 1 }, to), {
    code: 'MCP_GRANT_REFUSED',
  })
  const only = tool('only', { input: z.object({}) }, () => 'ran')
  await callee.node.expose('closed', [only], { allow: [relay.node.peerId] })
  const refused = caller.node.tools.call('only', {}, { ...to, service: 'closed' })
  await assert.rejects(refused, { code: 'MCP_GRANT_REFUSED' })
})

test('where calls through others are turned off, the error says what to turn on', async () => {
  await using net = await three({ mcp: { relayCalls: false } })
  const to = { service: SERVICE, peer: net.callee.node.peerId }
  await assert.rejects(net.caller.node.tools.call('add', { a: 1, b: 1 }, to), (error) => {
    assert.ok(error instanceof CodedError && error.code === 'MCP_RELAY_OFF', String(error))
    return /set mcp\.relay_calls = true/.test(error.message)
  })
})
