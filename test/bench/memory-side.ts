/**
 * The processes of the benches `memory` and `many` that hold connections: a listener, ours or
 * another's, and diallers, each of whose connections is from an identity of its own. Ours is
 * dialled by plain js-libp2p as well, so that both listeners have the same work.
 */

import { readdirSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { serveWorker } from './harness-worker.ts'
import {
  type Listening,
  listenHyperdht,
  listenOurs,
  listenPlain,
  plainNode,
} from './memory-listeners.ts'
import { hyperdht } from './sides/hyperdht.ts'

export interface Target {
  readonly address: string
  readonly count: number
}

export interface Held {
  readonly rssKb: number
  readonly descriptors: number
  readonly connections: number
}

/** One identity, started, that has yet to dial. */
interface Dialler {
  dial(address: string): Promise<unknown>
}

const LISTEN = { ours: listenOurs, plain: listenPlain, hyperdht: listenHyperdht }
const LANES = 4
const COUNTED_MS = 20
const COUNT_TIMEOUT_MS = 60_000

/** A listener that takes them all at once answers all their pings at once, for some too late. */
const UNMONITORED = { connectionMonitor: { enabled: false } }

let connections: () => number = () => 0
const gathered: Dialler[] = []
/** What nobody holds on to would be collected, and its connection closed. */
const kept: unknown[] = []

/** Starts identities, so that `dial` is dials alone. */
async function gather({ address, count }: Target): Promise<void> {
  await inLanes(count - gathered.length, async () => {
    gathered.push(await dialler(address))
  })
}

/** One connection from each of `count` identities, some at the same time. */
async function dial({ address, count }: Target): Promise<void> {
  await inLanes(count, async () => {
    const one = gathered.pop() ?? (await dialler(address))
    kept.push(one, await one.dial(address))
  })
}

async function dialler(address: string): Promise<Dialler> {
  if (address.startsWith('/')) {
    const transport = address.includes('/udp/') ? 'quic' : 'tcp'
    const node = await plainNode(transport, UNMONITORED)
    return { dial: () => node.dial(multiaddr(address)) }
  }
  const stack = hyperdht()
  await stack.ready(address)
  return stack
}

async function inLanes(count: number, work: () => Promise<void>): Promise<void> {
  let left = count
  const lane = async () => {
    while (left > 0) {
      left -= 1
      await work()
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** Resolves with how many connections there are, once there are `count`. */
async function counted({ count }: { readonly count: number }): Promise<number> {
  const began = performance.now()
  while (connections() < count && performance.now() - began < COUNT_TIMEOUT_MS) {
    await wait(COUNTED_MS)
  }
  return connections()
}

/** What this process holds once the garbage is collected. */
async function held(): Promise<Held> {
  for (let i = 0; i < 4; i += 1) {
    globalThis.gc?.()
    await wait(100)
  }
  const descriptors = readdirSync('/proc/self/fd').length
  return { rssKb: process.memoryUsage.rss() / 1_024, descriptors, connections: connections() }
}

/** What this process has used of the machine's cores so far, in milliseconds. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

await serveWorker({
  async listen(how: Listening): Promise<string> {
    const listener = await LISTEN[how.stack](how)
    connections = listener.connections
    return listener.address
  },
  gather,
  dial,
  counted,
  held,
  cpuMs,
})
