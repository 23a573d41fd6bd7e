/** A node that is told to stop is gone in less than three seconds, and starts again as it was. */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startNode } from '../support/cli.ts'

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} stops a connected node in under 3 s, with exit code 0`, async () => {
    await using first = await startNode()
    const second = await startNode([`--bootstrap=${first.address('udp')}`])
    const { code, ms } = await second.kill(signal)
    assert.equal(code, 0, second.log)
    assert.ok(ms < 3_000, `${ms} ms`)
    assert.equal(existsSync(join(second.dataDir, 'node.json')), false)
    await rm(second.dataDir, { recursive: true, force: true })
  })
}

test('a node that was killed starts again as the same peer', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-again-'))
  const before = await startNode([], { dataDir })
  await before.kill('SIGKILL')
  await using after = await startNode([], { dataDir })
  assert.equal(after.ready.peerId, before.ready.peerId)
})
