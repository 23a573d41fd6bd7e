/**
 * Some nodes of the bench `mcp-discovery` in one process: those of the bench `dht` with the
 * directory of `mcp` over them, each offering services that nobody calls.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { Emitter, secureRandom, silentLog, systemClock } from '../../../src/base/index.ts'
import { describe } from '../../../src/mcp/descriptor.ts'
import { Directory, type McpEvents, type ServiceStatus } from '../../../src/mcp/index.ts'
import { TextIndex } from '../../../src/mcp/text-index.ts'
import { serveWorker } from '../harness-worker.ts'
import { type OurRooms, openOurs } from './dht-ours.ts'

/** Nodes that join, or publish, at the same time in one process. */
const LANES = 4
const POLL_MS = 50

interface DirectoryNode {
  readonly rooms: OurRooms
  directory: Directory | null
  /** Names and records that stand in the DHT. */
  written: number
}

const nodes: DirectoryNode[] = []
let turn = 0
let unpublished = 0

async function begin({ entry }: { readonly entry?: string }): Promise<string> {
  const node = await open(entry)
  return node.rooms.dht.datagramAddresses()[0] ?? ''
}

async function form(params: { readonly count: number; readonly entries: readonly string[] }) {
  const { count, entries } = params
  await inLanes(count - nodes.length, async (i) => {
    await open(entries[i % entries.length])
  })
}

async function open(entry: string | undefined): Promise<DirectoryNode> {
  const rooms = await openOurs()
  if (entry !== undefined) await rooms.dht.join(entry)
  const node = { rooms, directory: null, written: 0 }
  nodes.push(node)
  return node
}

/** Offers `services` at each node; `unpublished` says for how many it is not all written yet. */
function publish(params: { readonly first: number; readonly services: number }) {
  const { first, services } = params
  unpublished = nodes.length
  void inLanes(nodes.length, async (i) => {
    const node = nodes[i]
    if (node === undefined) return
    const offered = Array.from({ length: services }, (_, at) => {
      return serviceOf((first + i) * services + at)
    })
    node.directory = directoryOf(node, offered)
    await node.directory.start()
    // Any service, then for each its name, its tool, its tag, its record; and the index.
    const tags = new Set(offered.flatMap((service) => service.tags ?? []))
    const wanted = 1 + 3 * services + tags.size + 1
    while (node.written < wanted) await wait(POLL_MS)
    unpublished -= 1
  })
}

function directoryOf(node: DirectoryNode, offered: readonly ServiceStatus[]): Directory {
  const { dht, host } = node.rooms
  const counted = async <T>(work: Promise<T>): Promise<T> => {
    const done = await work
    node.written += 1
    return done
  }
  const deps = {
    dht: {
      put: (...args: Parameters<typeof dht.put>) => counted(dht.put(...args)),
      provide: (...args: Parameters<typeof dht.provide>) => counted(dht.provide(...args)),
      unprovide: (name: string) => dht.unprovide(name),
      get: (...args: Parameters<typeof dht.get>) => dht.get(...args),
      findProviders: (...args: Parameters<typeof dht.findProviders>) => dht.findProviders(...args),
    },
    services: { events: new Emitter<McpEvents>(() => undefined), list: () => offered },
    sessions: { listTools: async () => [] },
    host,
    version: '0.0.0',
    random: secureRandom,
    clock: systemClock,
    log: silentLog,
  }
  return new Directory(deps, { lookupTimeoutMs: 10_000, descriptorRenewMs: 1_200_000 })
}

/** The service of this number: a tool of its own name, and one of a hundred tags. */
function serviceOf(number: number): ServiceStatus {
  const inputSchema = { type: 'object', properties: { a: { type: 'number' } } }
  const description = `Says what the service with the number ${number} says of its work`
  const hints = { idempotent: true, readOnly: true }
  const tools = [{ name: `tool-${number}`, description, inputSchema, ...hints }]
  const name = `service-${number}`
  return { name, state: 'ready', tools, restarts: 0, detached: false, tags: [tagOf(number)] }
}

function tagOf(number: number): string {
  return `tag-${number % 100}`
}

interface Found {
  readonly times: readonly number[]
  readonly failed: number
}

/** One search after the other, each at the node whose turn it is. */
async function find({ numbers, by }: { numbers: readonly number[]; by: 'tool' | 'tag' }) {
  const found = { times: [] as number[], failed: 0 }
  for (const number of numbers) {
    turn = (turn + 1) % nodes.length
    const directory = nodes[turn]?.directory
    const query = by === 'tool' ? { tool: `tool-${number}` } : { tag: tagOf(number) }
    const began = performance.now()
    const entries = (await directory?.find(query))?.entries ?? []
    found.times.push(performance.now() - began)
    if (!entries.some(({ tool }) => tool === `tool-${number}`)) found.failed += 1
  }
  return found satisfies Found
}

/** Words, over what was heard of so many services. */
function search({ services, count }: { readonly services: number; readonly count: number }): Found {
  const index = new TextIndex(systemClock)
  const peers = nodes.map(({ rooms }) => rooms.host.self)
  for (let number = 0; number < services; number += 1) {
    const peer = peers[number % peers.length]
    if (peer === undefined) break
    const { name, tools, tags = [] } = serviceOf(number)
    index.put(describe({ service: name, peer, version: '0', endpoints: [], tools, tags }))
  }
  const times: number[] = []
  for (let i = 0; i < count; i += 1) {
    const began = performance.now()
    const hits = index.search(`number ${i % services}`)
    times.push(performance.now() - began)
    if (hits.length === 0 && index.size === services) return { times, failed: 1 }
  }
  index.close()
  return { times, failed: 0 }
}

async function inLanes(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < count) {
      next += 1
      await work(next - 1)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

function written() {
  return { nodes: unpublished, writes: nodes.reduce((sum, { written: count }) => sum + count, 0) }
}

await serveWorker({ begin, form, publish, unpublished: written, find, search })
