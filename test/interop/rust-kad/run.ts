/**
 * A plain rust-libp2p peer, with its own Kademlia and none of our code, asks two nodes of ours:
 * `node test/interop/rust-kad/run.ts`. By hand and not in a ring, because it wants `cargo` and
 * builds some two hundred crates first. Prints what the peer found; exits with 1 if it lacks a
 * thing. CARGO_TARGET_DIR says where the build goes, by default into the folder of temporary files.
 */

import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { utf8 } from '../../../src/base/index.ts'
import { tool } from '../../../src/mcp/index.ts'
import { addressOf, eventually, testNode } from '../../support/nodes.ts'

const TIMEOUT_MS = 90_000
const target = process.env.CARGO_TARGET_DIR ?? join(tmpdir(), 'p2p-kad-probe')
const manifest = join(import.meta.dirname, 'Cargo.toml')
const build = spawnSync('cargo', ['build', '--locked', '--manifest-path', manifest], {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { ...process.env, CARGO_TARGET_DIR: target },
})
if (build.status !== 0)
  throw new Error(`cargo cannot build the probe: ${build.error ?? 'see above'}`)

await using first = await testNode()
await using other = await testNode({ bootstrap: { nodes: [addressOf(first, 'tcp')] } })
const add = tool('add', { input: z.object({ a: z.number() }) }, async ({ a }) => a + 1)
await other.node.expose('calc', [add])
await eventually(async () => (await first.node.tools.find({ tool: 'add' })).length > 0 || undefined)
const key = `/data/${other.node.peerId}/greeting`
await eventually(async () => {
  const { stored } = await other.node.dht.put(key, utf8('hello'))
  return stored.includes(first.node.peerId) || undefined
})

const provided = `1220${createHash('sha256').update('mcp:service:calc').digest('hex')}`
const words = [addressOf(first, 'tcp'), other.node.peerId, key, provided]
const probe = join(target, 'debug', 'kad-probe')
const { stdout } = await promisify(execFile)(probe, words, { timeout: TIMEOUT_MS })
process.stdout.write(stdout)
const found = JSON.parse(stdout) as Record<string, unknown>
const { findNode, getProviders, getValueBytes, plainPutRefused } = found
const isWhole = [findNode, getProviders, Number(getValueBytes) > 0, plainPutRefused]
process.exitCode = isWhole.every((one) => one === true) ? 0 : 1
