/**
 * Our side of the bench `mcp`: a whole node as `createNode` makes it, with every check, quota,
 * limit and metric at its default. One process is the caller, another serves the tool.
 */

import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { tool } from '../../src/mcp/index.ts'
import { type Node, openNode, resolveOptions } from '../../src/node/index.ts'
import type { JsonObject } from '../../src/wire/index.ts'
import { serveWorker } from './harness-worker.ts'
import { type Load, largeText, measureCalls } from './mcp-load.ts'

const KINDS = { quic: 'udp', tcp: 'tcp' } as const

interface Start {
  /** A first peer to connect to. */
  readonly bootstrap?: string
  /** A peer with the quota of a granted one. */
  readonly granted?: string
}

let node: Node | undefined

await serveWorker({
  async start({ bootstrap, granted }: Start) {
    const dataDir = await mkdtemp(join(tmpdir(), 'p2p-bench-'))
    process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }))
    const config = resolveOptions(
      {
        preset: 'test',
        dataDir,
        bootstrap: { nodes: bootstrap === undefined ? [] : [bootstrap] },
        access: { granted: granted === undefined ? [] : [granted] },
      },
      {},
    )
    node = await openNode(config, { version: '0.0.0' })
    return { peer: node.peerId, addresses: node.addresses }
  },

  async expose() {
    const input = z.object({ text: z.string() })
    const echo = tool('echo', { description: 'says it again', input, idempotent: true }, sayAgain)
    const made = largeText()
    const nothing = z.object({})
    const large = tool('large', { description: 'makes up a long text', input: nothing }, () => made)
    await running().expose('echo', [echo, large])
  },

  /** Waits until the tool is known and its stream open, and makes sure of the path it takes. */
  async connect({ path }: { readonly path: keyof typeof KINDS }) {
    const until = performance.now() + 30_000
    for (;;) {
      const found = await running().tools.find({ tool: 'echo' })
      if (found.length > 0) break
      if (performance.now() > until) throw new TypeError('nobody offers the tool')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { attempts } = await running().tools.call('echo', { text: '' })
    const took = attempts.at(-1)?.path
    if (took !== path) throw new TypeError(`went over ${String(took)}, wanted ${path}`)
  },

  measure: (load: Load) =>
    measureCalls(load, { echo: (text) => call('echo', { text }), large: () => call('large', {}) }),
})

function sayAgain({ text }: { readonly text: string }): string {
  return text
}

async function call(name: string, args: JsonObject): Promise<unknown> {
  const { content } = await running().tools.call(name, args)
  return content
}

function running(): Node {
  if (node === undefined) throw new TypeError('call start first')
  return node
}
