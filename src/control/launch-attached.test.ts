import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { coded } from '../../test/support/expect.ts'
import { CodedError, race } from '../base/index.ts'
import { ethKeyFromText, ethSigner } from '../identity/index.ts'
import type { ControlClient } from './client.ts'
import { AttachedNode, transportTo } from './launch-attached.ts'
import { Agent } from './launched-agent.ts'
import { P2PNode } from './launched-node.ts'
import type { Waits } from './served-node.ts'
import type { LaunchEvent } from './shapes/launch/api.ts'

const KEY = 'd1'.repeat(32)
const ADDRESS = ethSigner(ethKeyFromText(KEY)).address
const BOB = `0x${'b'.repeat(40)}`
const READY = { peerId: '12D3', ethAddress: ADDRESS, listen: ['/ip4/127.0.0.1/tcp/1'] }

/** A node that runs already, whose inbox gets one message and whose network one agent. */
function setup(privateKey = KEY) {
  const asked: [string, unknown][] = []
  const told: LaunchEvent[] = []
  let messages = 1
  const client = {
    status: async () => READY,
    connect: async (target: string) => {
      asked.push(['connect', target])
      throw new CodedError('NET_CONNECT_FAILED', {}, { says: () => 'nobody', retryable: true })
    },
    messages: async () => ({ messages: [] }),
    messageSend: async (sent: { to: string }) => {
      asked.push(['messageSend', sent])
      return { id: 'm9', to: sent.to, state: 'queued', reason: 'away', at: 3 }
    },
    messageNext: async (_: unknown, waits: Waits) => {
      if (messages === 0) await race(Promise.race([]), waits.signal)
      messages -= 1
      return { message: { id: 'm1', from: BOB, data: { a: 1 }, broadcast: false, cursor: 1 } }
    },
    agents: async () => [{ address: BOB, peer: '12D4', name: 'bob' }],
    async *events({ signal }: Waits) {
      const agent = { event: 'agent', address: BOB, peer: '12D4', name: 'bob', atMs: 1 } as const
      yield { ...agent, state: 'here' }
      yield { ...agent, state: 'left' }
      yield { event: 'delivery', id: 'm9', to: BOB, state: 'delivered', atMs: 2 }
      await race(Promise.race([]), signal)
    },
  }
  let closed = 0
  const node = new AttachedNode({
    agent: 'alice',
    privateKey,
    client: client as unknown as ControlClient,
    ask: (async (name: string, sent: unknown) => {
      asked.push([name, sent])
      return 'done'
    }) as never,
    onevent: (event) => void told.push(event),
    close: async () => {
      closed += 1
    },
  })
  return { node, asked, told, closed: () => closed }
}

test('the commands of p2p-node are answered by a node that runs already', async () => {
  const { node, asked, told, closed } = setup()
  assert.deepEqual([node.state, node.pid], ['stopped', undefined])
  await node.start()
  const ready = await node.command({ type: 'connect', port: 7, bootstrapPeers: ['/dns/a'] })
  assert.deepEqual(ready, { type: 'ready', ...READY })
  for (let i = 0; i < 5; i += 1) await setImmediate()
  const found = { peerId: '12D4', topics: ['agent-announcements'], ethAddress: BOB, name: 'bob' }
  const heard = told.toSorted((a, b) => a.type.localeCompare(b.type))
  assert.deepEqual(heard, [
    { type: 'delivery', messageId: 'm9', to: BOB, state: 'delivered' },
    { type: 'error', code: 'NET_CONNECT_FAILED', message: 'nobody', retryable: true },
    { type: 'message', messageId: 'm1', from: BOB, data: { a: 1 } },
    { type: 'peer_discovered', ...found },
    { type: 'ready', ...READY },
  ])
  const sent = await node.command({ type: 'send', peerId: BOB, data: 2, conversation: 'c' })
  const delivery = { to: BOB, state: 'queued', reason: 'away', at: 3 }
  assert.deepEqual(sent, { type: 'delivery', messageId: 'm9', ...delivery })
  const subscribed = await node.command({ type: 'subscribe', topic: 'agent-messages' })
  assert.equal(subscribed.type === 'log' && subscribed.message, 'subscribed')
  await node.command({ type: 'discover', topic: 'agent-announcements' })
  assert.deepEqual(told.at(-1), { type: 'peer_discovered', ...found })
  const ping = await node.command({ v: 2, type: 'ping', peer: '12D4' })
  assert.deepEqual(ping, { type: 'result', result: 'done' })
  assert.deepEqual(asked, [
    ['connect', '/dns/a'],
    ['messageSend', { to: BOB, data: 2, conversation: 'c' }],
    ['ping', { peer: '12D4' }],
  ])
  await node.stop()
  assert.deepEqual([node.state, closed()], ['stopped', 1])
})

test('what HTTP does not carry, and the end of the node, are refused with what to do', async () => {
  const { node } = setup('')
  await node.start()
  for (const command of [
    { type: 'subscribe', topic: 'other' },
    { type: 'discover', topic: 'other' },
    { type: 'shutdown' },
    { v: 2, type: 'events' },
    { v: 2, type: 'toString' },
  ]) {
    await assert.rejects(node.command(command), coded('CONTROL_LAUNCH_UNSUPPORTED'))
  }
  await node.stop()
})

test('a key that is not the node’s own is refused, and not repeated', async () => {
  const other = 'd2'.repeat(32)
  const { node } = setup(other)
  await assert.rejects(node.start(), (error: Error) => {
    assert.ok(coded('CONTROL_LAUNCH_INVALID')(error))
    assert.ok(!error.message.includes(other) && error.message.includes(ADDRESS))
    return true
  })
  assert.equal(node.state, 'failed')
})

test('P2PNode and Agent start nothing where they are attached', async () => {
  const attach = { url: 'http://127.0.0.1:1/', token: 'secret-token' }
  assert.equal(transportTo(attach).url, 'http://127.0.0.1:1')
  const spawn = () => assert.fail('nothing is started')
  const node = new P2PNode('alice', 0, '', { attach, spawn })
  await assert.rejects(node.start(), (error: Error) => {
    assert.ok(coded('CONTROL_NODE_UNREACHABLE')(error))
    assert.ok(!error.message.includes(attach.token))
    return true
  })
  const agent = new Agent('alice', 0, '', { attach, spawn })
  await assert.rejects(agent.start(), coded('CONTROL_NODE_UNREACHABLE'))
  await using client = await node.client()
  await assert.rejects(client.status(), coded('CONTROL_NODE_UNREACHABLE'))
})
