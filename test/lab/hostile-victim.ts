/**
 * The node under attack: a whole node of ours in a process of its own, which tells how it is. Its
 * only word is the data folder.
 *
 *   {"listen": […]} ──▶ starts;  {"done": {peer, addresses}}
 *   {"reset": true} ──▶ measures from here on
 *   {"report": true} ──▶ {"done": Health}
 */

import { createHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { type Node, type NodeOptions, openNode, resolveOptions } from '../../src/node/index.ts'

const MIB = 1_024 * 1_024
const LOOK_MS = 100
const HELD_MS = 5

interface Question {
  readonly listen?: readonly string[]
  readonly reset?: boolean
}

/** How the victim is, since it was last told to measure anew. */
export interface Health {
  readonly rssMiB: number
  readonly rssMaxMiB: number
  /** How late the event loop was, in milliseconds. */
  readonly lagP50: number
  readonly lagP99: number
  readonly lagMax: number
  /**
   * How long the event loop was held by work of its own, p99: on a machine that is busy otherwise
   * the rest of the lag is the wait for a processor.
   */
  readonly heldP99: number
  /** Of one processor, since the measuring began. */
  readonly cpuShare: number
  readonly connections: number
  readonly refused: Readonly<Record<string, number>>
  readonly memoryInUseMiB: number
}

const REASONS = [
  ...['pending', 'pending host', 'pending site', 'host', 'site', 'rate', 'full', 'evicted'],
  ...['peer', 'connections', 'policy', 'transient', 'system', 'memory'],
]
const delay = monitorEventLoopDelay({ resolution: 5 })
const dataDir = process.argv[2] ?? ''
let node: Node | undefined
let rssMax = 0
let cpu = process.cpuUsage()
let since = performance.now()

delay.enable()
const held = createHistogram()
let heldSince = ownCpuMs()
setInterval(() => {
  const now = ownCpuMs()
  held.record(Math.max(1, Math.round(1_000 * (now - heldSince))))
  heldSince = now
}, HELD_MS).unref()
setInterval(() => {
  rssMax = Math.max(rssMax, process.memoryUsage.rss())
}, LOOK_MS).unref()

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await answerTo(JSON.parse(line) as Question)
  process.stdout.write(`${JSON.stringify({ done: answer })}\n`)
}
await node?.stop()

async function answerTo({ listen, reset }: Question): Promise<unknown> {
  if (listen !== undefined) return start(listen)
  if (reset === true) return measureAnew()
  return node === undefined ? null : health(node)
}

async function start(listen: readonly string[]) {
  const options: NodeOptions = {
    preset: 'test',
    dataDir,
    net: { listen: [...listen] },
    log: { level: 'error' },
  }
  node = await openNode(resolveOptions(options, {}), {
    version: '0.0.0',
    writeLog: () => undefined,
  })
  return { peer: node.peerId, addresses: node.addresses }
}

function measureAnew() {
  delay.reset()
  held.reset()
  rssMax = process.memoryUsage.rss()
  cpu = process.cpuUsage()
  since = performance.now()
  return { rssMiB: rssMax / MIB }
}

async function health(running: Node): Promise<Health> {
  const { user, system } = process.cpuUsage(cpu)
  const counts = await Promise.all(
    REASONS.map(async (reason) => {
      const count = await running.registry.total('p2p_connections_refused', { reason })
      return [reason, count] as const
    }),
  )
  const used = running.resources().system.used.memoryBytes
  return {
    rssMiB: process.memoryUsage.rss() / MIB,
    rssMaxMiB: rssMax / MIB,
    lagP50: delay.percentile(50) / 1e6,
    lagP99: delay.percentile(99) / 1e6,
    lagMax: delay.max / 1e6,
    heldP99: held.percentile(99) / 1_000,
    cpuShare: (user + system) / 1_000 / (performance.now() - since),
    connections: (await running.peers()).length,
    refused: Object.fromEntries(counts.filter(([, count]) => count > 0)),
    memoryInUseMiB: used / MIB,
  }
}

/** Processor time of the event loop's own thread. */
function ownCpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
