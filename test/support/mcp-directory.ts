/** Peers, tools and a DHT in memory, for tests of who offers what. */

import { type Clock, Emitter } from '../../src/base/index.ts'
import { type PeerId, signerFromSeed } from '../../src/identity/index.ts'
import type { DirectoryDeps } from '../../src/mcp/directory.ts'
import type { McpEvents } from '../../src/mcp/events.ts'
import type { ServiceStatus, ToolInfo } from '../../src/mcp/tool.ts'
import type { ConnectionInfo, NetEvents } from '../../src/net/index.ts'

/** The same number gives the same peer in every test. */
export function testPeer(number: number): PeerId {
  return signerFromSeed(new Uint8Array(32).fill(number)).peer
}

export function testTool(name: string, over: Partial<ToolInfo> = {}): ToolInfo {
  const inputSchema = { type: 'object' }
  return {
    name,
    description: `Does ${name}`,
    inputSchema,
    idempotent: true,
    readOnly: false,
    ...over,
  }
}

export function testService(name: string, tools: readonly ToolInfo[]): ServiceStatus {
  return { name, state: 'ready', tools, restarts: 0, detached: false }
}

export function testConnection(peer: PeerId): ConnectionInfo {
  const address = '/ip4/127.0.0.1/tcp/9000'
  return {
    peer,
    address,
    direction: 'outbound',
    transport: 'tcp',
    openedAtMs: 0,
    path: 'direct',
    streams: 1,
  }
}

interface Stored {
  readonly value: Uint8Array
  readonly publisher: PeerId
  readonly ttlSeconds: number
}

/** One DHT that all the peers of a test share; it forgets nothing and expires nothing. */
export class FakeDht {
  readonly records = new Map<string, Stored>()
  readonly providers = new Map<string, Set<PeerId>>()
  readonly holders: PeerId[] = []
  puts = 0
  provides = 0
  gets = 0
  /** Reads of these keys, or searches for these names, never end by themselves. */
  readonly silent = new Set<string>()
  /** The same, but for `timeoutMs`, by which the DHT answers with what it has. */
  readonly slow = new Set<string>()
  readonly #clock: Clock | undefined

  constructor(clock?: Clock) {
    this.#clock = clock
  }

  /** The DHT as `self` sees it. */
  as(self: PeerId): DirectoryDeps['dht'] {
    return {
      put: async (key, value, { ttlSeconds, signal }) => {
        signal?.throwIfAborted()
        this.puts += 1
        this.records.set(key, { value, publisher: self, ttlSeconds })
        return { stored: [self, ...this.holders], wanted: 3 }
      },
      get: async (key, { signal, timeoutMs = 60_000 }) => {
        this.gets += 1
        if (this.slow.has(key)) await this.#clock?.sleep(timeoutMs, signal)
        if (this.silent.has(key)) await untilAborted(signal)
        const { value = null, publisher = null } = this.records.get(key) ?? {}
        return { value, publisher }
      },
      provide: async (name) => {
        this.provides += 1
        this.providers.set(name, (this.providers.get(name) ?? new Set()).add(self))
        return { stored: [self, ...this.holders], wanted: 3 }
      },
      unprovide: (name) => this.providers.get(name)?.delete(self),
      findProviders: async (name, { signal, timeoutMs = 60_000 }) => {
        if (this.slow.has(name)) await this.#clock?.sleep(timeoutMs, signal)
        if (this.silent.has(name)) await untilAborted(signal)
        const peers = [...(this.providers.get(name) ?? [])]
        const providers = peers.map((peer) => ({ peer, addresses: [] }))
        return { providers, answered: this.holders, failed: [] }
      },
    }
  }
}

/** Services that a test puts in and takes out; `changed` tells of it. */
export class FakeServices {
  readonly events = new Emitter<McpEvents>((error) => {
    throw error
  })
  /** Of blinded services, by their names. */
  readonly secrets = new Map<string, Uint8Array>()
  #services: readonly ServiceStatus[] = []

  secretOf(name: string): Uint8Array | undefined {
    return this.secrets.get(name)
  }

  list(): readonly ServiceStatus[] {
    return this.#services
  }

  set(...services: readonly ServiceStatus[]): void {
    this.#services = services
    this.events.emit('servicesChanged', { services })
  }
}

/** A host that is connected to whom the test says. */
export class FakeHost {
  readonly self: PeerId
  readonly events = new Emitter<NetEvents>((error) => {
    throw error
  })
  readonly learnt: [peer: PeerId, addresses: readonly string[]][] = []
  peers: readonly PeerId[] = []
  port = 9_000

  constructor(self: PeerId) {
    this.self = self
  }

  addresses(): readonly string[] {
    return [`/ip4/127.0.0.1/tcp/${this.port}/p2p/${this.self}`]
  }

  connections(): readonly ConnectionInfo[] {
    return this.peers.map(testConnection)
  }

  async learn(peer: PeerId, addresses: readonly string[]): Promise<void> {
    this.learnt.push([peer, addresses])
  }
}

export function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = () => reject(signal?.reason as Error)
    if (signal?.aborted === true) giveUp()
    signal?.addEventListener('abort', giveUp, { once: true })
  })
}
