/**
 * Finding services without a DHT: each node answers for itself, to those it is connected to.
 *
 * The `private` preset keeps a group's data with its members, so nothing is written anywhere. Who
 * looks for a name asks every connected peer whether it has it; who reads a record asks the peer
 * whose record it is. What a peer says of itself needs no signature: the channel has proven it.
 *
 *   mcp.has   name of a provider (text)  →  whether we are one (boolean)
 *   mcp.read  key of a record (text)     →  its value (bytes), or null
 */

import type { Clock, Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { RpcClient, RpcServer } from '../rpc/index.ts'
import { type Cbor, WireError } from '../wire/index.ts'
import { McpError } from './errors.ts'
import type { Failure, TimedOptions } from './search.ts'
import { codeOf } from './verdict.ts'

const HAS = 'mcp.has'
const READ = 'mcp.read'
const NAME_CHARS_MAX = 512
/** Connected peers asked in one search; a private group that is larger wants a DHT. */
const ASKED_MAX = 256
/** How long an answer is waited for where the caller does not say. */
const ASKED_MS_MAX = 5_000

export interface NeighboursDeps {
  readonly clock: Clock
  readonly host: Pick<Host, 'self' | 'connections'>
  readonly rpc: {
    readonly server: Pick<RpcServer, 'handle'>
    readonly client: Pick<RpcClient, 'call'>
  }
}

/** What the directory needs of a DHT, over the peers that are connected now. */
export class Neighbours implements Service {
  readonly name = 'mcp neighbours'
  readonly #deps: NeighboursDeps
  readonly #values = new Map<string, Uint8Array>()
  readonly #provided = new Set<string>()

  constructor(deps: NeighboursDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    const { server } = this.#deps.rpc
    server.handle(HAS, async (name) => this.#provided.has(textOf(name)))
    server.handle(READ, async (key) => this.#values.get(textOf(key)) ?? null)
  }

  async stop(): Promise<void> {
    this.#values.clear()
    this.#provided.clear()
  }

  /** Keeps the value for those who ask: nobody else holds it, and nobody else is to. */
  async put(key: string, value: Uint8Array) {
    this.#values.set(key, value)
    return { stored: [this.#deps.host.self], wanted: 1 }
  }

  async provide(name: string) {
    this.#provided.add(name)
    return { stored: [this.#deps.host.self], wanted: 1 }
  }

  unprovide(name: string): void {
    this.#provided.delete(name)
  }

  /** Reads a record of the peer that its key ends with. */
  async get(key: string, options: CallOptions = {}) {
    const { host } = this.#deps
    const owner = host.connections().find(({ peer }) => key.endsWith(`/${peer}`))?.peer
    if (owner === undefined) return { value: null, publisher: null }
    const value = await this.#deps.rpc.client.call(owner, READ, key, options)
    if (value === null) return { value: null, publisher: null }
    if (value instanceof Uint8Array) return { value, publisher: owner }
    throw McpError.DESCRIPTOR_INVALID({ found: `something else than bytes at ${key}` })
  }

  async findProviders(name: string, { timeoutMs, signal }: TimedOptions = {}) {
    const { host, rpc, clock } = this.#deps
    using deadline = clock.deadline(timeoutMs ?? ASKED_MS_MAX, signal)
    const peers = [...new Set(host.connections().map(({ peer }) => peer))].slice(0, ASKED_MAX)
    const answered: PeerId[] = []
    const failed: Failure[] = []
    const ask = async (peer: PeerId): Promise<readonly PeerId[]> => {
      try {
        const has = await rpc.client.call(peer, HAS, name, { signal: deadline.signal })
        answered.push(peer)
        return has === true ? [peer] : []
      } catch (error) {
        failed.push({ peer, code: codeOf(error) })
        return []
      }
    }
    const providers = (await Promise.all(peers.map(ask)))
      .flat()
      .map((peer) => ({ peer, addresses: NONE }))
    return { providers, answered, failed }
  }
}

/** Whoever is connected needs no address to be reached by. */
const NONE: readonly string[] = []

function textOf(payload: Cbor): string {
  if (typeof payload === 'string' && payload.length <= NAME_CHARS_MAX) return payload
  throw WireError.MALFORMED({ field: 'name', found: typeof payload })
}
