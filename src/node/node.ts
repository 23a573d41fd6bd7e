/** The object that a user holds: one running node, and all that can be asked of it. */

import {
  createLog,
  type Logger,
  packageVersion,
  Registry,
  secureRandom,
  startAll,
  stopAll,
  systemClock,
} from '../base/index.ts'
import type { Dht } from '../dht/index.ts'
import { loadOrCreateKeys, type PeerId } from '../identity/index.ts'
import type { ServiceSpec, ServiceStatus, ToolArgs } from '../mcp/index.ts'
import { compose, type McpParts, type Parts } from './compose.ts'
import type { NodeOptions } from './config.ts'
import { type DataDir, openDataDir } from './data-dir.ts'
import { effectiveToml } from './effective-toml.ts'
import { NodeError } from './errors.ts'
import { assess } from './health.ts'
import { checkPeerId, type ResolvedConfig, resolveOptions } from './load-config.ts'
import type { HealthReport, NodeStatus, PeerStatus } from './shapes.ts'
import { bestWords, dialTarget } from './spoken-address.ts'

/** What a node takes besides its configuration; all of it has a default. */
export interface NodeDeps {
  readonly version?: string
  /** Takes log lines instead of standard error. */
  readonly writeLog?: (line: string) => void
}

interface Waits {
  readonly signal?: AbortSignal
}

/** Where a call may go: to anybody who offers the tool, or only to this service or peer. */
export interface CallTarget extends Waits {
  readonly service?: string
  readonly peer?: PeerId
  /** For the whole call; `request_timeout` unless given. */
  readonly timeoutMs?: number
}

const clock = systemClock
const random = secureRandom

/** Starts a node from options in code; what they leave out comes from their preset. */
export async function createNode(options: NodeOptions = {}): Promise<Node> {
  return openNode(resolveOptions(options), {})
}

/** Opens the data folder, starts every room, and resolves when the node can be used. */
export async function openNode(config: ResolvedConfig, deps: NodeDeps): Promise<Node> {
  const dataDir = await openDataDir(config.dataDir, random)
  try {
    const keys = await loadOrCreateKeys(dataDir.keyFile, random)
    checkPeerId(config, keys.signer.peer, dataDir.keyFile)
    const { version = packageVersion(), writeLog } = deps
    const log = createLog({ ...config.log, ...(writeLog && { write: writeLog }) })
    const registry = new Registry()
    const parts = await compose(config, { keys, registry, clock, random, log, version })
    const node = new Node({ config, parts, dataDir, registry, log, version })
    await node.start()
    return node
  } catch (error) {
    await dataDir.close()
    throw error
  }
}

interface Made {
  readonly config: ResolvedConfig
  readonly parts: Parts
  readonly dataDir: DataDir
  readonly registry: Registry
  readonly log: Logger
  readonly version: string
}

export class Node implements AsyncDisposable {
  readonly notices: string[] = []
  readonly #made: Made
  readonly #startedAtMs = clock.now()
  #started = false
  #stopping: Promise<void> | undefined
  #words: string | null = null

  constructor(made: Made) {
    this.#made = made
  }

  get peerId(): PeerId {
    return this.#made.parts.host.self
  }

  get addresses(): readonly string[] {
    return this.#made.parts.host.addresses()
  }

  get dataDir(): DataDir {
    return this.#made.dataDir
  }

  get registry(): Registry {
    return this.#made.registry
  }

  get log(): Logger {
    return this.#made.log
  }

  /** Tool calls that this node has made, for itself or for an assistant. */
  get calls(): number {
    return this.#made.parts.mcp?.router.calls ?? 0
  }

  /** Requests of peers that this node has answered. */
  get served(): number {
    return this.#made.parts.mcp?.served() ?? 0
  }

