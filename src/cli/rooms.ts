/**
 * What the command line asks of the rooms below, as narrow as it can be.
 *
 * `world.ts` fills it with the real rooms, each loaded when a command first needs it, so that
 * `p2p --help` does not wait for a network stack; tests fill it with literals.
 */

import type { ControlClient } from '../control/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Catalog } from '../mcp/index.ts'
import type { Edited, Environment, Facility, Flags, NodeStatus } from '../node/index.ts'
import type { Probes } from './probes.ts'
import type { RegistryRoom } from './registry-room.ts'

/** A running node, as far as commands talk to it. */
export type NodeClient = AsyncDisposable &
  Pick<
    ControlClient,
    | 'status'
    | 'events'
    | 'ping'
    | 'peers'
    | 'identity'
    | 'connect'
    | 'tools'
    | 'call'
    | 'callOutput'
    | 'expose'
    | 'exposeAttached'
    | 'invitation'
    | 'unexpose'
    | 'dhtPut'
    | 'dhtGet'
    | 'agents'
    | 'agentFind'
    | 'nameClaim'
    | 'nameFind'
    | 'messageSend'
    | 'messages'
    | 'messageNext'
    | 'config'
    | 'reconfigure'
    | 'catalogList'
    | 'catalogCall'
    | 'catalogRead'
    | 'catalogWithheld'
    | 'catalogApprove'
    | 'catalogPin'
    | 'grant'
    | 'grants'
    | 'grantAccept'
    | 'grantDelegate'
    | 'grantRevoke'
    | 'audit'
  >

/** A start, or a look at what one would use; flags win over the environment, that over the file. */
export interface StartOptions {
  readonly flags: Flags
  readonly env: Environment
  readonly version: string
  /** Takes log lines instead of standard error. */
  readonly writeLog?: (line: string) => void
  /** Called where a client of the node asks for its end. */
  readonly stopAsked?: () => void
}

/** A node in this process, with its control API. */
export interface Daemon {
  readonly node: { readonly peerId: PeerId; status(): NodeStatus }
  readonly api: string
  readonly mcp: string | null
  /** `127.0.0.1:50051`; null where gRPC is off. */
  readonly grpc: string | null
  readonly tokenFile: string
  readonly listen: readonly string[]
  readonly dataDir: string
  /** What a person should know about this start, such as a port that was taken. */
  readonly notices: readonly string[]
  /** How many tool calls were made so far. */
  calls(): number
  /** How many requests of peers were answered so far. */
  served(): number
  stop(): Promise<void>
}

/** A configuration that holds, or else `NODE_CONFIG_…` says all that is wrong with it. */
export interface CheckedConfig {
  /** The file that was read; undefined where there is none. */
  readonly file: string | undefined
  readonly toml: string
  readonly notices: readonly string[]
}

export interface Rooms {
  /** The data folder of this user when nobody names another. */
  usualDataDir(): Promise<string>
  /**
   * A client for the node of a data folder; whether it answers shows at the first question.
   * `start` is what a person types to start that node.
   */
  openClient(dataDir: string, start: string): Promise<NodeClient>
  startDaemon(options: StartOptions): Promise<Daemon>
  loadConfig(options: Pick<StartOptions, 'flags' | 'env'>): Promise<CheckedConfig>
  /** Changes one key of the configuration file; without `text`, takes it out. */
  editConfig(
    wanted: { readonly key: string; readonly text: string | undefined },
    options: Pick<StartOptions, 'flags' | 'env'>,
  ): Promise<Edited>
  /** The value that a configuration file gives one key; undefined where it is not set. */
  valueIn(toml: string, key: string): Promise<unknown>
  /** Serves MCP on standard input and output; `done` resolves when the input ends. */
  serveStdio(
    catalog: Catalog,
    version: string,
  ): Promise<{ readonly done: Promise<void>; close(): Promise<void> }>
  /** Serves one service of the node of a data folder, whole, on standard input and output. */
  pipeStdio(
    node: { readonly dataDir: string; readonly start: string },
    place: { readonly service: string; readonly peer?: string },
    signal: AbortSignal,
  ): Promise<void>
  /** Who holds a port, where that can be seen. */
  portHolder(kind: 'tcp' | 'udp', port: number): Promise<string | undefined>
  /** Whether this machine can speak QUIC. */
  quic(): Promise<Facility>
  /** The registry of agents on its chain, as the configuration and the environment name it. */
  registry(options: Pick<StartOptions, 'flags' | 'env'>): Promise<RegistryRoom>
  readonly probes: Probes
}
