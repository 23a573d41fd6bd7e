/**
 * Reads what a peer has written of its services: the index, and the descriptors that it has no room
 * for. A record counts only when who signed it is the peer that it speaks of. What was read or
 * heard before is not read again while the index says that it is still the same.
 */

import type { WorkQueue } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import { blindedName, openDescriptor } from './blinded.ts'
import { type Descriptor, decodeDescriptor } from './descriptor.ts'
import { McpError } from './errors.ts'
import type { SearchDht, TimedOptions } from './search.ts'
import {
  contentHash,
  decodeIndex,
  descriptorKey,
  INDEX_NAME,
  type IndexEntry,
  mayHave,
} from './service-index.ts'

export interface RecordReaderDeps {
  readonly dht: Pick<SearchDht, 'get'>
  readonly host: Pick<Host, 'learn'>
  /** Is told of every descriptor that was read and is open to all. */
  readonly seen?: (descriptor: Descriptor) => void
  /** What was read or heard of a service, and has not expired. */
  readonly known?: (peer: PeerId, service: string) => Descriptor | undefined
}

/** Where a descriptor stands: under the service's own name, or under one made of a secret. */
export interface Place {
  readonly service: string
  readonly secret?: Uint8Array
}

/** One service of a peer: its descriptor, or how to get it. */
export interface Indexed {
  readonly service: string
  readonly descriptor: () => Promise<Descriptor>
}

/** Made for one search; `reads` bounds the DHT reads of all searches together. */
export class RecordReader {
  readonly #deps: RecordReaderDeps
  readonly #reads: WorkQueue
  readonly #options: TimedOptions & { readonly signal: AbortSignal }

  constructor(
    deps: RecordReaderDeps,
    reads: WorkQueue,
    options: TimedOptions & { readonly signal: AbortSignal },
  ) {
    this.#deps = deps
    this.#reads = reads
    this.#options = options
  }

  /** The services of a peer that may have what is looked for. */
  async services(
    peer: PeerId,
    wanted: { readonly tag?: string; readonly tool?: string },
  ): Promise<readonly Indexed[]> {
    const entries = decodeIndex(await this.#read(INDEX_NAME, peer), peer)
    return entries
      .filter((entry) => mayHave(entry, wanted))
      .map((entry) => ({
        service: entry.service,
        descriptor: () => this.#indexed(peer, entry),
      }))
  }

  async descriptor(peer: PeerId, { service, secret }: Place): Promise<Descriptor> {
    const name = secret === undefined ? service : blindedName(secret, service)
    const value = await this.#read(name, peer)
    const key = descriptorKey(name, peer)
    const bytes = secret === undefined ? value : openDescriptor(value, { secret, key })
    const descriptor = decodeDescriptor(bytes)
    if (descriptor.peer !== peer || descriptor.service !== service) {
      throw McpError.DESCRIPTOR_INVALID({ found: `one of ${descriptor.peer} at ${peer}` })
    }
    if (secret === undefined) this.#deps.seen?.(descriptor)
    return this.#learnt(descriptor)
  }

  async #indexed(peer: PeerId, { service, hash, whole }: IndexEntry): Promise<Descriptor> {
    if (whole !== null) {
      this.#deps.seen?.(whole)
      return this.#learnt(whole)
    }
    const known = hash === null ? undefined : this.#deps.known?.(peer, service)
    const isSame = known !== undefined && contentHash(known) === hash
    return isSame ? this.#learnt(known) : this.descriptor(peer, { service })
  }

  async #learnt(descriptor: Descriptor): Promise<Descriptor> {
    const { peer, toolCount } = descriptor
    if (toolCount > 0) await this.#deps.host.learn(peer, bare(descriptor), peer)
    return descriptor
  }

  /** The value under a key of `peer`'s, when it was `peer` that signed it. */
  async #read(service: string, peer: PeerId): Promise<Uint8Array> {
    const key = descriptorKey(service, peer)
    const { value, publisher } = await this.#reads.run(async () => {
      this.#options.signal.throwIfAborted()
      return this.#deps.dht.get(key, this.#options)
    })
    if (value === null) throw McpError.DESCRIPTOR_MISSING({ key })
    if (publisher === peer) return value
    throw McpError.DESCRIPTOR_INVALID({ found: `a record signed by ${publisher ?? 'nobody'}` })
  }
}

/** Endpoints as the host takes them: without the peer id that each ends in. */
function bare({ endpoints, peer }: Descriptor): string[] {
  return endpoints.map((address) => address.replace(`/p2p/${peer}`, ''))
}
