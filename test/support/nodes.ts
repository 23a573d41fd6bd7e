/** Whole nodes in this process, on loopback, each with a data folder that goes with it. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hasCode } from '../../src/base/index.ts'
import type { ServiceSpec } from '../../src/mcp/index.ts'
import { type Node, type NodeOptions, openNode, resolveOptions } from '../../src/node/index.ts'

const FIXTURE = fileURLToPath(new URL('./fixture-server.ts', import.meta.url))

/** A node and its end; `logs` are the lines that it wrote. */
export interface TestNode extends AsyncDisposable {
  readonly node: Node
  readonly logs: readonly string[]
}

export async function testNode(options: NodeOptions = {}): Promise<TestNode> {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-node-'))
  const logs: string[] = []
  const config = resolveOptions({ preset: 'test', ...options, dataDir }, {})
  const node = await openNode(config, { version: '0.0.0', writeLog: (line) => logs.push(line) })
  const stop = async () => {
    await node.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
  return { node, logs, [Symbol.asyncDispose]: stop }
}

/** The multiaddr of a node over the transport of this kind. */
export function addressOf({ node }: TestNode, kind: 'tcp' | 'udp'): string {
  const found = node.addresses.find((address) => address.includes(`/${kind}/`))
  assert.ok(found !== undefined, `an address over ${kind}`)
  return found
}

/** As `node.agents.find`, and nobody where not everybody could be asked yet. */
export async function findAgent({ agents }: Pick<Node, 'agents'>, address: string) {
  try {
    return await agents.find(address)
  } catch (error) {
    if (hasCode(error, 'AGENT_RECORD_UNCERTAIN')) return undefined
    throw error
  }
}

/** The fixture server as a service; `args` are its own. */
export function fixtureService(name: string, args: readonly string[] = []): ServiceSpec {
  const command = process.execPath
  return { name, source: { kind: 'stdio', command, args: [FIXTURE, ...args], cwd: '/', env: {} } }
}

/** Asks until `ready` gives something; half a minute of nothing is a failure. */
export async function eventually<T>(ready: () => Promise<T | undefined>): Promise<T> {
  const until = performance.now() + 30_000
  for (;;) {
    const answer = await ready()
    if (answer !== undefined) return answer
    assert.ok(performance.now() < until, 'an answer within half a minute')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
