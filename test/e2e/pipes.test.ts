/** Whoever reads the output of a command may stop reading, as `head` does. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { start, startNode } from '../support/cli.ts'

for (const words of [['events'], ['status', '--watch', '--every=100ms']]) {
  for (const form of [[], ['--json']]) {
    const name = ['p2p', ...words, ...form].join(' ')
    test(`${name} ends by itself, without a word, when its reader has gone`, async () => {
      await using node = await startNode()
      const child = start([...words, ...form, '--data', node.dataDir])
      let said = ''
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString()
      })
      assert.ok(child.stdout !== null)
      const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
      await once(createInterface({ input: child.stdout }), 'line')
      const ended = once(child, 'exit')
      child.stdout.destroy()
      // What is written next tells it; an event comes with a service, a look by itself.
      const exposing = start(['expose', '--name=x', '--data', node.dataDir, '--', 'true'])
      const [code, signal] = (await ended) as [number | null, string | null]
      clearTimeout(timer)
      exposing.kill('SIGKILL')
      assert.deepEqual([code, signal, said], [0, null, ''])
    })
  }
}

test('a node goes on when nobody reads what it prints and logs', async () => {
  await using node = await startNode([], { env: { P2P_LOG_LEVEL: 'debug' } })
  node.child.stdout?.destroy()
  node.child.stderr?.destroy()
  for (let i = 0; i < 3; i += 1) await node.json('status')
  const { code } = await node.kill('SIGTERM')
  assert.equal(code, 0)
})
