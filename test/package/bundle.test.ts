/** The bundle: a node from few files, with everything a node of the sources has. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { must } from './consumer.ts'

const START_MS = 30_000

test('a node from the bundle speaks QUIC, answers its API and shows its documents', async (t) => {
  must(process.execPath, ['scripts/bundle.mjs'])
  const data = mkdtempSync(join(tmpdir(), 'p2p-bundle-'))
  t.after(() => rmSync(data, { recursive: true, force: true }))
  const words = ['start', '--preset', 'test', '--json', '--data', data]
  const child = spawn(process.execPath, ['dist/bundle/p2p.js', ...words, '--api-port=0'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.after(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(START_MS) })) as [string]
  const { api } = JSON.parse(line) as { api: string }

  const status = must(process.execPath, ['dist/bundle/p2p.js', 'status', '--json', '--data', data])
  assert.equal((JSON.parse(status) as { quic: { state: string } }).quic.state, 'active')
  for (const path of ['/health', '/docs', '/docs/static/swagger-ui.css']) {
    assert.equal((await fetch(api + path)).status, 200, path)
  }
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
})