  async start(): Promise<void> {
    const { host, services } = this.#made.parts
    host.events.on('portMoved', ({ wanted, taken, kind }) => {
      this.notices.push(`${kind} port ${wanted} is in use, so ${taken} was taken`)
    })
    host.events.on('addresses', () => void this.#findWords())
    await startAll(services)
    await this.#findWords()
    this.#started = true
    this.log.info('node started', { peer: this.peerId, addresses: this.addresses })
  }

  /** Stops every room, last started first, and gives the data folder back; safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  status(): NodeStatus {
    const { config, parts, version } = this.#made
    return {
      peerId: this.peerId,
      ethAddress: null,
      words: this.#words,
      listen: this.addresses,
      peers: this.#connected().length,
      network: config.network,
      version,
      health: this.health(),
      quic: parts.host.quic(),
      tunnel: TUNNELS_TO_COME,
      uptimeMs: clock.now() - this.#startedAtMs,
      dataDir: config.dataDir,
    }
  }

  health(): HealthReport {
    const { parts, config } = this.#made
    return assess({
      started: this.#started && this.#stopping === undefined,
      peersConnected: this.#connected().length,
      listen: this.addresses,
      bootstrap: {
        configured: config.bootstrap.nodes.length,
        failed: parts.bootstrap
          .report()
          .attempts.filter(({ source, reason }) => source !== 'link' && reason !== undefined)
          .map(({ address, reason = '' }) => ({ address, reason })),
      },
      quic: parts.host.quic(),
      storeFailure: parts.dht?.storeFailure ?? null,
      services: parts.mcp?.services.list() ?? [],
    })
  }

  configToml(): string {
    return effectiveToml(this.#made.config)
  }

  async peers(): Promise<readonly PeerStatus[]> {
    const { host } = this.#made.parts
    const open = host.connections()
    return Promise.all(
      this.#connected().map(async (peer) => ({
        peer,
        connections: open
          .filter((connection) => connection.peer === peer)
          .map(({ address, direction, transport, openedAtMs, streams }) => {
            return { address, direction, transport, openedAtMs, streams }
          }),
        protocols: await host.protocolsOf(peer),
      })),
    )
  }

  /** Dials a peer id, a multiaddr or an address in words, and says who answered. */
  async connect(target: string, options: Waits = {}): Promise<PeerId> {
    const { host, dht } = this.#made.parts
    return host.connect(await dialTarget(target, { host, dht }, options), options)
  }

  disconnect(peer: PeerId): Promise<void> {
    return this.#made.parts.host.disconnect(peer)
  }

  ping(peer: PeerId, options: Waits = {}): Promise<number> {
    return this.#made.parts.host.ping(peer, options)
  }

  readonly tools = {
    find: async (query: { tool?: string; service?: string }, options: Waits = {}) => {
      const { entries } = await this.#mcp().directory.find(query, options)
      return entries
    },
    call: async (tool: string, args: ToolArgs, options: CallTarget = {}) => {
      return this.#mcp().router.call(tool, args, options)
    },
  }

  readonly services = {
    list: (): readonly ServiceStatus[] => this.#made.parts.mcp?.services.list() ?? [],
    expose: async (spec: ServiceSpec, options: { detached: boolean }) => {
      return this.#mcp().services.expose(spec, options)
    },
    unexpose: async (name: string) => this.#mcp().services.unexpose(name),
  }

  readonly dht = {
    put: async (key: string, value: Uint8Array, options: Waits = {}) => {
      return this.#dht().put(key, value, options)
    },
    get: async (key: string, options: Waits = {}) => this.#dht().get(key, options),
  }

  get catalog() {
    return this.#mcp().catalog
  }

  async #stop(): Promise<void> {
    try {
      await stopAll(this.#made.parts.services)
    } finally {
      await this.#made.dataDir.close()
      this.log.info('node stopped', { peer: this.peerId })
    }
  }

  /** Addresses may change while the words of earlier ones are looked up; the last ones count. */
  async #findWords(): Promise<void> {
    const { addresses } = this
    try {
      const words = await bestWords(addresses)
      if (String(addresses) === String(this.addresses)) this.#words = words
    } catch (error) {
      this.log.error('addresses not put into words', { addresses, error })
    }
  }

  #connected(): readonly PeerId[] {
    return [...new Set(this.#made.parts.host.connections().map(({ peer }) => peer))]
  }

  #mcp(): McpParts {
    const { mcp } = this.#made.parts
    if (mcp === null) throw NodeError.SECTION_OFF({ section: 'mcp', key: 'enabled' })
    return mcp
  }

  #dht(): Dht {
    const { dht } = this.#made.parts
    if (dht === null) throw NodeError.SECTION_OFF({ section: 'dht', key: 'enabled' })
    return dht
  }
}

const TUNNELS_TO_COME = {
  state: 'unavailable',
  reason: 'IPv6 tunnels are not built yet',
  remedy: 'use native IPv6 or IPv4 until the tunnel room is there',
} as const
