/** The launcher with the real `p2p-node`: the agent document's flow, a crash, and a running node. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findLocalNode } from '../../src/control/index.ts'
import { Agent, type AgentMessage, P2PNode } from '../../src/control/launcher.ts'

const ALICE = `0x${'a1'.repeat(32)}`
const BOB = `0x${'b0'.repeat(32)}`
/** What a message between two processes of a busy machine may take. */
const SOON_MS = 45_000

let home = ''
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-launcher-'))
})
after(() => rm(home, { recursive: true, force: true }))

const options = (name: string) => ({
  dataDir: join(home, name),
  env: { P2P_NETWORK_PRESET: 'test' },
})

/** Messages in the order in which they come; each is waited for once. */
function inbox(agent: Agent): () => Promise<AgentMessage> {
  const waiting: ((message: AgentMessage) => void)[] = []
  const held: AgentMessage[] = []
  agent.on('message', (message) => {
    const take = waiting.shift()
    if (take === undefined) held.push(message)
    else take(message)
  })
  return () => {
    const { promise, resolve, reject } = Promise.withResolvers<AgentMessage>()
    const late = setTimeout(() => reject(new TypeError('no message came')), SOON_MS)
    const message = held.shift()
    if (message === undefined) waiting.push(resolve)
    else resolve(message)
    return promise.finally(() => clearTimeout(late))
  }
}

test('two agents talk as the document has it, through a crash, and over HTTP', async () => {
  await using node = new P2PNode('alice', 0, ALICE, options('alice'))
  await node.start()
  await using alice = new Agent('alice', 0, ALICE)
  const toAlice = inbox(alice)
  await alice.start()
  assert.match(alice.address ?? '', /^0x[0-9a-fA-F]{40}$/)

  const bootstrapPeers = alice.addresses
  await using bob = new Agent('bob', 0, BOB, { ...options('bob'), bootstrapPeers })
  const toBob = inbox(bob)
  await bob.start()
  const { id } = await alice.send(bob.address ?? '', { text: 'hello' }, { conversation: 'c1' })
  const heard = await toBob()
  assert.deepEqual(heard, { id, from: alice.address, data: { text: 'hello' }, conversation: 'c1' })
  await bob.send(heard.from, 'hi', { replyTo: heard.id })
  assert.equal((await toAlice()).replyTo, id)

  await using client = await node.client()
  await using second = new Agent('alice-too', 0, '', { client })
  const toSecond = inbox(second)
  await second.start()
  assert.equal(second.address, alice.address)
  await bob.send(alice.address ?? '', 'to both')
  assert.deepEqual([(await toAlice()).data, (await toSecond()).data], ['to both', 'to both'])
  await second.send(bob.address ?? '', 'from the second')
  assert.equal((await toBob()).data, 'from the second')
  await second.stop()

  const { url, token } = await findLocalNode(node.dataDir, 'p2p start')
  await using third = new Agent('alice-attached', 0, ALICE, { attach: { url, token } })
  const toThird = inbox(third)
  await third.start()
  assert.deepEqual([third.peerId, third.address], [node.peerId, alice.address])
  await bob.send(alice.address ?? '', 'to the attached too')
  assert.equal((await toThird()).data, 'to the attached too')
  await third.send(bob.address ?? '', 'from the attached')
  assert.equal((await toBob()).data, 'from the attached')
  assert.ok((await third.tools.find()).length >= 0)
  const stranger = new P2PNode('stranger', 0, BOB, { attach: { url, token } })
  await assert.rejects(stranger.start(), { code: 'CONTROL_LAUNCH_INVALID' })
  await third.stop()
  assert.equal(node.state, 'running')
  assert.equal((await toAlice()).data, 'to the attached too')

  const { peerId, pid } = node
  const again = new Promise((resolve) => node.on('ready', resolve))
  process.kill(pid ?? 0, 'SIGKILL')
  await again
  assert.equal(node.peerId, peerId)
  assert.notEqual(node.pid, pid)
})

test('a port that somebody holds is told, and the process goes on', async () => {
  await using first = new P2PNode('first', 0, '', options('first'))
  await first.start()
  const { listen } = await first.connect()
  const port = Number(/\/tcp\/(\d+)/.exec(listen.join(' '))?.[1])
  await using second = new P2PNode('second', 0, '', options('second'))
  await second.start()
  await assert.rejects(second.connect({ port }), (error: Error & { code?: string }) => {
    assert.match(error.code ?? '', /^RESOURCE_/)
    return true
  })
  assert.equal(second.state, 'running')
  assert.ok((await second.connect()).peerId)
})
