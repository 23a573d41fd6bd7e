/**
 * Whole nodes in one process for the tests of whoever builds on this: on loopback, on free ports,
 * each in a folder of its own that goes with it, and connected to each other before you have them.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, newId, race, secureRandom, stopAll, systemClock } from '../base/index.ts'
import type { NodeOptions } from './config.ts'
import type { Node } from './node.ts'
import { createNode } from './open-node.ts'
import { overOptions } from './presets.ts'
import { UseError } from './use-errors.ts'

const NODES_MAX = 64
const POLL_MS = 50
const TIMEOUT_MS = 30_000
const QUIET = { level: 'silent' } as const

export interface TestNetOptions {
  /** Laid over the options of every node; each has a folder of its own. */
  readonly options?: Omit<NodeOptions, 'dataDir'>
  /** How long forming the net, and each `until`, may take. */
  readonly timeoutMs?: number
}

/** Nodes that know each other; `await using` stops them and takes their folders away. */
export interface TestNet extends AsyncDisposable {
  readonly nodes: readonly Node[]
  /** Waits until every node finds the tool; it is announced a moment after `expose`. */
  findable(tool: string): Promise<void>
  /** Waits until `is` holds at every node; what it waits for is named in the error. */
  until(what: string, is: (node: Node) => boolean | Promise<boolean>): Promise<void>
}

/**
 * Starts `count` nodes, 64 at most, each connected to every other. They are strangers to each other
 * as they would be outside, with a stranger's quota: `options.access` sets another.
 */
export async function testnet(count: number, options: TestNetOptions = {}): Promise<TestNet> {
  if (!Number.isInteger(count) || count < 1 || count > NODES_MAX) {
    const wanted = `a number from 1 to ${NODES_MAX}`
    throw UseError.INJECTED_INVALID({ what: 'number of nodes', found: String(count), wanted })
  }
  const folder = await mkdtemp(join(tmpdir(), 'p2p-testnet-'))
  const nodes: Node[] = []
  const stop = async () => {
    try {
      await stopAll(nodes)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const waiting = { nodes, clock: systemClock, timeoutMs }
  try {
    // A network of its own: nets of tests that run at once must not meet.
    const network = `test-${newId(secureRandom).slice(0, 8).toLowerCase()}`
    for (let i = 0; i < count; i += 1) {
      const own = overOptions({ preset: 'test', network, log: QUIET }, options.options ?? {})
      nodes.push(await createNode({ ...own, dataDir: join(folder, String(i)) }))
    }
    await connectAll(nodes)
    await until(waiting, 'every node connected to every other', async (node) => {
      const peers = await node.peers()
      return peers.length >= count - 1 && peers.every(({ protocols }) => protocols.length > 0)
    })
  } catch (error) {
    await stop()
    throw error
  }
  return {
    nodes,
    findable: (tool) =>
      until(waiting, `the tool "${tool}" found`, async (node) => {
        return (await node.tools.find({ tool })).length > 0
      }),
    until: (what, is) => until(waiting, what, is),
    [Symbol.asyncDispose]: stop,
  }
}

async function connectAll(nodes: readonly Node[]): Promise<void> {
  for (const [i, node] of nodes.entries()) {
    for (const other of nodes.slice(0, i)) {
      const [address] = other.addresses
      if (address !== undefined) await node.connect(address)
    }
  }
}

async function until(
  { nodes, clock, timeoutMs }: { nodes: readonly Node[]; clock: Clock; timeoutMs: number },
  wanted: string,
  is: (node: Node) => boolean | Promise<boolean>,
): Promise<void> {
  using deadline = clock.deadline(timeoutMs)
  const { signal } = deadline
  let held = new Set<Node>()
  const ask = async (node: Node) => {
    if (await is(node)) held.add(node)
  }
  for (;;) {
    held = new Set()
    try {
      await race(Promise.all(nodes.map(ask)), signal)
      if (held.size === nodes.length) return
      await clock.sleep(POLL_MS, signal)
    } catch (error) {
      if (!signal.aborted) throw error
      const missing = nodes.flatMap((node, i) => (held.has(node) ? [] : [`node ${i}`]))
      throw UseError.TESTNET_STALLED({ wanted, afterMs: timeoutMs, missing })
    }
  }
}
