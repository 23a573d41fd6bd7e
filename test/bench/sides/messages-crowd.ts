/**
 * A crowd of whole nodes in one process: what one of them broadcasts is timed until the last of the
 * others has it, as an agent's message and as a bare message of the same size on a topic.
 */

import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Node, openNode, resolveOptions } from '../../../src/node/index.ts'
import { serveWorker } from '../harness-worker.ts'
import { agentOf, generous } from '../messages-agent.ts'
import { quantile, timed } from '../messages-load.ts'

const TOPIC = 'bench/fan-out'
/** Each is told of so many of those before it, which makes a graph and no star. */
const NEIGHBOURS = 4
/** Between broadcasts, so that no rate of a sender is what is measured. */
const PAUSE_MS = 250
const READY_MS = 60_000

interface Fan {
  readonly count: number
  readonly bytes: number
}

const nodes: Node[] = []
/** Told of every arrival at any of them. */
let arrived: (key: string) => void = () => undefined

await serveWorker({
  async start({ size }: { readonly size: number }) {
    const folder = await mkdtemp(join(tmpdir(), 'p2p-bench-'))
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
    for (let i = 0; i < size; i += 1) {
      const before = nodes.slice(-NEIGHBOURS).flatMap(({ addresses }) => addresses[0] ?? [])
      const options = generous(join(folder, String(i)), [])
      const config = resolveOptions({ ...options, bootstrap: { nodes: before } }, {})
      nodes.push(await openNode(config, { version: '0.0.0' }))
    }
  },

  async agents({ count, bytes }: Fan) {
    const [first, ...others] = nodes
    for (const node of others) agentOf(node).on('message', ({ id }) => arrived(id))
    const speaker = agentOf(first ?? {})
    const body = new Uint8Array(bytes).fill(0x2a)
    return fanOut(count, others.length, async () => (await speaker.broadcast(body, {})).id)
  },

  async bare({ count, bytes }: Fan) {
    const [first, ...others] = nodes
    for (const node of others) void read(node)
    let number = 0
    return fanOut(count, others.length, async () => {
      number += 1
      const key = String(number)
      const value = { key, filled: 'x'.repeat(bytes) }
      await first?.publish(TOPIC, value, { waitForPeersMs: READY_MS })
      return key
    })
  },
})

async function read(node: Node): Promise<void> {
  for await (const { value } of node.subscribe<{ key: string }>(TOPIC)) arrived(value.key)
}

/** `p50` and `p95` of the time until all `others` have what `say` sent. */
async function fanOut(count: number, others: number, say: () => Promise<string>) {
  await formed(others, say)
  const times: number[] = []
  for (let i = 0; i < count; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    times.push(await timed(() => heardBy(others, say, READY_MS)))
  }
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95) }
}

/** Whoever has only just come hears nothing: speaks until all have heard one and the same. */
async function formed(others: number, say: () => Promise<string>): Promise<void> {
  const until = performance.now() + READY_MS
  for (;;) {
    const all = await heardBy(others, say, 2_000).then(
      () => true,
      () => false,
    )
    if (all) return
    if (performance.now() > until) throw new TypeError('no message reached everybody in a minute')
  }
}

async function heardBy(others: number, say: () => Promise<string>, ms: number): Promise<void> {
  const all = Promise.withResolvers<void>()
  const heard = new Map<string, number>()
  let wanted: string | undefined
  const look = () => {
    if (wanted !== undefined && (heard.get(wanted) ?? 0) >= others) all.resolve()
  }
  arrived = (key) => {
    heard.set(key, (heard.get(key) ?? 0) + 1)
    look()
  }
  const late = setTimeout(() => all.reject(new TypeError('not everybody has heard it')), ms)
  try {
    wanted = await say()
    look()
    await all.promise
  } finally {
    clearTimeout(late)
  }
}
