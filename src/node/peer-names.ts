/**
 * Names that peers give themselves: `p2p connect alice`.
 *
 * A claim is a record that only the claiming peer can sign (`/word/<name>/<peerId>`), found through
 * the providers of `word:<name>`. Anybody may claim any name, and several may claim the same one:
 * a name leads to keys and proves nothing. Whoever answers there has its key proven by the
 * handshake; whether it is the one that was meant, only its peer id says.
 */

import { parseRecordName } from '../dht/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions } from '../net/index.ts'
import type { NodeDht } from './injected.ts'

/** A peer that calls itself so, by its own signature. */
export interface NameClaim {
  readonly peer: PeerId
}

/** Who claims a name, and how sure it is that nobody else does. */
export interface NameReport {
  readonly name: string
  readonly claims: readonly NameClaim[]
  /** There are more who say that they claim it than were looked at. */
  readonly more: boolean
  readonly answered: readonly PeerId[]
  readonly failed: readonly { readonly peer: PeerId; readonly code: string }[]
  readonly complete: boolean
}

/** Who holds a claim that was written, and how many were asked to. */
export interface ClaimReport {
  readonly name: string
  readonly peer: PeerId
  readonly stored: readonly PeerId[]
  readonly failed: readonly { readonly peer: PeerId; readonly code: string }[]
  readonly wanted: number
}

/** All that a claim says is its key; the byte leaves room for more to say one day. */
const CLAIM = Uint8Array.of(1)
const CLAIMS_MAX = 16

export interface PeerNamesDeps {
  readonly dht: Pick<NodeDht, 'put' | 'get' | 'provide' | 'findProviders'>
  readonly self: PeerId
}

/** Claims a name for as long as this node runs, and a day longer at most. */
export async function claimName(
  name: string,
  { dht, self }: PeerNamesDeps,
  options: CallOptions = {},
): Promise<ClaimReport> {
  const { stored, failed, wanted } = await dht.put(claimKey(name, self), CLAIM, options)
  await dht.provide(providerName(name), options)
  return { name, peer: self, stored, failed, wanted }
}

/** Finds who claims a name: up to 16 of them, each by a record that it signed. */
export async function findName(
  name: string,
  { dht, self }: PeerNamesDeps,
  options: CallOptions = {},
): Promise<NameReport> {
  // What is wrong with a name is said before anybody is asked.
  claimKey(name, self)
  const found = await dht.findProviders(providerName(name), options)
  const { answered, failed, complete } = found
  const said = [...new Set(found.providers.map(({ peer }) => peer))]
  const looked = said.slice(0, CLAIMS_MAX)
  const claims = await Promise.all(
    looked.map(async (peer) => {
      const { value } = await dht.get(claimKey(name, peer), options)
      return value?.length === 1 && value[0] === CLAIM[0] ? [{ peer }] : []
    }),
  )
  const more = said.length > looked.length
  return { name, claims: claims.flat(), more, answered, failed, complete }
}

function providerName(name: string): string {
  return `word:${name}`
}

function claimKey(name: string, peer: PeerId): string {
  return parseRecordName(`/word/${name}/${peer}`).text
}
