/**
 * Names for tools as an assistant sees them. Pure.
 *
 * The interfaces of language models take `[a-zA-Z0-9_-]{1,64}` and nothing else, and know no peers:
 *
 *   <service>_<tool>            a tool of this node
 *   <service>_<tool>_<peer>     a tool of another one; the last 6 characters of its peer id
 *   <start of these>_<hash>     where that is too long, holds other characters, or is taken
 *
 * The hash is over peer, service and tool, so the name of a tool never depends on what else is
 * listed except where two would be the same; and a name once given is not given to another tool,
 * or a peer could wait for its neighbour to leave and take the calls meant for it.
 */

import { createHash } from 'node:crypto'
import type { PeerId } from '../identity/index.ts'

export interface ToolPlace {
  readonly service: string
  readonly tool: string
  readonly peer: PeerId
}

/** What the gateway calls its own two tools; see `tool-search.ts`. */
export const RESERVED: ReadonlySet<string> = new Set(['find_tools', 'call_tool'])

const NAME_CHARS_MAX = 64
const PEER_CHARS = 6
const HASH_CHARS = 10
const FOREIGN = /[^a-zA-Z0-9_-]/g

/**
 * Names each place, own ones first, so that no stranger changes how our own tools are called.
 * `given` says whose a name is already; names given here are added to it by the caller.
 */
export function nameTools(
  places: readonly ToolPlace[],
  self: PeerId,
  given: (name: string) => string | undefined,
): Map<string, ToolPlace> {
  const named = new Map<string, ToolPlace>()
  const isFree = (name: string, place: ToolPlace) => {
    return (
      !named.has(name) &&
      !RESERVED.has(name) &&
      (given(name) ?? placeKey(place)) === placeKey(place)
    )
  }
  const own = places.filter(({ peer }) => peer === self)
  const others = places.filter(({ peer }) => peer !== self)
  for (const group of [own, others]) {
    const wishes = countBy(group.map((place) => plainName(place, self)))
    for (const place of group) {
      const plain = plainName(place, self)
      const name = wishes.get(plain) === 1 && isFree(plain, place) ? plain : hashedName(place)
      if (isFree(name, place)) named.set(name, place)
    }
  }
  return named
}

/** One string for one place. */
export function placeKey({ peer, service, tool }: ToolPlace): string {
  return `${peer}/${service}/${tool}`
}

function plainName(place: ToolPlace, self: PeerId): string {
  const { service, tool, peer } = place
  const base = `${service}_${tool}`
  const name = peer === self ? base : `${base}_${peer.slice(-PEER_CHARS)}`
  const isPlain = name.length <= NAME_CHARS_MAX && name.replace(FOREIGN, '_') === name
  return isPlain ? name : hashedName(place)
}

/** Two places never share one, except by a collision of 60 bits: then the later is left out. */
function hashedName(place: ToolPlace): string {
  const start = `${place.service}_${place.tool}`.replace(FOREIGN, '_')
  const hash = createHash('sha256').update(placeKey(place)).digest('base64url')
  return `${start.slice(0, NAME_CHARS_MAX - HASH_CHARS - 1)}_${hash.slice(0, HASH_CHARS)}`
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}
