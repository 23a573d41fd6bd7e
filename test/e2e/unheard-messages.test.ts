/**
 * Messages that arrive while no program listens: the node has signed that they are here, so the
 * next program that listens is told of them, and none twice.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { P2PNode } from '../../src/control/launcher.ts'
import { startNode } from '../support/cli.ts'

const KEYS = { ann: `0x${'a7'.repeat(32)}`, bob: `0x${'b7'.repeat(32)}` }
const BOB = '0x4BDbCa4aa33FCFD9Ef10cF1c9FaA6E0F7eA589B0'
const PRESET = { P2P_NETWORK_PRESET: 'test', P2P_NETWORK_MDNS: 'false' }
/** What a message between two processes of a busy machine may take. */
const SOON_MS = 45_000
/** What was told twice would have come by then. */
const QUIET_MS = 1_000

let home = ''
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-unheard-'))
})
after(() => rm(home, { recursive: true, force: true }))

/** A node as `p2p-node`, the texts that it has told so far, and what has been delivered. */
function heardBy(name: keyof typeof KEYS) {
  const node = new P2PNode(name, 0, KEYS[name], { dataDir: join(home, name), env: PRESET })
  const heard: unknown[] = []
  const delivered = new Set<string>()
  node.on('message', ({ data }) => void heard.push(data))
  node.on('delivery', ({ messageId = '', state }) => {
    if (state === 'delivered') delivered.add(messageId)
  })
  return { node, heard, delivered }
}

async function until(holds: () => boolean): Promise<void> {
  const late = AbortSignal.timeout(SOON_MS)
  while (!holds()) await sleep(50, undefined, { signal: late })
}

test('messages that came while nobody listened are told at the next start, each once', async () => {
  const ann = heardBy('ann')
  await using sender = ann.node
  await sender.start()
  const { listen: bootstrapPeers } = await sender.connect()
  const send = async (data: unknown) => {
    const answer = await sender.command({ type: 'send', peerId: BOB, data })
    assert.ok(answer.type === 'delivery')
    return answer
  }
  const listening = async (count: number) => {
    const { node, heard } = heardBy('bob')
    await using bob = node
    await bob.start()
    const { ethAddress } = await bob.connect({ bootstrapPeers })
    assert.equal(ethAddress, BOB)
    await until(() => heard.length >= count)
    await sleep(QUIET_MS)
    return heard
  }
  assert.deepEqual(await listening(0), [])
  assert.notEqual((await send('one')).state, 'delivered', 'bob is away')
  assert.deepEqual(await listening(1), ['one'])

  // As `p2p start`, the node takes messages and has nobody to tell.
  const env = { ...PRESET, PRIVATE_KEY: KEYS.bob, P2P_AGENT_ENABLED: 'true' }
  const words = bootstrapPeers.map((address) => `--bootstrap=${address}`)
  const bob = await startNode(words, { dataDir: join(home, 'bob'), env })
  try {
    for (const data of ['two', 'three']) {
      const { state, messageId = '' } = await send(data)
      if (state !== 'delivered') await until(() => ann.delivered.has(messageId))
    }
  } finally {
    await bob.kill('SIGTERM')
  }
  assert.deepEqual(await listening(2), ['two', 'three'])
  assert.deepEqual(await listening(0), [])
})
