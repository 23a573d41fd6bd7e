/**
 * Some nodes of the bench `dht` in one process: `dht-side.ts ours | hyperdht | stock`. Whoever runs
 * the bench tells it to start them, to look whether the network has formed, and to use them.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { serveWorker } from '../harness-worker.ts'
import { type DhtNode, K } from './dht-node.ts'

const SIDES: Readonly<Record<string, () => Promise<() => Promise<DhtNode>>>> = {
  ours: async () => (await import('./dht-ours.ts')).startOurs,
  hyperdht: async () => (await import('./dht-hyperdht.ts')).startHyperdht,
  stock: async () => (await import('./dht-stock.ts')).startStock,
}

/** Nodes that join at the same time in one process. */
const LANES = 4
const RETRY_MS = 50
/** Places that are looked at: some count themselves among the 20 closest, some do not. */
const NEIGHBOURS = K - 1
/**
 * How many of them a node must find before it counts as being in its place. HyperDHT never finds
 * some: what it knows of a node is enough to reach it, and no more.
 */
const NEIGHBOURS_MIN: Readonly<Record<string, number>> = {
  ours: NEIGHBOURS,
  hyperdht: 15,
  stock: 15,
}

/** Times in milliseconds, one for each operation, and what they cost together. */
export interface Used {
  readonly times: readonly number[]
  readonly questions: number
  /** Operations that did not do what they should: not found, refused. */
  readonly failed: number
}

export interface Held {
  readonly rssBytes: number
  readonly cpuMs: number
  readonly asked: number
}

const [name = ''] = process.argv.slice(2)
const start = await SIDES[name]?.()
const nodes: DhtNode[] = []
const neighbours = new Map<DhtNode, number>()
let turn = 0

/** The first node of this process; what it returns is an entry for others. */
async function begin({ entry }: { readonly entry?: string }): Promise<string> {
  const node = await open()
  await node.join(entry)
  return node.entry
}

/** Starts nodes until there are `count`, each joining over one of the entries. */
async function form(params: { readonly count: number; readonly entries: readonly string[] }) {
  let left = params.count - nodes.length
  const lane = async () => {
    while (left > 0) {
      left -= 1
      const node = await open()
      await node.join(params.entries[nodes.length % params.entries.length])
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return nodes.map(({ place }) => place)
}

async function open(): Promise<DhtNode> {
  if (start === undefined) throw new TypeError(`no side "${name}"`)
  const node = await start()
  nodes.push(node)
  return node
}

/**
 * Has each node look for itself until it finds those that are truly closest, or time is over.
 * Resolves with how many have not, who are asked again with the next call, and with how many of
 * the true neighbours were found in all.
 */
async function verify(params: { readonly places: readonly string[]; readonly capMs: number }) {
  const places = params.places.map((hex) => ({ hex, value: BigInt(`0x${hex}`) }))
  const enough = Math.min(NEIGHBOURS_MIN[name] ?? NEIGHBOURS, places.length - 1)
  const untilMs = performance.now() + params.capMs
  const queue = nodes.filter((node) => (neighbours.get(node) ?? 0) < enough)
  const lane = async () => {
    for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
      if (performance.now() > untilMs) return
      const found = await neighboursFound(node, places)
      neighbours.set(node, found)
      if (found >= enough) continue
      queue.push(node)
      await wait(RETRY_MS)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  const counts = nodes.map((node) => neighbours.get(node) ?? 0)
  const unsure = counts.filter((count) => count < enough).length
  const wanted = nodes.length * Math.min(NEIGHBOURS, places.length - 1)
  return { unsure, found: counts.reduce((sum, count) => sum + count, 0) / wanted }
}

interface Place {
  readonly hex: string
  readonly value: bigint
}

async function neighboursFound(node: DhtNode, places: readonly Place[]): Promise<number> {
  const self = BigInt(`0x${node.place}`)
  const wanted = places
    .filter(({ value }) => value !== self)
    .map(({ hex, value }) => ({ hex, away: value ^ self }))
    .sort((a, b) => (a.away < b.away ? -1 : 1))
    .slice(0, NEIGHBOURS)
  const found = new Set(await node.closestToSelf().catch(() => []))
  return wanted.filter(({ hex }) => found.has(hex)).length
}

/** One operation after the other, each at the node whose turn it is. */
async function use<T>(items: readonly T[], work: (node: DhtNode, item: T) => Promise<boolean>) {
  const used = { times: [] as number[], questions: 0, failed: 0 }
  for (const item of items) {
    turn = (turn + 1) % nodes.length
    const node = nodes[turn]
    if (node === undefined) throw new TypeError('there are no nodes')
    const before = node.asked
    const began = performance.now()
    const done = await work(node, item).catch((error: unknown) => {
      process.stderr.write(`${name}: ${String(error)}\n`)
      return false
    })
    used.times.push(performance.now() - began)
    used.questions += node.asked - before
    if (!done) used.failed += 1
  }
  return used
}

await serveWorker({
  begin,
  form,
  verify,

  async put({ from, count }: { readonly from: number; readonly count: number }) {
    const keys: string[] = []
    const indices = Array.from({ length: count }, (_, i) => from + i)
    const used = await use(indices, async (node, index) => {
      keys.push(await node.put(index))
      return true
    })
    return { ...used, keys }
  },

  get: ({ keys }: { readonly keys: readonly string[] }) => use(keys, (node, key) => node.get(key)),

  provide: ({ names }: { readonly names: readonly string[] }) =>
    use(names, async (node, each) => {
      await node.provide(each)
      return true
    }),

  find: ({ names }: { readonly names: readonly string[] }) =>
    use(names, async (node, each) => (await node.find(each)) > 0),

  /** What this process takes, once its garbage is collected if `collect` says so. */
  async held({ collect }: { readonly collect: boolean }): Promise<Held> {
    for (let i = 0; collect && i < 3; i += 1) {
      globalThis.gc?.()
      await wait(50)
    }
    const { user, system } = process.cpuUsage()
    const asked = nodes.reduce((sum, node) => sum + node.asked, 0)
    return { rssBytes: process.memoryUsage.rss(), cpuMs: (user + system) / 1_000, asked }
  },
})
