/**
 * One process of the bench `mcp-crowd`: a node that serves, or several that call, or a peer that
 * asks and never reads. Nodes are as `createNode` makes them, with every limit at its default.
 */

import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { Registry, silentLog, systemClock } from '../../src/base/index.ts'
import { mcpConfig, mcpMetrics, Sessions, tool } from '../../src/mcp/index.ts'
import type { Channel, Host } from '../../src/net/index.ts'
import { type Node, openNode, resolveOptions } from '../../src/node/index.ts'
import { testHost } from '../support/testnet.ts'
import { serveWorker } from './harness-worker.ts'

const MIB = 1024 * 1024
const TEXT = 'x'.repeat(1_024)
const nodes: Node[] = []

async function start(options: object): Promise<Node> {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-bench-'))
  process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }))
  const config = resolveOptions({ preset: 'test', dataDir, ...options }, {})
  const node = await openNode(config, { version: '0.0.0', writeLog: () => {} })
  nodes.push(node)
  return node
}

const nothing = z.object({})
const TOOLS = [
  tool('echo', { input: z.object({ text: z.string() }), idempotent: true }, ({ text }) => text),
  // Heeds nothing, as a tool that hangs does.
  tool('stuck', { input: nothing, idempotent: true }, () => new Promise<string>(() => {})),
  tool('blob', { input: nothing, idempotent: true }, () => 'b'.repeat(MIB)),
  tool('long', { input: nothing, idempotent: true }, () => 'l'.repeat(64 * MIB)),
]

await serveWorker({
  async serve({ granted }: { readonly granted: readonly string[] }) {
    const node = await start({ access: { granted } })
    await node.expose('work', TOOLS)
    return { peer: node.peerId, address: node.addresses.find((at) => at.includes('/tcp/')) }
  },

  memory: () => ({
    nowMib: process.memoryUsage.rss() / MIB,
    peakMib: process.resourceUsage().maxRSS / 1_024,
  }),

  async callers({ count }: { readonly count: number }) {
    for (let i = 0; i < count; i += 1) await start({})
    return nodes.map(({ peerId }) => peerId)
  },

  async join({ address }: { readonly address: string }) {
    for (const node of nodes) {
      await node.connect(address)
      const until = performance.now() + 30_000
      while ((await node.tools.find({ tool: 'echo' })).length === 0) {
        if (performance.now() > until) throw new TypeError('nobody offers the tool')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      await node.tools.call('echo', { text: '' })
    }
  },

  /** `each` calls of every node, all at once: how long each took, and how many failed. */
  async crowd({ each }: { readonly each: number }) {
    const times: number[] = []
    const failures: string[] = []
    const one = async (node: Node) => {
      const sent = performance.now()
      try {
        await node.tools.call('echo', { text: TEXT })
        times.push(performance.now() - sent)
      } catch (error) {
        failures.push(String(error))
      }
    }
    await Promise.all(nodes.flatMap((node) => Array.from({ length: each }, () => one(node))))
    return { times, failed: failures.length, failure: failures[0] }
  },

  /** Calls that nobody waits for. */
  stick({ each }: { readonly each: number }) {
    for (const node of nodes) {
      for (let i = 0; i < each; i += 1) void node.tools.call('stuck', {}).catch(() => {})
    }
  },

  async long() {
    const { content } = (await nodes[0]?.tools.call('long', {}, { timeoutMs: 120_000 })) ?? {}
    return (content?.[0] as { text?: string } | undefined)?.text?.length ?? 0
  },

  mute: askAndNeverRead,
})

/** A stranger whose stream is open, asked much of, and read no more. */
async function askAndNeverRead({
  address,
  calls,
}: {
  readonly address: string
  readonly calls: number
}): Promise<void> {
  const host = await testHost({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  await host.start()
  const peer = await host.connect(address)
  let isMute = false
  const deaf = (channel: Channel): Channel => ({
    peer: channel.peer,
    closed: channel.closed,
    read: (options) => (isMute ? never() : channel.read(options)),
    write: (frame, options) => channel.write(frame, options),
    close: () => channel.close(),
    abort: (error) => channel.abort(error),
  })
  const open: Host['open'] = async (...asked) => deaf(await host.open(...asked))
  const room = { clock: systemClock, log: silentLog, network: 'test' }
  const metrics = mcpMetrics(new Registry())
  const ping = async () => 1
  const sessions = new Sessions({ ...room, metrics, host: { open, ping } }, mcpConfig.parse({}))
  await sessions.callTool(peer, { service: 'work', tool: 'echo', args: { text: 'x' } })
  isMute = true
  for (let i = 0; i < calls; i += 1) {
    const call = { service: 'work', tool: 'blob', args: {} }
    void sessions.callTool(peer, call, { timeoutMs: 120_000 }).catch(() => {})
  }
}

function never(): Promise<never> {
  return new Promise(() => {})
}
