/**
 * Whole nodes in one process for the tests of whoever builds on this: on loopback, on free ports,
 * each in a folder of its own that goes with it, and connected to each other before you have them.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, newId, secureRandom, stopAll, systemClock } from '../base/index.ts'
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
  /** Laid over the options of every node. */
  readonly options?: NodeOptions
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

/** Starts `count` nodes, 64 at most, each connected to every other. */
export async function testnet(count: number, options: TestNetOptions = {}): Promise<TestNet> {
  if (!Number.isInteger(count) || count < 1 || count > NODES_MAX) {
    const wanted = `a number from 1 to ${NODES_MAX}`
    throw UseError.INJECTED_INVALID({ what: 'number of nodes', found: String(count), wanted })
  }
  const folder = await mkdtemp(join(tmpdir(), 'p2p-testnet-'))
  const nodes: Node[] = []
  const stop = async () => {
    await stopAll(nodes)
    await rm(folder, { recursive: true, force: true })
  }
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const waiting = { nodes, clock: systemClock, timeoutMs }
  try {
    // A network of its own: nets of tests that run at once must not meet.
    const network = `test-${newId(secureRandom).slice(0, 8).toLowerCase()}`
    for (let i = 0; i < count; i += 1) {
      const own: NodeOptions = { preset: 'test', network, log: QUIET }
      const dataDir = join(folder, String(i))
      nodes.push(await createNode(overOptions({ ...own, dataDir }, options.options ?? {})))
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
  const untilMs = clock.now() + timeoutMs
  for (;;) {
    const held = await Promise.all(nodes.map(async (node) => is(node)))
    if (held.every(Boolean)) return
    if (clock.now() >= untilMs) {
      const missing = nodes.flatMap((_, i) => (held[i] === true ? [] : [`node ${i}`]))
      throw UseError.TESTNET_STALLED({ wanted, afterMs: timeoutMs, missing })
    }
    await clock.sleep(POLL_MS)
  }
}
