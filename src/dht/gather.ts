/**
 * What a search brings together from many answers: who provides something, and where a peer is.
 * The same in our own DHT and in those of other networks.
 *
 * Addresses that are told go to `questions`, which keeps those for datagrams, and on to the host,
 * which filters what each source may tell; what the host keeps is what callers see and can dial.
 */

import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import { datagramEndpoint } from './multiaddrs.ts'
import type { Questions } from './questions.ts'
import type { Failure, Search, SearchReport, TimedOptions } from './search.ts'
import { ADDRESSES_MAX, type PeerInfo } from './wire.ts'

/** More than anybody can choose among; a bound on what liars can make us remember. */
const FOUND_MAX = 512

export interface GatherDeps {
  readonly self: PeerId
  readonly host: Pick<Host, 'addressesOf'>
  readonly questions: Pick<Questions, 'learn'>
  readonly search: Pick<Search, 'run'>
}

/** One peer that a search for providers found. */
export interface Provider {
  readonly peer: PeerId
  /** Multiaddrs known for it, without its peer id; empty for this node itself. */
  readonly addresses: readonly string[]
}

/** Whom a search for providers found, and who of those asked did not answer. */
export interface Gathered extends Omit<SearchReport, 'failed'> {
  readonly providers: readonly Provider[]
  readonly failed: readonly Failure[]
}

interface Told {
  readonly info: PeerInfo
  readonly source: PeerId
}

/** Asks who provides what lies at `key`; `known` are those that this node has noted itself. */
export async function gatherProviders(
  deps: GatherDeps,
  key: Uint8Array,
  known: readonly PeerId[],
  options: TimedOptions,
): Promise<Gathered> {
  const found = new Map<PeerId, Told[]>()
  const note = (info: PeerInfo, source: PeerId): void => {
    const told = found.get(info.peer)
    if (told !== undefined) told.push({ info, source })
    else if (found.size < FOUND_MAX) found.set(info.peer, [{ info, source }])
  }
  for (const peer of known) note({ peer, addresses: [] }, deps.self)
  const message = { type: 'getProviders', key } as const
  const report = await deps.search.run(message, {
    ...options,
    region: 'when-crowded',
    onAnswer: (source, { providers = [] }) => {
      for (const info of providers) note(info, source)
      return false
    },
  })
  const providers: Provider[] = []
  for (const [peer, told] of found) providers.push(await resolve(deps, peer, told))
  return { ...report, providers }
}

/** How a peer is looked for. */
export interface FindPeerOptions extends TimedOptions {
  /** To ask the network also where we know addresses: because none of them answers. */
  readonly afresh?: boolean
}

/** Addresses of `peer`: those we know, else those that `enough` sources of the network tell. */
export async function gatherAddresses(
  deps: GatherDeps,
  peer: PeerId,
  enough: number,
  { afresh = false, ...options }: FindPeerOptions,
): Promise<readonly string[]> {
  const { host, questions, search } = deps
  const known = await host.addressesOf(peer)
  if (known.length > 0 && !afresh) return known
  const told: { addresses: readonly string[]; source: PeerId }[] = []
  await search.run(
    { type: 'findNode', key: peerIdToBytes(peer) },
    {
      ...options,
      onAnswer: (source, { closer = [] }) => {
        const info = closer.find((one) => one.peer === peer && one.addresses.length > 0)
        if (info !== undefined) told.push({ addresses: info.addresses, source })
        return told.filter(({ addresses }) => addresses.some(isForStreams)).length >= enough
      },
    },
  )
  for (const { addresses, source } of told) await questions.learn(peer, addresses, source)
  return host.addressesOf(peer)
}

/** An address for datagrams does not say where to connect. */
function isForStreams(address: string): boolean {
  return datagramEndpoint(address) === undefined
}

async function resolve(deps: GatherDeps, peer: PeerId, told: readonly Told[]): Promise<Provider> {
  const { self, host, questions } = deps
  if (peer === self) return { peer, addresses: [] }
  for (const { info, source } of told.slice(0, ADDRESSES_MAX)) {
    if (info.addresses.length > 0) await questions.learn(peer, info.addresses, source)
  }
  return { peer, addresses: await host.addressesOf(peer) }
}
