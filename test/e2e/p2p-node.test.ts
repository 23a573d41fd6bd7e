/**
 * `bin/p2p-node` as a process: driven by a program in Python, which knows nothing of ours, through
 * every command and event.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { skipOutsideCi } from '../support/ci.ts'
import { finished } from '../support/cli.ts'

const BIN = fileURLToPath(new URL('../../bin/p2p-node', import.meta.url))
const DRIVER = fileURLToPath(new URL('p2p_node_driver.py', import.meta.url))
const PYTHON = ['/usr/bin/python3', 'python3', 'python'].find((command) => {
  return spawnSync(command, ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))']).status === 0
})
/** Nodes of tests that run at the same time must not find each other on the link. */
const ALONE = { P2P_NETWORK_MDNS: 'false', P2P_NETWORK_PRESET: 'test' }

function start(args: readonly string[], dataDir: string): ChildProcess {
  return spawn(process.execPath, [BIN, ...args], {
    env: { ...process.env, ...ALONE, P2P_DATA: dataDir },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

test('a program in Python drives two nodes through every command and event', async (context) => {
  if (PYTHON === undefined) {
    skipOutsideCi(context, 'there is no python3 of 3.8 or later')
    return
  }
  const child = spawn(PYTHON, [DRIVER, process.execPath, BIN], {
    env: { ...process.env, ...ALONE },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { code, stdout, stderr } = await finished(child, 240_000)
  assert.equal(code, 0, stdout + stderr)
  assert.equal(stdout.match(/^ok /gm)?.length, 10, stdout)
})

test('requiring the executable and importing its source has no effect', async () => {
  const listeners = process.listenerCount('SIGTERM')
  const { write } = process.stdout
  const { main } = createRequire(import.meta.url)(BIN) as { main: unknown }
  assert.equal(typeof main, 'function', 'as the agent document exports it')
  await import('../../src/control/stdio.ts')
  assert.equal(process.listenerCount('SIGTERM'), listeners)
  assert.equal(process.stdout.write, write)
})

test('a reader that is gone ends the process, without a word', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-reader-'))
  const node = start([], dataDir)
  const timer = setTimeout(() => node.kill('SIGKILL'), 60_000)
  let said = ''
  node.stderr?.on('data', (data: Buffer) => {
    said += data.toString()
  })
  const ended = once(node, 'exit')
  node.stdin?.on('error', () => undefined)
  node.stdout?.destroy()
  const more = setInterval(() => node.stdin?.write('{"type":"fly"}\n'), 20)
  const [code] = (await ended) as [number | null]
  clearInterval(more)
  clearTimeout(timer)
  assert.deepEqual([code, said], [0, ''])
  await rm(dataDir, { recursive: true, force: true })
})
