/** The layer `client` alone: a program that talks to the node of a data folder. */

import assert from 'node:assert/strict'
import { openClient, startDaemon } from 'p2p-foundation/client'
import { folder } from '../folder.ts'

await using home = await folder()
// As `p2p start --data … --preset test` would, in a process of its own.
const flags = { data: home.path, preset: 'test' }
const quiet = { P2P_LOG_LEVEL: 'silent' }
const daemon = await startDaemon({ flags, env: quiet, version: '1.0.0' })
try {
  await using client = await openClient(home.path)
  const { peerId, health } = await client.status()
  console.log(`${peerId} is ${health.status}`)
  assert.equal(peerId, daemon.node.peerId)
} finally {
  await daemon.stop()
}
