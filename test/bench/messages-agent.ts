/** What the sides of the bench `messages` use of a node: its agent, and room for a crowd. */

import type { NodeOptions } from '../../src/node/index.ts'

/** As an agent tells of a message of its own. */
interface Told {
  readonly id: string
  readonly state: string
  readonly reason?: string
}

export interface BenchAgent {
  send(to: string, body: Uint8Array, options: object): Promise<Told>
  broadcast(body: Uint8Array, options: object): Promise<Told>
  on(event: 'delivery', listener: (delivery: Told) => void): () => void
  on(event: 'message', listener: (message: { readonly id: string }) => void): () => void
}

/** The agent of a node; throws where it speaks for none. */
export function agentOf(node: object): BenchAgent {
  const { agent } = node as { readonly agent?: BenchAgent | null }
  if (agent === null || agent === undefined) throw new TypeError('this node has no agent')
  return agent
}

/** A node alone on this machine, whose agent may be told more in a second than strangers may. */
export function generous(dataDir: string, granted: readonly string[]): NodeOptions {
  return {
    preset: 'test',
    dataDir,
    log: { level: 'silent' },
    access: { granted: [...granted] },
    agent: { enabled: true, senderPerSecond: 10_000 },
  }
}
