/** What the lines of `p2p-node` need of a node; `daemon.ts` starts one that has all of it. */

import type { Registry } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Message, Published } from '../pubsub/index.ts'
import type { SendOptions, ServedAgent, ServedDelivery } from './served-agent.ts'
import type { ServedNode, Waits } from './served-node.ts'

/** What belongs to a message besides its body. */
export interface SendWith extends SendOptions {
  readonly contentType?: string
}

/** The agent of a node, as far as these lines use it. */
export interface StdioAgent extends ServedAgent {
  send(to: string, body: Uint8Array, options: SendWith): Promise<ServedDelivery>
  broadcast(body: Uint8Array, options: SendWith): Promise<ServedDelivery>
}

/** The node itself. */
export interface StdioNode extends Omit<ServedNode, 'dht'> {
  readonly peerId: PeerId
  readonly ethAddress: string | null
  readonly addresses: readonly string[]
  /** Null or absent where the node speaks for no agent. */
  readonly agent?: StdioAgent | null
  keep(target: string): () => void
  publish(topic: string, value: unknown, options: PublishWith): Promise<Published>
  subscribe(topic: string, options: Waits): AsyncIterable<Message<unknown>>
  readonly dht: ServedNode['dht'] & {
    findReaders(topic: string, options: Waits): Promise<readonly PeerId[]>
  }
}

interface PublishWith extends Waits {
  readonly waitForPeersMs?: number
}

/** A node that runs, with its local faces. */
export interface RunningNode {
  readonly node: StdioNode
  /** Base URL of its HTTP API. */
  readonly api: string
  /** Address of its gRPC API; null where that is off. */
  readonly grpc: string | null
  readonly dataDir: string
  readonly registry: Pick<Registry, 'prometheusText' | 'total'>
  /** How long an operation may take when its caller names no time-out. */
  readonly waitMs: number
  readonly notices: readonly string[]
  stop(): Promise<void>
}

/** How a node is to be started: what a `connect` says, in place of what the process was given. */
export interface StartWith {
  readonly port: number | undefined
  readonly bootstrapPeers: readonly string[] | undefined
  /** Takes each line of the node's log. */
  readonly writeLog: (line: string) => void
  /** Called where a client of another face asks for the end of the node. */
  readonly stopAsked: () => void
}
